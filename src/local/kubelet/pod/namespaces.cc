#include "local/kubelet/pod/namespaces.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <future>
#include <thread>

#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet::pod {
namespace {

Status WriteProc(const std::string& path, const std::string& text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Unexpected(ErrnoError(fmt::format("writing {}", path), errno));
  }
  return {};
}

Status RaiseLoopback(const std::string& address) {
  Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return Unexpected(ErrnoError("socket", errno));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) {
    return Unexpected(ErrnoError("raising the loopback interface", errno));
  }
  if (address.empty()) return {};
  // The address works without, as all of 127.0.0.0/8. But resolvers look for an interface with an
  // address other than 127.0.0.1 before they ask for IPv4 addresses at all (AI_ADDRCONFIG).
  std::strcpy(request.ifr_name, "lo:pod");
  auto& in = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
  in = {};
  in.sin_family = AF_INET;
  if (inet_pton(AF_INET, address.c_str(), &in.sin_addr) != 1 ||
      ioctl(socket_fd.get(), SIOCSIFADDR, &request) != 0) {
    return Unexpected(ErrnoError("giving the pod its address", errno));
  }
  return {};
}

// Answers requests for sockets until the other side goes.
void ServeSockets(int requests) {
  char request;
  for (;;) {
    ssize_t count = recv(requests, &request, 1, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    Fd made(socket(AF_INET, (request == 'u' ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    Status sent = made ? SendPacket(requests, "+", {made.get()}) : SendPacket(requests, "-");
    if (!sent) return;
  }
}

// Moves the process into a user namespace whose only uid and gid stand for the present ones.
Status EnterUserNamespace(uid_t uid, gid_t gid) {
  const uid_t outer_uid = geteuid();
  const gid_t outer_gid = getegid();
  if (unshare(CLONE_NEWUSER) != 0) {
    return Unexpected(ErrnoError("the kernel refuses a user namespace", errno));
  }
  KINGLET_RETURN_IF_ERROR(WriteProc("/proc/self/setgroups", "deny"));
  KINGLET_RETURN_IF_ERROR(WriteProc("/proc/self/uid_map", fmt::format("{} {} 1", uid, outer_uid)));
  KINGLET_RETURN_IF_ERROR(WriteProc("/proc/self/gid_map", fmt::format("{} {} 1", gid, outer_gid)));
  return {};
}

// Moves the process into a user namespace that maps root to itself and kPodUser to `host_id`. Maps
// of other users are written from outside the namespace: by a child that remains there.
Status EnterMappedNamespace(int64_t host_id) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Unexpected(ErrnoError("socketpair", errno));
  }
  Fd ours(ends[0]), theirs(ends[1]);
  const pid_t self = getpid();
  pid_t child = fork();
  if (child < 0) return Unexpected(ErrnoError("fork", errno));
  if (child == 0) {
    ours.Reset();
    if (!ReceivePacket(theirs.get())) _exit(1);
    const std::string map = fmt::format("0 0 1\n{} {} 1\n", kPodUser, host_id);
    Status written = WriteProc(fmt::format("/proc/{}/uid_map", self), map);
    if (written) written = WriteProc(fmt::format("/proc/{}/gid_map", self), map);
    (void)SendPacket(theirs.get(), written ? "+" : "-" + written.error().message());
    _exit(0);
  }
  theirs.Reset();
  Status mapped = [&]() -> Status {
    if (unshare(CLONE_NEWUSER) != 0) {
      return Unexpected(ErrnoError("the kernel refuses a user namespace", errno));
    }
    KINGLET_RETURN_IF_ERROR(SendPacket(ours.get(), "entered"));
    KINGLET_TRY(Packet answer, ReceivePacket(ours.get()));
    if (answer.text != "+") {
      return Fail(Code::kPermissionDenied, "user {} of the host cannot be mapped: {}", host_id,
                  answer.text.substr(1));
    }
    return {};
  }();
  ours.Reset();
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return mapped;
}

// Drops the groups of the kubelet's user, and becomes `id` of the present namespace.
Status BecomeUser(uid_t id) {
  if (setgroups(0, nullptr) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0) {
    return Unexpected(ErrnoError(fmt::format("cannot become user {}", id), errno));
  }
  return {};
}

}  // namespace

Status EnterContainerUser(bool pod_user, uid_t uid, gid_t gid) {
  if (pod_user) {
    KINGLET_RETURN_IF_ERROR(BecomeUser(kPodUser));
    // A process that changed its user may not write its own maps otherwise. The next exec decides
    // anew; until then the other containers, in namespaces of their own, may not trace it either.
    prctl(PR_SET_DUMPABLE, 1);
  }
  // A user namespace remembers the limit of who made it, and counts there what it has below it.
  const rlimit processes{kMaxProcesses, kMaxProcesses};
  if (setrlimit(RLIMIT_NPROC, &processes) != 0) return Unexpected(ErrnoError("setrlimit", errno));
  return EnterUserNamespace(uid, gid);
}

Status EnterPodNamespaces(const std::string& hostname, int64_t host_id) {
  KINGLET_RETURN_IF_ERROR(host_id < 0 ? EnterUserNamespace(0, 0) : EnterMappedNamespace(host_id));
  if (unshare(CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    return Unexpected(ErrnoError("the kernel refuses pid, ipc and uts namespaces", errno));
  }
  if (!hostname.empty() && sethostname(hostname.data(), hostname.size()) != 0) {
    return Unexpected(ErrnoError("sethostname", errno));
  }
  return {};
}

Result<Fd> StartNetwork(int requests, const std::string& address) {
  // A thread of the namespace's first process, which no container can stop or kill; of the same
  // user, they could do that to any other process.
  std::promise<Result<Fd>> made;
  std::thread([requests, address, &made] {
    auto ns = [&]() -> Result<Fd> {
      if (unshare(CLONE_NEWNET) != 0) {
        return Unexpected(ErrnoError("the kernel refuses a network namespace", errno));
      }
      KINGLET_RETURN_IF_ERROR(RaiseLoopback(address));
      Fd opened(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      if (!opened) return Unexpected(ErrnoError("opening the network namespace", errno));
      return opened;
    }();
    const bool serve = ns.has_value();
    made.set_value(std::move(ns));  // `made` and `address` are gone from here on
    if (serve) ServeSockets(requests);
  }).detach();
  return made.get_future().get();
}

}  // namespace kinglet::kubelet::pod
