#include "local/kubelet/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace kinglet::kubelet {
namespace {

constexpr size_t kPipeBytes = 64 << 10;
constexpr size_t kDescriptorsEach = 6;  // of a connection: two sockets and two pipes

// A quarter of the process's descriptors: the servers in it have the others.
size_t MaxConnections() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  return std::min<rlim_t>(limit.rlim_cur, 1 << 20) / 4 / kDescriptorsEach;
}

Status SetAddress(const std::string& ip, int port, Relay::Dial& dial) {
  auto& in = reinterpret_cast<sockaddr_in&>(dial.to);
  auto& in6 = reinterpret_cast<sockaddr_in6&>(dial.to);
  if (inet_pton(AF_INET, ip.c_str(), &in.sin_addr) == 1) {
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<uint16_t>(port));
    dial.size = sizeof(in);
  } else if (inet_pton(AF_INET6, ip.c_str(), &in6.sin6_addr) == 1) {
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(static_cast<uint16_t>(port));
    dial.size = sizeof(in6);
  } else {
    return Fail(Code::kInvalidArgument, "{} is not an IP address", ip);
  }
  return {};
}

// One direction of a connection: from `in` through a pipe to `out`.
struct Flow {
  Fd pipe_in, pipe_out;
  size_t buffered = 0;
  bool ended = false, closed = false;  // no more to read; the end was passed on

  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    pipe_out.Reset(ends[0]);
    pipe_in.Reset(ends[1]);
    return true;
  }

  // Moves what can be moved. False when the connection is broken.
  bool Move(int in, int out) {
    for (;;) {
      bool moved = false;
      if (!ended && buffered < kPipeBytes) {
        ssize_t count = splice(in, nullptr, pipe_in.get(), nullptr, kPipeBytes - buffered,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count > 0) {
          buffered += static_cast<size_t>(count);
          moved = true;
        } else if (count == 0) {
          ended = true;
        } else if (errno != EAGAIN && errno != EINTR) {
          return false;
        }
      }
      if (buffered > 0) {
        ssize_t count = splice(pipe_out.get(), nullptr, out, nullptr, buffered,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count > 0) {
          buffered -= static_cast<size_t>(count);
          moved = true;
        } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
          return false;
        }
      }
      if (ended && buffered == 0 && !closed) {
        closed = true;
        shutdown(out, SHUT_WR);
      }
      if (!moved) return true;
    }
  }
};

struct Listener {
  Fd fd;
  std::string address;
  std::function<Result<Relay::Dial>()> dial;
};

struct Connection {
  Fd client, server;
  std::string address;
  Flow up, down;
  bool connecting = true;
};

