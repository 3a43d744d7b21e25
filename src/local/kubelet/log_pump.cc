#include "local/kubelet/log_pump.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace kinglet::kubelet {

LogPump::LogPump() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC)) {
  KINGLET_CHECK(epoll_ && wake_);
  epoll_event event{EPOLLIN, {.fd = wake_.get()}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  thread_ = std::thread([this] { Run(); });
}

LogPump::~LogPump() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

Result<LogPump::Pipes> LogPump::Open(std::filesystem::path log) {
  auto file = std::make_shared<LogFile>(std::move(log));
  Pipes pipes;
  std::lock_guard lock(mutex_);
  pipes.token = ++last_token_;
  for (bool error : {false, true}) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return Unexpected(ErrnoError("pipe", errno));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    (error ? pipes.err : pipes.out).Reset(ends[1]);
    streams_.emplace(ends[0], Stream{Fd(ends[0]), error ? "stderr" : "stdout", file, pipes.token});
    epoll_event event{EPOLLIN, {.fd = ends[0]}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ends[0], &event);
  }
  return pipes;
}

bool LogPump::WaitForEnd(uint64_t token, Deadline deadline) {
  std::unique_lock lock(mutex_);
  return ended_.wait_until(lock, deadline.at(), [&] {
    return std::none_of(streams_.begin(), streams_.end(),
                        [&](const auto& entry) { return entry.second.token == token; });
  });
}

void LogPump::Close(int fd) {
  std::lock_guard lock(mutex_);
  auto it = streams_.find(fd);
  if (it == streams_.end()) return;
  if (it->second.file.use_count() == 1) it->second.file->Flush();
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  streams_.erase(it);
  ended_.notify_all();
}

void LogPump::Run() {
  std::string buffer(64 << 10, '\0');
  for (;;) {
    epoll_event events[32];
    int count = epoll_wait(epoll_.get(), events, 32, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      std::shared_ptr<LogFile> file;
      std::string_view name;
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        auto it = streams_.find(fd);
        if (it == streams_.end()) continue;
        file = it->second.file;
        name = it->second.name;
      }
      ssize_t got = read(fd, buffer.data(), buffer.size());
      if (got > 0) {
        file->Append(name, std::string_view(buffer).substr(0, static_cast<size_t>(got)));
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        file.reset();
        Close(fd);
      }
    }
  }
}

}  // namespace kinglet::kubelet
