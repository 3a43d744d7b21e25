#include "net/http/server.h"

#include <netdb.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <span>

#include "net/http/connection.h"
#include "net/peer_user.h"

namespace kinglet::http {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptBatch = 64;
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\n";

Result<Fd> ListenUnix(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) {
    return Fail(Code::kInvalidArgument, "unix socket name is too long: {}", name);
  }
  memcpy(address.sun_path, name.data(), name.size());
  socklen_t size = sizeof address;
  bool abstract = name[0] == '@';
  if (abstract) {
    address.sun_path[0] = '\0';
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  } else {
    // A socket left behind by a process that was killed; never another kind of file.
    struct stat info;
    if (lstat(name.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) unlink(name.c_str());
  }
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return Unexpected(ErrnoError(fmt::format("listen on {}", name), errno));
  }
  return fd;
}

Result<Fd> ListenTcp(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::string service = std::to_string(port);
  int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
  if (error != 0) {
    return Fail(Code::kInvalidArgument, "listen on {}: {}", host, gai_strerror(error));
  }
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  Error last(Code::kInvalidArgument, fmt::format("listen on {}: no address", host));
  for (addrinfo* entry = found; entry; entry = entry->ai_next) {
    Fd fd(socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int one = 1;
    if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd && bind(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0 &&
        listen(fd.get(), kBacklog) == 0) {
      return fd;
    }
    last = ErrnoError(fmt::format("listen on {}:{}", host, port), errno);
  }
  return Unexpected(last);
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  }
  return 0;
}

class ServerImpl final : public Server,
                         private net::internal::IoHandler,
                         private net::internal::TimerNode {
 public:
  ServerImpl(net::LoopGroup& loops, ServerOptions options, Handler handler, FastHandler fast,
             Fd listener)
      : acceptor_(loops.at(0)), listener_(std::move(listener)), port_(PortOf(listener_.get())) {
    core_->options = std::move(options);
    core_->handler = std::move(handler);
    core_->fast = std::move(fast);
    if (!core_->options.server_header.empty()) {
      core_->server_line = fmt::format("Server: {}\r\n", core_->options.server_header);
    }
    for (size_t i = 0; i < loops.size(); ++i) {
      homes_.push_back(std::make_unique<ServerLoop>(loops.at(i)));
    }
  }

  ~ServerImpl() override {
    core_->draining = true;
    StopAccepting();
    for (auto& home : homes_) {
      home->loop.impl().RunAndWait([&] { home->connections.clear(); });
    }
  }

  int port() const override { return port_; }
  size_t connections() const override { return core_->connections; }

  void Start() override {
    acceptor_.impl().RunAndWait([this] {
      if (!listener_ || listening_) return;
      acceptor_.impl().Add(listener_.get(), EPOLLIN, this);
      listening_ = true;
    });
  }

  void Drain(Deadline deadline) override {
    core_->draining = true;
    StopAccepting();
    ForEachConnection([](Connection& connection) { connection.BeginDrain(); });
    WaitForNone(deadline);
    if (core_->connections == 0) return;
    ForEachConnection([](Connection& connection) { connection.Cut(); });
    // Handlers see their stop tokens; those that do not look are destroyed with the server.
    WaitForNone(Deadline::After(std::chrono::milliseconds(200)));
  }

 private:
  void StopAccepting() {
    acceptor_.impl().RunAndWait([this] {
      acceptor_.impl().Disarm(this);
      if (listening_) acceptor_.impl().Remove(listener_.get(), this);
      listening_ = false;
      if (listener_ && !core_->options.unix_socket.empty() &&
          core_->options.unix_socket[0] != '@') {
        unlink(core_->options.unix_socket.c_str());
      }
      listener_.Reset();
    });
  }

  // Copies the list: a connection may end while it is visited (its deletion is deferred).
  void ForEachConnection(const std::function<void(Connection&)>& visit) {
    for (auto& home : homes_) {
      home->loop.impl().RunAndWait([&] {
        std::vector<Connection*> all;
        for (auto& connection : home->connections) all.push_back(connection.get());
        for (Connection* connection : all) visit(*connection);
      });
    }
  }

  void WaitForNone(Deadline deadline) {
    std::unique_lock lock(core_->mutex);
    auto none = [&] { return core_->connections == 0; };
    if (deadline.IsNever()) {
      core_->ended.wait(lock, none);
    } else {
      core_->ended.wait_until(lock, deadline.at(), none);
    }
  }

  void OnIo(uint32_t) override {
    for (int i = 0; i < kAcceptBatch; ++i) {
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      Fd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                    SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno != EAGAIN) Pause();
        return;
      }
      const size_t count = core_->connections, most = core_->options.max_connections;
      if (count >= core_->options.max_connections_of_others && net::PeerIsAnotherUser(fd.get())) {
        Refuse(fd.get());
        continue;
      }
      // A client that only holds connections must not keep others out. The loop that accepts has
      // its share of them, so it gives the new one a place of its own.
      const bool full = count >= most;
      ServerLoop* home = homes_[full ? 0 : next_++ % homes_.size()].get();
      // Some may have been told to go and be here still.
      if (full && (count >= most + kAcceptBatch || !home->MakeRoom())) {
        Refuse(fd.get());
        continue;
      }
      auto adopt = [this, &home = *home, fd = std::move(fd), peer,
                    ticket = ConnectionTicket(core_)]() mutable {
        home.connections.push_back(
            std::make_unique<Connection>(*core_, home, std::move(fd), peer, std::move(ticket)));
        home.connections.back()->Start();
      };
      if (&home->loop == &acceptor_) {
        adopt();
      } else {
        home->loop.Post(std::move(adopt));
      }
    }
  }

  void Refuse(int fd) const {
    if (core_->options.tls) return;
    [[maybe_unused]] ssize_t put = send(fd, kBusy.data(), kBusy.size(), MSG_NOSIGNAL);
  }

  // Out of descriptors: the waiting connection would wake the loop again and again.
  void Pause() {
    acceptor_.impl().Remove(listener_.get(), this);
    listening_ = false;
    acceptor_.impl().Arm(this, acceptor_.impl().now() + std::chrono::milliseconds(100));
  }

  void OnTimer() override {
    acceptor_.impl().Add(listener_.get(), EPOLLIN, this);
    listening_ = true;
  }

  std::shared_ptr<ServerCore> core_ = std::make_shared<ServerCore>();
  net::Loop& acceptor_;
  Fd listener_;
  int port_;
  bool listening_ = false;  // acceptor's thread
  size_t next_ = 0;         // acceptor's thread
  std::vector<std::unique_ptr<ServerLoop>> homes_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Listen(net::LoopGroup& loops, ServerOptions options,
                                               Handler handler, FastHandler fast) {
  KINGLET_TRY(Fd listener, options.unix_socket.empty() ? ListenTcp(options.host, options.port)
                                                       : ListenUnix(options.unix_socket));
  return std::make_unique<ServerImpl>(loops, std::move(options), std::move(handler),
                                      std::move(fast), std::move(listener));
}

}  // namespace kinglet::http
