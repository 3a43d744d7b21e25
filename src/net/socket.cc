#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstring>

namespace kinglet::net {

namespace {
constexpr size_t kTurnBytes = 256 << 10;

Unexpected Broken(const char* what, int error) {
  return Fail(Code::kUnavailable, "{}: {}", what, strerror(error));
}
}  // namespace

Socket::Socket(Loop& loop, Fd fd) : loop_(loop.impl()), fd_(std::move(fd)) {
  loop_.Add(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
}

Socket::~Socket() { loop_.Remove(fd_.get(), this); }

void Socket::OnIo(uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_done_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  // A resumed coroutine may destroy this socket; but not a writer while a reader waits too: the
  // reader's coroutine owns the socket then and is still suspended.
  bool reader_waits = readable_ && read_waiter_;
  if (write_waiter_ && writable_) write_waiter_->Complete(true);
  if (reader_waits) read_waiter_->Complete(true);
}

Unexpected Socket::WaitFailed(Deadline deadline) const {
  if (deadline.Expired()) return Fail(Code::kDeadlineExceeded, "no answer in time");
  return Fail(Code::kCancelled, "cancelled");
}

Task<Result<std::unique_ptr<Socket>>> Socket::Connect(Loop& loop, const sockaddr_storage& address,
                                                      socklen_t size, Deadline deadline,
                                                      std::stop_token stop) {
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return Broken("socket", errno);
  int one = 1;
  if (address.ss_family != AF_UNIX) {
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  int raw = fd.get();
  if (connect(raw, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    if (errno != EINPROGRESS) co_return Broken("connect", errno);
    std::unique_ptr<Socket> socket(new Socket(loop, std::move(fd)));
    socket->writable_ = false;
    if (!co_await internal::SlotWaiter(&socket->write_waiter_, socket->loop_, deadline, stop)) {
      co_return socket->WaitFailed(deadline);
    }
    int error = 0;
    socklen_t error_size = sizeof error;
    getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &error_size);
    if (error != 0) co_return Broken("connect", error);
    co_return socket;
  }
  co_return std::unique_ptr<Socket>(new Socket(loop, std::move(fd)));
}

Task<Result<size_t>> Socket::Read(char* data, size_t size, Deadline deadline,
                                  std::stop_token stop) {
  while (true) {
    if (readable_) {
      if (turn_bytes_ >= kTurnBytes) {
        // A peer that never lets the socket run empty must not keep the loop to itself.
        turn_bytes_ = 0;
        co_await internal::Waiter(loop_, Deadline::After(Duration::zero()), stop, true);
      }
      ssize_t got = recv(fd_.get(), data, size, 0);
      if (got >= 0) {
        turn_bytes_ += static_cast<size_t>(got);
        // As in the server's connection: a short read has emptied the socket.
        if (got > 0 && static_cast<size_t>(got) < size && !peer_done_) readable_ = false;
        co_return static_cast<size_t>(got);
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return Broken("read", errno);
      readable_ = false;
    }
    if (stop.stop_requested()) co_return Fail(Code::kCancelled, "cancelled");
    turn_bytes_ = 0;
    if (!co_await internal::SlotWaiter(&read_waiter_, loop_, deadline, stop)) {
      co_return WaitFailed(deadline);
    }
  }
}

Task<Status> Socket::Write(std::string_view bytes, Deadline deadline, std::stop_token stop) {
  while (!bytes.empty()) {
    if (writable_) {
      ssize_t put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put >= 0) {
        bytes.remove_prefix(static_cast<size_t>(put));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return Broken("write", errno);
      writable_ = false;
    }
    if (!co_await internal::SlotWaiter(&write_waiter_, loop_, deadline, stop)) {
      co_return WaitFailed(deadline);
    }
  }
  co_return Status{};
}

bool Socket::Idle() const {
  char byte;
  ssize_t got = recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && errno == EAGAIN;
}

}  // namespace kinglet::net
