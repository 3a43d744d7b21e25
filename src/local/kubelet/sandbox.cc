#include "local/kubelet/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "local/kubelet/dial.h"

namespace kinglet::kubelet {
namespace {

// Of a container, which is a matter of milliseconds unless another one of the pod holds it up.
constexpr auto kStartLimit = std::chrono::seconds(30);

Result<std::pair<Fd, Fd>> SocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Unexpected(ErrnoError("socketpair", errno));
  }
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

// flock() with a deadline: the holder is a dying pod of an earlier run.
Result<Fd> TakeLock(const std::filesystem::path& path, Deadline deadline) {
  Fd lock(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock) return Unexpected(ErrnoError("cannot open " + path.string(), errno));
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return Unexpected(ErrnoError("cannot lock " + path.string(), errno));
    }
    if (deadline.Expired()) {
      return Fail(Code::kUnavailable,
                  "processes of an earlier run of this pod are still there (they hold {})",
                  path.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return lock;
}

}  // namespace

Result<std::unique_ptr<Sandbox>> Sandbox::Start(SandboxOptions options, Deadline deadline) {
  auto sandbox = std::unique_ptr<Sandbox>(new Sandbox(std::move(options)));
  KINGLET_RETURN_IF_ERROR(sandbox->Spawn(deadline));
  return sandbox;
}

Status Sandbox::Spawn(Deadline deadline) {
  KINGLET_TRY(Fd lock, TakeLock(options_.lock_file, deadline));
  KINGLET_TRY(Fd config, pod::MakeMemoryFile(options_.config.ToJson().Dump()));
  KINGLET_TRY(auto control, SocketPair());
  KINGLET_TRY(auto sockets, SocketPair());
  control_ = std::move(control.first);
  sockets_ = std::move(sockets.first);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  std::vector<Fd> sources;
  const std::pair<int, int> passed[] = {{control.second.get(), pod::kControlFd},
                                        {sockets.second.get(), pod::kSocketsFd},
                                        {lock.get(), pod::kLockFd},
                                        {config.get(), pod::kConfigFd}};
  for (auto [from, to] : passed) {
    // Away from the numbers they are to have, so that none overwrites another.
    sources.emplace_back(fcntl(from, F_DUPFD_CLOEXEC, 64));
    posix_spawn_file_actions_adddup2(&actions, sources.back().get(), to);
  }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A session of its own: Ctrl-C in the terminal is for the kubelet, which then stops pods in
  // order.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string program = options_.program.string();
  char* argv[] = {program.data(), nullptr};
  // The kubelet's environment is not the pod's: it may hold the user's credentials.
  char* no_environment[] = {nullptr};
  int failed = posix_spawn(&pid_, program.c_str(), &actions, &attributes, argv, no_environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) {
    pid_ = 0;
    return Unexpected(ErrnoError("cannot run " + program, failed));
  }
  control.second.Reset();
  sockets.second.Reset();
  reader_ = std::thread([this] { ReadEvents(); });
  std::unique_lock guard(mutex_);
  if (!changed_.wait_until(guard, deadline.at(), [&] { return ready_ || lost_; })) {
    return Fail(Code::kUnavailable, "the pod's process did not start in time");
  }
  if (!ready_) return Fail(Code::kUnavailable, "the pod's process ended at its start");
  return *ready_;
}

Sandbox::~Sandbox() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  // The end of the stream tells it to kill everything and leave.
  if (control_) shutdown(control_.get(), SHUT_RDWR);
  if (reader_.joinable()) reader_.join();
  if (pid_ > 0) {
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void Sandbox::ReadEvents() {
  for (;;) {
    auto packet = pod::ReceivePacket(control_.get());
    if (!packet) break;
    auto message = Json::Parse(packet->text);
    if (!message) continue;
    const std::string& event = (*message)["event"].AsString();
    const std::string& id = (*message)["id"].AsString();
    if (event == "exited") {
      options_.on_exit(id, static_cast<int>((*message)["status"].AsInt()));
      continue;
    }
    if (event == "connect") {
      Route route = options_.on_connect((*message)["ip"].AsString(),
                                        static_cast<int>((*message)["port"].AsInt()),
                                        (*message)["inPod"].AsBool());
      Json answer = Json::MakeObject({{"op", "connect"},
                                      {"id", (*message)["id"].AsInt()},
                                      {"ip", route.ip},
                                      {"port", route.port},
                                      {"refused", route.refused}});
      (void)pod::SendPacket(control_.get(), answer.Dump());
      continue;
    }
    std::lock_guard lock(mutex_);
    if (event == "ready") {
      ready_ = Status{};
    } else if (event == "broken") {
      ready_ = Fail(Code::kPermissionDenied, "{}", (*message)["message"].AsString());
    } else if (auto it = pending_.find(id); it != pending_.end()) {
      it->second.done = true;
      if (event == "started") {
        it->second.result = static_cast<int>((*message)["pid"].AsInt());
      } else {
        it->second.result = Unexpected(Error(static_cast<Code>((*message)["code"].AsInt(13)),
                                             (*message)["message"].AsString()));
      }
    }
    changed_.notify_all();
  }
  bool told;
  {
    std::lock_guard lock(mutex_);
    lost_ = true;
    told = closing_ || !ready_;
    changed_.notify_all();
  }
  if (!told && options_.on_lost) options_.on_lost();
}

Result<int> Sandbox::StartContainer(const std::string& id, const pod::ContainerSpec& spec, int out,
                                    int err, const std::vector<Fd>& trees) {
  KINGLET_TRY(Fd file, pod::MakeMemoryFile(spec.ToJson().Dump()));
  {
    std::lock_guard lock(mutex_);
    if (lost_) return Fail(Code::kUnavailable, "the pod's process has ended");
    pending_[id] = {};
  }
  Json message = Json::MakeObject({{"op", "start"}, {"id", id}});
  std::vector<int> fds = {file.get(), out, err};
  for (const Fd& tree : trees) fds.push_back(tree.get());
  Status sent = pod::SendPacket(control_.get(), message.Dump(), fds);
  std::unique_lock lock(mutex_);
  auto over = [&] { return pending_[id].done || lost_; };
  if (sent && !changed_.wait_for(lock, kStartLimit, over)) {
    GiveUp();
    changed_.wait(lock, over);
  }
  Pending pending = std::move(pending_[id]);
  pending_.erase(id);
  if (!sent) return Unexpected(sent.error());
  if (!pending.done) return Fail(Code::kUnavailable, "the pod's process has ended");
  return pending.result;
}

void Sandbox::GiveUp() { shutdown(control_.get(), SHUT_RDWR); }

void Sandbox::Signal(const std::string& id, int number) {
  Json message = Json::MakeObject({{"op", "signal"}, {"id", id}, {"signal", number}});
  (void)pod::SendPacket(control_.get(), message.Dump());
}

Result<Fd> Sandbox::MakeSocket(int type) {
  if (!own_network()) return MakeHostSocket(type);
  std::lock_guard lock(sockets_mutex_);
  KINGLET_RETURN_IF_ERROR(pod::SendPacket(sockets_.get(), type == SOCK_DGRAM ? "u" : "s"));
  KINGLET_TRY(pod::Packet packet, pod::ReceivePacket(sockets_.get()));
  if (packet.fds.empty()) return Fail(Code::kUnavailable, "the pod's network made no socket");
  return std::move(packet.fds[0]);
}

}  // namespace kinglet::kubelet
