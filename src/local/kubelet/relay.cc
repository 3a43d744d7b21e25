#include "local/kubelet/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/peer_user.h"

namespace kinglet::kubelet {
namespace {

constexpr size_t kPipeBytes = 64 << 10;
constexpr int kTurnMoves = 16;         // of one connection, before the others have their turn
constexpr size_t kMakeRoomAmong = 64;  // so that a full relay accepts in constant time

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

  // Moves what can be moved, or a part, and then sets `more`. False when the connection is broken.
  bool Move(int in, int out, bool& more) {
    for (int moves = 0;; ++moves) {
      if (moves == kTurnMoves) {
        more = true;
        return true;
      }
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
  bool in_pod = false;  // what connects is a pod's
  std::function<Result<Relay::Dial>()> dial;
};

struct Connection {
  Fd client, server;
  std::string address;
  bool from_pod = false;
  Flow up, down;
  bool connecting = true;
  SteadyTime active = std::chrono::steady_clock::now();
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
  std::map<std::string, size_t, std::less<>> from_pods;    // connections that pods made
  bool stopping = false;
  size_t max_connections = 0;
  int looked_at = -1;     // where MakeRoom goes on
  std::vector<int> more;  // descriptors that have more to move
  Fd spare{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  std::thread thread;

  // Whether there is room for one more that came to the listener.
  bool HasRoom(const Listener& listener) const {
    if (connections.size() / 2 >= max_connections) return false;
    if (!listener.in_pod) return true;
    auto own = from_pods.find(listener.address);
    return own == from_pods.end() || own->second < std::max<size_t>(max_connections / 8, 1);
  }

  // Whether the client may connect. If there is no room, the connection of the same address that
  // has been silent longest, of some, goes for it: a client that only holds connections must not
  // keep others out.
  bool Admit(const Listener& listener, int client) {
    if (!listener.in_pod && connections.size() / 2 >= max_connections / 4 &&
        net::PeerIsAnotherUser(client)) {
      return false;
    }
    if (HasRoom(listener)) return true;
    std::shared_ptr<Connection> longest;
    for (size_t i = 0; i < std::min(kMakeRoomAmong, connections.size()); ++i) {
      auto it = connections.upper_bound(looked_at);
      if (it == connections.end()) it = connections.begin();
      looked_at = it->first;
      const auto& each = it->second;
      if (each->address != listener.address || each->from_pod != listener.in_pod) continue;
      if (!longest || each->active < longest->active) longest = each;
    }
    if (longest) Drop(longest);
    return longest != nullptr;
  }

  // Out of descriptors: a client that is left waiting would wake the thread again and again.
  void TurnAway(int listener) {
    spare.Reset();
    if (Fd client(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)); client) {
      ResetAtClose(client.get());
    }
    spare.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

  void Watch(int fd, uint32_t events) {
    epoll_event event{events, {.fd = fd}};
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  }

  Status Serve(Fd socket, const std::string& owner, bool in_pod,
               std::function<Result<Dial>()> dial) {
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    if (listen(socket.get(), 1024) != 0) return Unexpected(ErrnoError("listen", errno));
    int fd = socket.get();
    std::lock_guard lock(mutex);
    listeners.insert_or_assign(fd, Listener{std::move(socket), owner, in_pod, std::move(dial)});
    Watch(fd, EPOLLIN);
    return {};
  }

  void Drop(const std::shared_ptr<Connection>& connection) {
    if (!connection->client) return;  // dropped before
    if (auto own = from_pods.find(connection->address);
        connection->from_pod && own != from_pods.end() && --own->second == 0) {
      from_pods.erase(own);
    }
    connections.erase(connection->client.get());
    connections.erase(connection->server.get());
    connection->client.Reset();
    connection->server.Reset();
  }

  void Accept(Listener& listener) {
    for (;;) {
      Fd client(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) {
        if (errno == EMFILE || errno == ENFILE) TurnAway(listener.fd.get());
        return;
      }
      if (!Admit(listener, client.get())) {
        ResetAtClose(client.get());
        continue;
      }
      auto dial = listener.dial();
      if (!dial) {
        ResetAtClose(client.get());
        continue;
      }
      auto connection = std::make_shared<Connection>();
      connection->address = listener.address;
      connection->from_pod = listener.in_pod;
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
      connections[connection->client.get()] = connection;
      connections[peer] = connection;
      if (connection->from_pod) ++from_pods[connection->address];
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
    c.active = std::chrono::steady_clock::now();
    bool again = false;
    bool sound = c.up.Move(c.client.get(), c.server.get(), again) &&
                 c.down.Move(c.server.get(), c.client.get(), again);
    if (again) more.push_back(c.client.get());
    if (!sound || (c.up.closed && c.down.closed)) Drop(connection);
  }

  void Run() {
    for (bool busy = false;;) {
      epoll_event events[64];
      int ready = epoll_wait(epoll.get(), events, 64, busy ? 0 : -1);
      std::lock_guard lock(mutex);
      if (stopping) return;
      std::vector<int> descriptors = std::exchange(more, {});
      for (int i = 0; i < ready; ++i) descriptors.push_back(events[i].data.fd);
      for (int fd : descriptors) {
        if (auto it = listeners.find(fd); it != listeners.end()) {
          Accept(it->second);
        } else if (auto found = connections.find(fd); found != connections.end()) {
          auto connection = found->second;
          Advance(connection, fd);
        }
      }
      busy = !more.empty();
    }
  }
};

Relay::Relay(size_t max_connections) : impl_(std::make_unique<Impl>()) {
  impl_->max_connections = max_connections;
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
  return impl_->Serve(
      std::move(fd), address, false,
      [make_socket = std::move(make_socket), to = target.to, size = target.size]() -> Result<Dial> {
        KINGLET_TRY(Fd made, make_socket());
        return Dial{.socket = std::move(made), .to = to, .size = size};
      });
}

Status Relay::Serve(Fd socket, const std::string& owner, std::function<Result<Dial>()> dial) {
  return impl_->Serve(std::move(socket), owner, true, std::move(dial));
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
