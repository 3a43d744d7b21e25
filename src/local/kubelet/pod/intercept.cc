#include "local/kubelet/pod/intercept.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "base/audit_architecture.h"

namespace kinglet::kubelet::pod {
namespace {

constexpr uint32_t kPods = 0x7F400000, kPodsMask = 0xFFC00000;  // 127.64.0.0/10: addresses.cc
constexpr uint16_t kDnsPort = 53;

// The process of a thread: descriptors are asked of processes. With a pid namespace of our own
// there is no /proc that speaks of it, but few ids to try: a thread's is above its process's.
pid_t ProcessOf(pid_t thread) {
  if (getpid() == 1) {
    for (pid_t process = thread; process > 1; --process) {
      if (syscall(SYS_tgkill, process, thread, 0) == 0) return process;
    }
    return thread;
  }
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/status", thread);
  FILE* file = std::fopen(path, "re");
  if (!file) return thread;
  char line[256];
  int process = thread;
  while (std::fgets(line, sizeof(line), file)) {
    if (std::sscanf(line, "Tgid: %d", &process) == 1) break;
  }
  std::fclose(file);
  return process;
}

Result<Fd> TakeSocket(pid_t thread, int fd) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, ProcessOf(thread), 0)));
  if (!process) return Unexpected(ErrnoError("pidfd_open", errno));
  Fd socket(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  if (!socket) return Unexpected(ErrnoError("the kernel refuses pidfd_getfd", errno));
  return socket;
}

int SocketOption(int socket, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// A blocking connect must not hold up the pod for longer than a full backlog takes to say so.
int ConnectSoon(int socket, const sockaddr* address, socklen_t size) {
  if (fcntl(socket, F_GETFL) & O_NONBLOCK) return connect(socket, address, size) == 0 ? 0 : errno;
  timeval before{}, soon{1, 0};
  socklen_t before_size = sizeof(before);
  getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &before, &before_size);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
  int error = connect(socket, address, size) == 0 ? 0 : errno;
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &before, sizeof(before));
  return error == EINPROGRESS ? ETIMEDOUT : error;
}

bool IsMapped(const in6_addr& address) { return IN6_IS_ADDR_V4MAPPED(&address); }

void Respond(int listener, seccomp_notif_resp response) {
  // The caller may be gone: there is nobody to tell then.
  (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

}  // namespace

Result<Fd> InstallFilter() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAuditArchitecture, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  Fd listener(static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
  if (!listener) {
    return Unexpected(ErrnoError("the kernel refuses a seccomp filter with a listener", errno));
  }
  return listener;
}

Status TryInterception() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Unexpected(ErrnoError("socketpair", errno));
  }
  Fd ours(ends[0]), theirs(ends[1]);
  pid_t child = fork();
  if (child < 0) return Unexpected(ErrnoError("fork", errno));
  if (child == 0) {
    ours.Reset();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    Fd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto listener = InstallFilter();
    Status sent = listener ? SendPacket(theirs.get(), "+", {listener->get()})
                           : SendPacket(theirs.get(), "-" + listener.error().message());
    if (!listener || !sent) _exit(1);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    _exit(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0 ? 0 : 1);
  }
  theirs.Reset();
  Status tried = [&]() -> Status {
    KINGLET_TRY(Packet packet, ReceivePacket(ours.get()));
    if (packet.fds.empty()) return Fail(Code::kPermissionDenied, "{}", packet.text.substr(1));
    int listener = packet.fds[0].get();
    pollfd wait{listener, POLLIN, 0};
    if (poll(&wait, 1, 2000) != 1) return Fail(Code::kUnavailable, "the filter stops no calls");
    seccomp_notif notice{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) {
      return Unexpected(ErrnoError("the kernel tells of no calls", errno));
    }
    sockaddr_in address{};
    iovec local{&address, sizeof(address)};
    iovec remote{reinterpret_cast<void*>(notice.data.args[1]), sizeof(address)};
    if (process_vm_readv(static_cast<pid_t>(notice.pid), &local, 1, &remote, 1, 0) < 0) {
      return Unexpected(ErrnoError("the kernel refuses process_vm_readv", errno));
    }
    KINGLET_TRY(Fd socket,
                TakeSocket(static_cast<pid_t>(notice.pid), static_cast<int>(notice.data.args[0])));
    seccomp_notif_resp response{};
    response.id = notice.id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0) {
      return Unexpected(ErrnoError("the kernel refuses to let a call go on", errno));
    }
    return {};
  }();
  if (!tried) kill(child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return tried;
}