// A reset, as from a closed port: the client may try another pod.
void ResetAtClose(int fd) {
  linger hard{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

void NoDelay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

struct Relay::Impl {
  Fd epoll{epoll_create1(EPOLL_CLOEXEC)}, wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex;  // guards what follows; never held while waiting for events
  std::map<int, Listener> listeners;
  std::map<int, std::shared_ptr<Connection>> connections;  // by both descriptors
  std::map<std::string, size_t> counts;                    // of connections, by address or owner
  size_t count = 0;
  bool stopping = false;
  std::thread thread;

  // Half of what there may be is for one pod at most, so that none keeps the others from theirs.
  bool IsFull(const std::string& address) const {
    const size_t most = MaxConnections();
    auto it = counts.find(address);
    return count >= most || (it != counts.end() && it->second >= most / 2);
  }

  void Watch(int fd, uint32_t events) {
    epoll_event event{events, {.fd = fd}};
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void Drop(const std::shared_ptr<Connection>& connection) {
    if (!connection->client) return;
    --count;
    if (auto it = counts.find(connection->address); --it->second == 0) counts.erase(it);
    connections.erase(connection->client.get());
    connections.erase(connection->server.get());
    connection->client.Reset();
    connection->server.Reset();
  }

  void Accept(Listener& listener) {
    for (;;) {
      Fd client(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) return;
      auto dial = IsFull(listener.address)
                      ? Result<Relay::Dial>(Fail(Code::kResourceExhausted, "too many connections"))
                      : listener.dial();
      if (!dial) {
        ResetAtClose(client.get());
        continue;
      }
      auto connection = std::make_shared<Connection>();
      connection->address = listener.address;
      connection->client = std::move(client);
      connection->server = std::move(dial->socket);
      int peer = connection->server.get();
      fcntl(peer, F_SETFL, fcntl(peer, F_GETFL) | O_NONBLOCK);
      NoDelay(connection->client.get());
      NoDelay(peer);
      if (!connection->up.Open() || !connection->down.Open()) continue;
      int made = connect(peer, reinterpret_cast<sockaddr*>(&dial->to), dial->size);
      if (made != 0 && errno != EINPROGRESS) {
        ResetAtClose(connection->client.get());
        continue;
      }
      ++count;
      ++counts[connection->address];
      connections[connection->client.get()] = connection;
      connections[peer] = connection;
      constexpr uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      Watch(connection->client.get(), kEdges);
      Watch(peer, kEdges);
    }
  }

  void Advance(const std::shared_ptr<Connection>& connection, int fd) {
    Connection& c = *connection;
    if (c.connecting) {
      if (fd != c.server.get()) return;
      int error = 0;
      socklen_t size = sizeof(error);
      sockaddr_storage peer;
      socklen_t peer_size = sizeof(peer);
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error) {
        ResetAtClose(c.client.get());
        return Drop(connection);
      }
      // An event may be left over from a closed descriptor of the same number.
      if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return;
      c.connecting = false;
    }
    bool sound =
        c.up.Move(c.client.get(), c.server.get()) && c.down.Move(c.server.get(), c.client.get());
    if (!sound || (c.up.closed && c.down.closed)) Drop(connection);
  }

  void Run() {
    for (;;) {
      epoll_event events[64];
      int count = epoll_wait(epoll.get(), events, 64, -1);
      std::lock_guard lock(mutex);
      if (stopping) return;
      for (int i = 0; i < count; ++i) {
        int fd = events[i].data.fd;
        if (auto it = listeners.find(fd); it != listeners.end()) {
          Accept(it->second);
        } else if (auto found = connections.find(fd); found != connections.end()) {
          auto connection = found->second;
          Advance(connection, fd);
        }
      }
    }
  }
};

Relay::Relay() : impl_(std::make_unique<Impl>()) {
  KINGLET_CHECK(impl_->epoll && impl_->wake);
  impl_->Watch(impl_->wake.get(), EPOLLIN);
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

Relay::~Relay() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  eventfd_write(impl_->wake.get(), 1);
  impl_->thread.join();
}

Status Relay::Listen(const std::string& address, int port, SocketMaker make_socket) {
  Dial target;
  KINGLET_RETURN_IF_ERROR(SetAddress(address, port, target));
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Unexpected(ErrnoError("socket", errno));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&target.to), target.size) != 0) {
    if (errno == EADDRINUSE) {
      return Fail(Code::kAlreadyExists,
                  "port {} is taken on all addresses of this machine by another program: stop it, "
                  "or give the container another port",
                  port);
    }
    return Unexpected(ErrnoError(fmt::format("cannot listen on {}:{}", address, port), errno));
  }
  return Serve(
      std::move(fd), address,
      [make_socket = std::move(make_socket), to = target.to, size = target.size]() -> Result<Dial> {
        KINGLET_TRY(Fd made, make_socket());
        return Dial{.socket = std::move(made), .to = to, .size = size};
      });
}

Status Relay::Serve(Fd socket, const std::string& owner, std::function<Result<Dial>()> dial) {
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  if (listen(socket.get(), 1024) != 0) return Unexpected(ErrnoError("listen", errno));
  int fd = socket.get();
  std::lock_guard lock(impl_->mutex);
  impl_->listeners.insert_or_assign(fd, Listener{std::move(socket), owner, std::move(dial)});
  impl_->Watch(fd, EPOLLIN);
  return {};
}

void Relay::Close(const std::string& address) {
  std::lock_guard lock(impl_->mutex);
  std::erase_if(impl_->listeners,
                [&](const auto& entry) { return entry.second.address == address; });
  std::set<std::shared_ptr<Connection>> gone;
  for (const auto& [fd, connection] : impl_->connections) {
    if (connection->address == address) gone.insert(connection);
  }
  for (const auto& connection : gone) impl_->Drop(connection);
}

Result<Relay::Dial> DialHost(const std::string& ip, int port) {
  Relay::Dial dial;
  KINGLET_RETURN_IF_ERROR(SetAddress(ip, port, dial));
  dial.socket.Reset(socket(dial.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!dial.socket) return Unexpected(ErrnoError("socket", errno));
  return dial;
}

}  // namespace kinglet::kubelet
