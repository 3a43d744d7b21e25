#include "local/kubelet/pod/init.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "local/kubelet/pod/confine.h"
#include "local/kubelet/pod/intercept.h"
#include "local/kubelet/pod/namespaces.h"
#include "local/kubelet/pod/open.h"
#include "local/kubelet/pod/protocol.h"
#include "local/kubelet/pod/root.h"

namespace kinglet::kubelet::pod {
namespace {

// A program's process already has the pod's user when it becomes the program: another container may
// stop it there.
constexpr auto kStartLimit = std::chrono::seconds(10);

// The argument of this program when it runs from a mount of its own.
constexpr const char* kInside = "--inside";

struct Running {
  pid_t pid = 0;
  ContainerSpec spec;
};

// What a fork needs to become a container.
struct Launch {
  const ContainerSpec& spec;
  int out, err;
  const std::vector<Fd>& trees;  // detached mounts that spec.mounts name
  pid_t join = 0;                // run in this process's namespaces
};

class Init {
 public:
  explicit Init(PodConfig config)
      : config_(std::move(config)),
        interceptor_(config_, [this](const Json& question) { Send(question); }) {}

  int Run() {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, &old_mask_);
    Fd children(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (config_.own_network) {
      auto network = StartNetwork(kSocketsFd, config_.address);
      if (!network) return Refuse(network.error());
      network_ = std::move(*network);
    }
    if (!Send(Json::MakeObject({{"event", "ready"}}))) return 1;
    for (;;) {
      std::vector<pollfd> waits = {{kControlFd, POLLIN, 0}, {children.get(), POLLIN, 0}};
      for (int fd : interceptor_.Descriptors()) waits.push_back({fd, POLLIN, 0});
      if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
      for (size_t i = 2; i < waits.size(); ++i) {
        if (waits[i].revents) interceptor_.Handle(waits[i].fd);
      }
      if (waits[1].revents) {
        signalfd_siginfo info[16];
        while (read(children.get(), info, sizeof(info)) > 0) {
        }
        Reap();
      }
      if (waits[0].revents) {
        auto packet = ReceivePacket(kControlFd);
        if (!packet) break;
        Handle(*packet);
      }
    }
    KillAll();
    return 0;
  }

 private:
  int Refuse(const Error& error) {
    (void)Send(Json::MakeObject({{"event", "broken"}, {"message", error.message()}}));
    return 1;
  }

  bool Send(const Json& message) { return SendPacket(kControlFd, message.Dump()).has_value(); }

  void Reap() {
    for (;;) {
      int status = 0;
      pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      auto it = std::find_if(running_.begin(), running_.end(),
                             [&](const auto& entry) { return entry.second.pid == pid; });
      if (it == running_.end()) continue;  // an orphan that came to us
      // What the container left behind in its session ends with it.
      kill(-pid, SIGKILL);
      Send(Json::MakeObject({{"event", "exited"}, {"id", it->first}, {"status", status}}));
      running_.erase(it);
    }
  }

  void Handle(Packet& packet) {
    auto message = Json::Parse(packet.text);
    if (!message) return;
    const std::string& op = (*message)["op"].AsString();
    const std::string& id = (*message)["id"].AsString();
    if (op == "start" && packet.fds.size() >= 3) {
      auto pid = Start(id, packet);
      if (pid) {
        Send(Json::MakeObject({{"event", "started"}, {"id", id}, {"pid", *pid}}));
      } else {
        Send(Json::MakeObject({{"event", "failed"},
                               {"id", id},
                               {"code", static_cast<int>(pid.error().code())},
                               {"message", pid.error().message()}}));
      }
    } else if (op == "signal") {
      auto it = running_.find(id);
      int number = static_cast<int>((*message)["signal"].AsInt());
      if (it == running_.end()) return;
      // SIGKILL takes the whole session's group; others go to the main process, as in a cluster.
      kill(number == SIGKILL ? -it->second.pid : it->second.pid, number);
    } else if (op == "connect") {
      interceptor_.Answer(*message);
    }
  }