bool Interceptor::Address::IsLoopback() const {
  return v6 ? IN6_IS_ADDR_LOOPBACK(&in6) : v4 >> 24 == 127;
}

bool Interceptor::Address::IsAny() const {
  return v6 ? IN6_IS_ADDR_UNSPECIFIED(&in6) : v4 == INADDR_ANY;
}

std::string Interceptor::Address::Text() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  in_addr in{htonl(v4)};
  if (v6) {
    inet_ntop(AF_INET6, &in6, buffer, sizeof(buffer));
  } else {
    inet_ntop(AF_INET, &in, buffer, sizeof(buffer));
  }
  return buffer;
}

Interceptor::Interceptor(const PodConfig& config, std::function<void(const Json&)> ask)
    : config_(config), ask_(std::move(ask)) {
  in_addr parsed{};
  if (inet_pton(AF_INET, config.address.c_str(), &parsed) == 1) pod_ip_ = ntohl(parsed.s_addr);
}

void Interceptor::Add(Fd listener, bool in_pod) {
  int fd = listener.get();
  listeners_.insert_or_assign(fd, std::pair(std::move(listener), in_pod));
}

std::vector<int> Interceptor::Descriptors() const {
  std::vector<int> all;
  for (const auto& [fd, entry] : listeners_) all.push_back(fd);
  return all;
}

bool Interceptor::Handle(int descriptor) {
  auto it = listeners_.find(descriptor);
  if (it == listeners_.end()) return false;
  pollfd look{descriptor, POLLIN, 0};
  if (poll(&look, 1, 0) <= 0) return true;
  if (!(look.revents & POLLIN)) {  // the last process of this filter is gone
    std::erase_if(asked_, [&](const auto& entry) { return entry.second.listener == descriptor; });
    listeners_.erase(it);
    return true;
  }
  seccomp_notif notice{};
  if (ioctl(descriptor, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) return true;
  Call call{.listener = descriptor,
            .id = notice.id,
            .process = static_cast<int>(notice.pid),
            .fd = static_cast<int>(notice.data.args[0]),
            .is_bind = notice.data.nr == SYS_bind,
            .address = {}};
  sockaddr_storage raw{};
  size_t size = std::min<size_t>(static_cast<uint32_t>(notice.data.args[2]), sizeof(raw));
  iovec local{&raw, size};
  iovec remote{reinterpret_cast<void*>(notice.data.args[1]), size};
  ssize_t got = process_vm_readv(call.process, &local, 1, &remote, 1, 0);
  // An id that is not valid any more means that we may have read another process's memory.
  if (ioctl(descriptor, SECCOMP_IOCTL_NOTIF_ID_VALID, &notice.id) != 0) return true;
  if (raw.ss_family == AF_INET && got >= static_cast<ssize_t>(sizeof(sockaddr_in))) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(raw);
    call.address.v4 = ntohl(in.sin_addr.s_addr);
    call.address.port = ntohs(in.sin_port);
  } else if (raw.ss_family == AF_INET6 && got >= static_cast<ssize_t>(sizeof(sockaddr_in6))) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(raw);
    call.address.port = ntohs(in.sin6_port);
    call.address.in6 = in.sin6_addr;
    call.address.v6 = !IsMapped(in.sin6_addr);
    if (!call.address.v6) {
      uint32_t last;
      std::memcpy(&last, in.sin6_addr.s6_addr + 12, sizeof(last));
      call.address.v4 = ntohl(last);
    }
  } else {
    Continue(call);
    return true;
  }
  Decide(call, it->second.second);
  return true;
}

