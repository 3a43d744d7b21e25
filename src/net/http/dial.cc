#include "net/http/dial.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

namespace kinglet::http {
namespace {

constexpr auto kLongestPoll = std::chrono::minutes(10);
// A peer that vanished without a word is noticed within a minute and a half.
constexpr int kKeepAliveIdle = 45, kKeepAliveInterval = 15, kKeepAliveProbes = 3;

struct Address {
  sockaddr_storage data{};
  socklen_t size = 0;
};

struct Resolution {
  std::mutex mutex;
  std::condition_variable_any done;
  bool is_done = false;
  int error = 0;
  std::vector<Address> addresses;
};

void Lookup(Resolution& into, const std::string& host, int port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  std::lock_guard lock(into.mutex);
  for (addrinfo* entry = found; entry; entry = entry->ai_next) {
    Address& address = into.addresses.emplace_back();
    memcpy(&address.data, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
  }
  if (found) freeaddrinfo(found);
  into.error = error;
  into.is_done = true;
  into.done.notify_all();
}

// Resolvers block and cannot be told to stop, so that a name is looked up on a thread that may be
// left behind; it shares nothing but the outcome.
Result<std::vector<Address>> Resolve(const std::string& host, int port, const Patience& patience) {
  auto outcome = std::make_shared<Resolution>();
  Lookup(*outcome, host, port, AI_NUMERICHOST);
  if (outcome->error == 0) return std::move(outcome->addresses);
  outcome = std::make_shared<Resolution>();
  std::thread([outcome, host, port] { Lookup(*outcome, host, port, AI_ADDRCONFIG); }).detach();
  std::unique_lock lock(outcome->mutex);
  const auto latest = std::chrono::steady_clock::now() + std::chrono::hours(1);
  const bool done =
      outcome->done.wait_until(lock, patience.stop, std::min(patience.deadline.at(), latest),
                               [&] { return outcome->is_done; });
  if (patience.stop.stop_requested()) return Fail(Code::kCancelled, "cancelled");
  if (!done) return Fail(Code::kUnavailable, "the name {} was not resolved in time", host);
  if (outcome->error != 0) {
    return Fail(Code::kUnavailable, "cannot resolve the name {}: {}", host,
                gai_strerror(outcome->error));
  }
  return std::move(outcome->addresses);
}

Status CheckAllowed(const Address& address, const ClientOptions& options) {
  if (!options.allow_address) return {};
  char ip[INET6_ADDRSTRLEN] = "";
  int port = 0;
  if (address.data.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.data);
    inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
    port = ntohs(in.sin_port);
  } else {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address.data);
    inet_ntop(AF_INET6, &in.sin6_addr, ip, sizeof ip);
    port = ntohs(in.sin6_port);
  }
  if (options.allow_address(ip, port)) return {};
  return Fail(Code::kPermissionDenied, "the address {} of this host is not allowed", ip);
}

void SetOptions(int fd) {
  auto set = [fd](int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveInterval);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

Result<Fd> ConnectTo(const Address& address, const Waker& waker, const Patience& patience) {
  Fd fd(socket(address.data.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Fail(Code::kUnavailable, "socket: {}", strerror(errno));
  if (address.data.ss_family != AF_UNIX) SetOptions(fd.get());
  const auto* to = reinterpret_cast<const sockaddr*>(&address.data);
  if (connect(fd.get(), to, address.size) == 0) return fd;
  // A UNIX socket whose queue is full says EAGAIN, and has nothing to wait for.
  if (errno != EINPROGRESS) return Fail(Code::kUnavailable, "connect: {}", strerror(errno));
  KINGLET_RETURN_IF_ERROR(
      Await(fd.get(), POLLOUT, waker, patience, std::chrono::steady_clock::now()));
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Fail(Code::kUnavailable, "connect: {}", strerror(error));
  return fd;
}

Result<Address> UnixAddress(const std::string& path) {
  Address address;
  auto& name = reinterpret_cast<sockaddr_un&>(address.data);
  if (path.size() >= sizeof name.sun_path) {
    return Fail(Code::kInvalidArgument, "the socket's path is too long: {}", path);
  }
  name.sun_family = AF_UNIX;
  memcpy(name.sun_path, path.data(), path.size());
  if (path.starts_with('@')) name.sun_path[0] = '\0';
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  return address;
}

}  // namespace

Result<Waker> Waker::Make() {
  Fd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return Fail(Code::kResourceExhausted, "eventfd: {}", strerror(errno));
  return Waker(std::move(fd));
}

void Waker::Wake() const {
  const uint64_t one = 1;
  // Full is woken enough.
  [[maybe_unused]] ssize_t put = write(fd_.get(), &one, sizeof one);
}

void Waker::Calm() const {
  uint64_t count;
  [[maybe_unused]] ssize_t got = read(fd_.get(), &count, sizeof count);
}

Status Await(int fd, short events, const Waker& waker, const Patience& patience, SteadyTime since) {
  while (true) {
    if (patience.stop.stop_requested()) return Fail(Code::kCancelled, "cancelled");
    const SteadyTime now = std::chrono::steady_clock::now();
    Duration wait = kLongestPoll;
    if (!patience.deadline.IsNever()) {
      if (now >= patience.deadline.at()) {
        return Fail(Code::kDeadlineExceeded, "no answer before the deadline");
      }
      wait = std::min<Duration>(wait, patience.deadline.at() - now);
    }
    if (patience.stall > Duration::zero()) {
      if (now >= since + patience.stall) {
        return Fail(Code::kDeadlineExceeded, "stalled: no byte received for {} s",
                    std::chrono::duration<double>(patience.stall).count());
      }
      wait = std::min<Duration>(wait, since + patience.stall - now);
    }
    pollfd polled[2] = {{fd, events, 0}, {waker.fd(), POLLIN, 0}};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    const int ready = poll(polled, 2, static_cast<int>(ms));
    if (ready < 0 && errno != EINTR) {
      return Fail(Code::kInternal, "poll: {}", strerror(errno));
    }
    if (ready > 0 && polled[1].revents) waker.Calm();
    if (ready > 0 && polled[0].revents) return {};
  }
}

Result<Fd> Dial(const std::string& host, int port, const ClientOptions& options, const Waker& waker,
                const Patience& patience) {
  if (!options.unix_socket.empty()) {
    KINGLET_TRY(Address address, UnixAddress(options.unix_socket));
    return ConnectTo(address, waker, patience);
  }
  KINGLET_TRY(auto addresses, Resolve(host, port, patience));
  Error last(Code::kUnavailable, "the name " + host + " has no address");
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (auto allowed = CheckAllowed(addresses[i], options); !allowed) {
      last = std::move(allowed).error();
      continue;
    }
    Patience share = patience;
    if (!patience.deadline.IsNever()) {
      share.deadline = Deadline::After(patience.deadline.Remaining() /
                                       static_cast<int64_t>(addresses.size() - i));
    }
    auto connected = ConnectTo(addresses[i], waker, share);
    if (connected || connected.error().code() == Code::kCancelled) return connected;
    last = std::move(connected).error();
  }
  return Unexpected(std::move(last));
}

}  // namespace kinglet::http