  Result<int> Start(const std::string& id, Packet& packet) {
    if (running_.contains(id)) return Fail(Code::kAlreadyExists, "{} runs already", id);
    KINGLET_TRY(std::string text, ReadMemoryFile(packet.fds[0].get()));
    KINGLET_TRY(Json json, Json::Parse(text));
    ContainerSpec spec = ContainerSpec::FromJson(json);
    if (spec.argv.empty()) return Fail(Code::kInvalidArgument, "no command");
    const std::vector<Fd> trees(std::make_move_iterator(packet.fds.begin() + 3),
                                std::make_move_iterator(packet.fds.end()));
    Launch launch{spec, packet.fds[1].get(), packet.fds[2].get(), trees};
    if (!spec.join.empty()) {
      auto it = running_.find(spec.join);
      if (it == running_.end()) return Fail(Code::kNotFound, "container {} not running", spec.join);
      if (config_.namespaces) {
        launch.join = it->second.pid;
        spec.uid = it->second.spec.uid;
        spec.gid = it->second.spec.gid;
      }
      spec.pod_network = it->second.spec.pod_network;
    }
    // The child's last words: the listener of its filter, or why it could not become the program.
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return Unexpected(ErrnoError("socketpair", errno));
    }
    Fd reader(ends[0]), writer(ends[1]);
    pid_t pid = fork();
    if (pid < 0) return Unexpected(ErrnoError("fork", errno));
    if (pid == 0) {
      Error error = Become(launch, writer.get());
      (void)SendPacket(writer.get(),
                       std::string(1, static_cast<char>(error.code())) + error.message());
      _exit(127);
    }
    writer.Reset();
    Fd listener;
    const auto patience = std::chrono::steady_clock::now() + kStartLimit;
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(patience - std::chrono::steady_clock::now());
      pollfd wait{reader.get(), POLLIN, 0};
      const int ready = left.count() > 0 ? poll(&wait, 1, static_cast<int>(left.count())) : 0;
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) {
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        return Fail(Code::kDeadlineExceeded, "the program was held up at its start");
      }
      auto words = ReceivePacket(reader.get());
      if (!words) break;
      if (words->fds.empty()) {
        waitpid(pid, nullptr, 0);
        return Fail(static_cast<Code>(words->text[0]), "{}", words->text.substr(1));
      }
      listener = std::move(words->fds[0]);
    }
    if (listener) interceptor_.Add(std::move(listener), config_.own_network && spec.pod_network);
    running_[id] = Running{pid, std::move(spec)};
    return pid;
  }

  // In the child. Returns only with the reason why it could not become the program.
  Error Become(const Launch& launch, int words) {
    const ContainerSpec& spec = launch.spec;
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
    setsid();
    if (auto entered = EnterNamespaces(launch); !entered) return entered.error();
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // after the change of the user, which takes it away
    Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    // The pipes may sit on the numbers that we are about to overwrite.
    Fd out(fcntl(launch.out, F_DUPFD_CLOEXEC, 16)), err(fcntl(launch.err, F_DUPFD_CLOEXEC, 16));
    if (dup2(null.get(), 0) < 0 || dup2(out.get(), 1) < 0 || dup2(err.get(), 2) < 0) {
      return ErrnoError("dup2", errno);
    }
    if (!spec.cwd.empty() && chdir(spec.cwd.c_str()) != 0) {
      return ErrnoError("workingDir " + spec.cwd, errno);
    }
    umask(022);
    const Rights rights{.capabilities = spec.capabilities, .unix_sockets = spec.unix_sockets};
    if (auto confined = Confine(rights); !confined) return confined.error();
    std::vector<char*> argv, env;
    for (const std::string& word : spec.argv) argv.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& word : spec.env) env.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    environ = env.data();
    if (config_.intercept) {
      auto listener = InstallFilter();
      if (!listener) return listener.error();
      if (auto told = SendPacket(words, "filter", {listener->get()}); !told) return told.error();
    }
    execvp(argv[0], argv.data());
    return ErrnoError(fmt::format("cannot run {}", spec.argv[0]), errno);
  }

  Status EnterNamespaces(const Launch& launch) {
    if (!config_.namespaces) return {};
    const ContainerSpec& spec = launch.spec;
    const bool pod_user = config_.host_id >= 0;
    if (launch.join) {
      Fd process(static_cast<int>(syscall(SYS_pidfd_open, launch.join, 0)));
      if (!process) return Unexpected(ErrnoError("pidfd_open", errno));
      // The container's namespace lets nobody change groups.
      if (pod_user && setgroups(0, nullptr) != 0) {
        return Unexpected(ErrnoError("setgroups", errno));
      }
      if (setns(process.get(), CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) {
        return Unexpected(ErrnoError("cannot enter the container", errno));
      }
      const auto uid = static_cast<uid_t>(spec.uid);
      const auto gid = static_cast<gid_t>(spec.gid);
      if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return Unexpected(ErrnoError("cannot become the container's user", errno));
      }
      if (chdir("/") != 0) return Unexpected(ErrnoError("chdir /", errno));
      return {};
    }
    if (spec.pod_network && network_ && setns(network_.get(), CLONE_NEWNET) != 0) {
      return Unexpected(ErrnoError("cannot enter the pod's network", errno));
    }
    KINGLET_RETURN_IF_ERROR(
        EnterRoot(spec, launch.trees, config_.hostname, pod_user ? kPodUser : 0));
    if (auto entered = EnterContainerUser(pod_user, static_cast<uid_t>(spec.uid),
                                          static_cast<gid_t>(spec.gid));
        !entered) {
      return Unexpected(entered.error().WithContext(fmt::format("runAsUser {}", spec.uid)));
    }
    return {};
  }

  // As the first process of a pid namespace our end is everybody's; on the host we are the
  // subreaper, so that every descendant is, or becomes, a child.
  void KillAll() {
    for (;;) {
      if (getpid() == 1) {
        kill(-1, SIGKILL);
      } else {
        for (const auto& [id, running] : running_) kill(-running.pid, SIGKILL);
        KillChildren();
      }
      int status;
      pid_t pid = waitpid(-1, &status, 0);
      if (pid < 0 && errno == ECHILD) return;
      std::erase_if(running_, [&](const auto& entry) { return entry.second.pid == pid; });
    }
  }

  static void KillChildren() {
    FILE* file = std::fopen("/proc/thread-self/children", "re");
    if (!file) return;
    int pid;
    while (std::fscanf(file, "%d", &pid) == 1) kill(pid, SIGKILL);
    std::fclose(file);
  }

  const PodConfig config_;
  Interceptor interceptor_;
  Fd network_;  // the namespace
  sigset_t old_mask_{};
  std::map<std::string, Running> running_;
};