void Interceptor::Decide(const Call& call, bool in_pod) {
  const Address& to = call.address;
  auto socket = TakeSocket(call.process, call.fd);
  if (!socket) return Continue(call);
  const bool tcp = SocketOption(socket->get(), SO_TYPE) == SOCK_STREAM;
  if (call.is_bind) {
    if (in_pod || !config_.own_address || !tcp || to.port == 0) return Continue(call);
    // All addresses of the pod are one here; what is asked for by number is left alone.
    if (to.IsAny() || to.v6 || to.v4 == INADDR_LOOPBACK) {
      if (to.v6 && !to.IsAny() && !to.IsLoopback()) return Continue(call);
      return Perform(call, pod_ip_, to.port);
    }
    if (to.v4 == pod_ip_) bound_.insert(to.port);
    return Continue(call);
  }
  if (!tcp) {
    bool query = to.port == kDnsPort && config_.dns_port && !in_pod;
    return query ? Perform(call, pod_ip_, static_cast<uint16_t>(config_.dns_port)) : Continue(call);
  }
  if (to.IsLoopback() || to.IsAny()) {
    if (in_pod) {
      bool other_pod = !to.v6 && (to.v4 & kPodsMask) == kPods && to.v4 != pod_ip_;
      if (!other_pod) return Continue(call);
    } else {
      bool ours = config_.own_address && (to.v6 || to.IsAny() || to.v4 == INADDR_LOOPBACK) &&
                  bound_.contains(to.port);
      return ours ? Perform(call, pod_ip_, to.port) : Continue(call);
    }
  }
  asked_[++last_question_] = call;
  ask_(Json::MakeObject({{"event", "connect"},
                         {"id", last_question_},
                         {"ip", to.Text()},
                         {"port", static_cast<int64_t>(to.port)},
                         {"inPod", in_pod}}));
}

void Interceptor::Answer(const Json& message) {
  auto it = asked_.find(message["id"].AsInt());
  if (it == asked_.end()) return;
  Call call = it->second;
  asked_.erase(it);
  if (message["refused"].AsBool()) return Finish(call, ECONNREFUSED);
  in_addr ip{};
  int64_t port = message["port"].AsInt();
  if (inet_pton(AF_INET, message["ip"].AsString().c_str(), &ip) != 1 || port < 1 || port > 65535) {
    return Continue(call);
  }
  Perform(call, ntohl(ip.s_addr), static_cast<uint16_t>(port));
}

void Interceptor::Perform(const Call& call, uint32_t ip, uint16_t port) {
  auto socket = TakeSocket(call.process, call.fd);
  // The number may mean another process's descriptor if the caller went meanwhile.
  if (!socket || ioctl(call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) != 0) {
    return Continue(call);
  }
  sockaddr_storage raw{};
  socklen_t size;
  if (SocketOption(socket->get(), SO_DOMAIN) == AF_INET6) {
    auto& in = reinterpret_cast<sockaddr_in6&>(raw);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_addr.s6_addr[10] = in.sin6_addr.s6_addr[11] = 0xFF;
    uint32_t last = htonl(ip);
    std::memcpy(in.sin6_addr.s6_addr + 12, &last, sizeof(last));
    size = sizeof(sockaddr_in6);
  } else {
    auto& in = reinterpret_cast<sockaddr_in&>(raw);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(ip);
    size = sizeof(sockaddr_in);
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&raw);
  if (!call.is_bind) return Finish(call, ConnectSoon(socket->get(), address, size));
  int error = bind(socket->get(), address, size) == 0 ? 0 : errno;
  if (error == 0) bound_.insert(port);
  // A socket for IPv6 only has no place here that another pod would not have, too.
  if (error == EINVAL && call.address.v6) return Continue(call);
  Finish(call, error);
}

void Interceptor::Continue(const Call& call) {
  seccomp_notif_resp response{};
  response.id = call.id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  Respond(call.listener, response);
}

void Interceptor::Finish(const Call& call, int error) {
  seccomp_notif_resp response{};
  response.id = call.id;
  response.error = -error;
  Respond(call.listener, response);
}

}  // namespace kinglet::kubelet::pod
