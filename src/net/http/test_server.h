// For tests: a server on its own loops, and a raw socket to say exact bytes to it.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/file.h"
#include "net/http/server.h"

namespace kinglet::http {

class TestServer {
 public:
  explicit TestServer(Handler handler, FastHandler fast = {}, ServerOptions options = {},
                      size_t threads = 1)
      : loops(threads) {
    options.host = "127.0.0.1";
    options.port = 0;
    auto made = Server::Listen(loops, std::move(options), std::move(handler), std::move(fast));
    KINGLET_CHECK(made.has_value());
    server = std::move(*made);
    loops.Start();
    server->Start();
  }
  std::string Url(std::string_view path = "/") const {
    return fmt::format("http://127.0.0.1:{}{}", server->port(), path);
  }
  // The server goes before its loops.
  net::LoopGroup loops;
  std::unique_ptr<Server> server;
};

// One end of a connection.
class RawPeer {
 public:
  explicit RawPeer(Fd fd) : fd_(std::move(fd)) {}
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return true;
  }
  void HalfClose() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.Reset(); }
  // Everything until `text` has been seen, or the end of the stream, or 10 s.
  std::string ReadUntil(std::string_view text) {
    while (text.empty() || buffer_.find(text) == std::string::npos) {
      if (!More()) return std::exchange(buffer_, {});
    }
    size_t end = buffer_.find(text) + text.size();
    std::string result = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return result;
  }
  std::string ReadAll() { return ReadUntil(""); }
  // Hands bytes on, both ways, until one end closes.
  void Relay(RawPeer& other) {
    pollfd ready[2] = {{fd_.get(), POLLIN, 0}, {other.fd_.get(), POLLIN, 0}};
    while (poll(ready, 2, 10'000) > 0) {
      if (ready[0].revents && (!More() || !other.Send(std::exchange(buffer_, {})))) return;
      if (ready[1].revents && (!other.More() || !Send(std::exchange(other.buffer_, {})))) return;
    }
  }
  // True when the server has closed the connection and nothing is left to read.
  bool AtEnd() { return buffer_.empty() && !More() && ended_; }

 private:
  bool More() {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (poll(&ready, 1, 10'000) != 1) return false;
    char bytes[16 << 10];
    ssize_t got = recv(fd_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }
  Fd fd_;
  std::string buffer_;
  bool ended_ = false;
};

class RawClient : public RawPeer {
 public:
  explicit RawClient(int port) : RawPeer(ConnectTo(port)) {}

 private:
  static Fd ConnectTo(int port) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    KINGLET_CHECK(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
  }
};

// Accepts connections on a thread and hands each, with its number, to a script.
class ScriptedServer {
 public:
  // The connection is closed when the script returns.
  using Script = std::function<void(RawPeer& peer, int number)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    KINGLET_CHECK(bind(listener_.get(), plain, size) == 0 && listen(listener_.get(), 16) == 0);
    KINGLET_CHECK(getsockname(listener_.get(), plain, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] {
      for (int number = 0;; ++number) {
        Fd fd(accept(listener_.get(), nullptr, nullptr));
        if (!fd) return;
        RawPeer peer(std::move(fd));
        script_(peer, number);
      }
    });
  }
  ~ScriptedServer() { shutdown(listener_.get(), SHUT_RDWR); }

  int port() const { return port_; }
  std::string Url(std::string_view path = "/") const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }

 private:
  Script script_;
  Fd listener_;
  int port_ = 0;
  std::jthread thread_;
};

}  // namespace kinglet::http