// A trial of everything a pod needs, in this process and a child.
int Probe(int64_t host_id) {
  auto tried = [&]() -> Status {
    KINGLET_RETURN_IF_ERROR(EnterPodNamespaces("probe", host_id));
    pid_t child = fork();
    if (child < 0) return Unexpected(ErrnoError("fork", errno));
    if (child == 0) {
      char folder[] = "/tmp/kinglet-probe-XXXXXX";
      Status result;
      if (unshare(CLONE_NEWNET) != 0) {
        result = Unexpected(ErrnoError("the kernel refuses a network namespace", errno));
      } else if (!mkdtemp(folder)) {
        result = Unexpected(ErrnoError("making a folder below /tmp", errno));
      } else {
        int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ContainerSpec spec;
        spec.root_dir = folder;
        result = EnterRoot(spec, {}, "probe", host_id >= 0 ? kPodUser : 0);
        unlinkat(old_root, folder + 1, AT_REMOVEDIR);
        if (result) result = EnterContainerUser(host_id >= 0, 1000, 1000);
        if (result) result = Confine({});
      }
      if (!result) std::printf("%s\n", result.error().message().c_str());
      std::fflush(stdout);
      _exit(result ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) return Fail(Code::kPermissionDenied, "");
    return {};
  }();
  if (tried) return 0;
  if (!tried.error().message().empty()) std::printf("%s\n", tried.error().message().c_str());
  return 1;
}

// Waits for the first process of the pod's namespace, and kills it, and with it all of the pod, if
// it is still there a while after the kubelet has gone. A container can keep that process from
// seeing the end of the control socket (by stopping another one that it waits for), but does not
// reach this one, which is outside of the namespace.
int GuardPod(pid_t init) {
  constexpr int kGraceMs = 3000;
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, init, 0)));
  pollfd waits[] = {{process.get(), POLLIN, 0}, {kControlFd, 0 /* POLLHUP */, 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  if (!waits[0].revents) {
    while (poll(waits, 1, kGraceMs) < 0 && errno == EINTR) {
    }
    if (!waits[0].revents) kill(init, SIGKILL);
  }
  int status = 0;
  while (waitpid(init, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// Runs this program anew, from a mount of its file that is read-only. Else a container that runs
// /proc/self/exe gets hold of the file itself, which it may change if it is the same user. Returns
// only with the reason why it could not. (readlink: mounts are cloned in their own namespace only.)
Error RunFromReadOnlyMount() {
  std::error_code failed;
  const std::string path = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) return Error(Code::kInternal, "/proc/self/exe: " + failed.message());
  if (unshare(CLONE_NEWNS) != 0) return ErrnoError("the kernel refuses a mount namespace", errno);
  Fd file(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file) return ErrnoError(path, errno);
  auto tree = CloneTree(file.get());
  if (!tree) return tree.error();
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (syscall(SYS_mount_setattr, tree->get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) !=
      0) {
    return ErrnoError("cannot restrict the mount", errno);
  }
  const char* argv[] = {path.c_str(), kInside, nullptr};
  const char* no_environment[] = {nullptr};
  syscall(SYS_execveat, tree->get(), "", argv, no_environment, AT_EMPTY_PATH);
  return ErrnoError("cannot run " + path, errno);
}

// `inside`: in the pod's namespaces already.
int RunPod(bool inside) {
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(number, SIG_IGN);
  auto text = ReadMemoryFile(kConfigFd);
  if (!text) return 2;
  auto json = Json::Parse(*text);
  if (!json) return 2;
  PodConfig config = PodConfig::FromJson(*json);
  auto broken = [](const Error& error) {
    Json report = Json::MakeObject({{"event", "broken"}, {"message", error.message()}});
    (void)SendPacket(kControlFd, report.Dump());
    return 1;
  };
  if (config.namespaces && !inside) {
    if (auto entered = EnterPodNamespaces(config.hostname, config.host_id); !entered) {
      return broken(entered.error());
    }
    if (config.host_id < 0) return broken(RunFromReadOnlyMount());
  }
  for (int fd = kControlFd; fd <= kConfigFd; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (!config.namespaces) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return Init(std::move(config)).Run();
  }
  pid_t child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(Init(std::move(config)).Run());
  }
  // The lock and the sockets must die with the pod, not earlier and not later.
  close(kSocketsFd);
  return GuardPod(child);
}

}  // namespace

int Main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--probe") == 0) {
    return Probe(argc > 2 ? std::strtoll(argv[2], nullptr, 10) : -1);
  }
  if (argc > 1 && std::strcmp(argv[1], "--probe-network") == 0) {
    auto tried = TryInterception();
    if (!tried) std::printf("%s\n", tried.error().message().c_str());
    return tried ? 0 : 1;
  }
  const bool inside = argc > 1 && std::strcmp(argv[1], kInside) == 0;
  if ((argc > 1 && !inside) || fcntl(kControlFd, F_GETFD) < 0) {
    std::printf(
        "kinglet-pod holds the namespaces and processes of one pod.\n"
        "It is started by kinglet's kubelet and has no use of its own.\n"
        "  --probe [ID]     try whether the kernel allows what a pod needs, as user and group ID\n"
        "                   of this machine (default: the present ones); says why not\n"
        "  --probe-network  the same for connections to other pods, services and the world\n"
        "  --help           this text\n");
    return argc > 1 && std::strcmp(argv[1], "--help") != 0 ? 2 : 0;
  }
  return RunPod(inside);
}

}  // namespace kinglet::kubelet::pod
