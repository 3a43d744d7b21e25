// Connections to upstreams: resolved names, and per loop the idle keep-alive connections.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "net/http/parser.h"
#include "net/http/upstream.h"
#include "net/socket.h"

namespace kinglet::http {

// One connection and what was read from it beyond the last message.
class UpstreamConnection {
 public:
  UpstreamConnection(std::unique_ptr<net::Socket> socket, std::string key)
      : socket_(std::move(socket)), key_(std::move(key)) {}

  net::Socket& socket() { return *socket_; }
  const std::string& key() const { return key_; }
  HeadParser& head() { return parser_; }
  // Reads the final response's head (1xx are skipped). kUnavailable when the connection ends first;
  // `*silent` tells whether not one byte came.
  net::Task<Status> ReadHead(std::string_view method, Deadline deadline, std::stop_token stop,
                             bool* silent);
  // The next decoded piece of the body; empty at its end. Valid until the next call.
  net::Task<Result<std::string_view>> ReadBody(Deadline deadline, std::stop_token stop);
  bool body_done() const { return body_done_; }
  // Whether the connection can serve another request.
  bool Reusable() const { return body_done_ && keep_alive_ && begin_ == buffer_.size(); }
  void Reset();

  bool reused = false;
  SteadyTime idle_since{};

 private:
  net::Task<Result<size_t>> Fill(Deadline deadline, std::stop_token stop);
  std::string_view Input() const { return std::string_view(buffer_).substr(begin_); }

  std::unique_ptr<net::Socket> socket_;
  std::string key_;
  std::string buffer_;
  size_t begin_ = 0;
  std::string head_bytes_, piece_;
  HeadParser parser_{HeadParser::Kind::kResponse, {256 << 10, 400}};
  ChunkDecoder chunks_;
  Framing framing_ = Framing::kNone;
  uint64_t left_ = 0;
  bool body_done_ = false, keep_alive_ = false;
};

// The idle connections of one loop. Loop thread only.
class UpstreamPool final : private net::internal::TimerNode {
 public:
  explicit UpstreamPool(net::Loop& loop) : loop_(loop) {}
  ~UpstreamPool();
  net::Loop& loop() { return loop_; }
  // An idle connection that still looks alive, or null.
  std::unique_ptr<UpstreamConnection> Take(const std::string& key);
  void Give(std::unique_ptr<UpstreamConnection> connection);
  void Clear() { idle_.clear(); }

 private:
  void OnTimer() override;
  net::Loop& loop_;
  std::map<std::string, std::vector<std::unique_ptr<UpstreamConnection>>> idle_;
};

// Turns hosts into addresses. Names are looked up on threads of its own and remembered shortly.
class Resolver {
 public:
  struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
  };
  net::Task<Result<Address>> Resolve(const std::string& host, int port);

 private:
  struct Entry {
    Address address;
    SteadyTime until;
  };
  Guarded<std::map<std::string, Entry>> cache_;
  net::Pool pool_{"resolver", 2, 1000};
};

}  // namespace kinglet::http
