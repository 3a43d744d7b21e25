// The HTTP/1.1 server: keep-alive, pipelining, chunked bodies both ways, 100-continue, limits on
// everything a client sends, TLS, graceful drain. One listener socket is shared by all loops
// (SO_REUSEPORT or hand-over); a connection lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http/browser_guard.h"
#include "net/http/message.h"
#include "net/loop.h"
#include "net/task.h"
#include "net/tls/context.h"

namespace kinglet::http {

// One request being answered. Owned by its connection; valid until the handler's task ends. Loop
// thread only.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // The request's head. Views stay valid until the handler ends.
  virtual std::string_view method() const = 0;
  virtual std::string_view target() const = 0;  // as sent: "/a%20b?x=1"
  virtual std::string_view path() const = 0;    // raw (still encoded), without the query
  virtual std::string_view query() const = 0;   // raw, without "?"
  // First value, "" when absent; no case.
  virtual std::string_view Header(std::string_view name) const = 0;
  virtual Headers headers() const = 0;  // a copy of all
  // Every field in order, without copies.
  virtual void ForEachHeader(
      const std::function<void(std::string_view name, std::string_view value)>& visit) const {
    for (auto& [name, value] : headers().fields()) visit(name, value);
  }
  virtual std::string peer() const = 0;   // "127.0.0.1:1234"
  virtual std::string local() const = 0;  // the address the client connected to, in the same form
  virtual net::Loop& loop() = 0;
  // Requested when the client is gone or the server stops hard.
  virtual std::stop_token stop() const = 0;

  // The whole body (sends 100-continue first when asked to). kResourceExhausted over `limit` or
  // over the server's limit; kInvalidArgument for a malformed or cut body. The view stays valid
  // until the handler ends. Completes without suspending when the body is already buffered.
  virtual net::Task<Result<std::string_view>> ReadBody(size_t limit = SIZE_MAX) = 0;
  // True when the whole body lies in the buffer already; then `*body` is set. Lets a handler
  // answer without a coroutine.
  virtual bool BufferedBody(std::string_view* body) = 0;
  // The next piece of the body as it arrives; empty at the end.
  virtual net::Task<Result<std::string_view>> ReadSome() = 0;

  // Queues a complete response (Content-Length is set; Content-Type when given). Once per exchange.
  virtual void Send(int status, std::string_view content_type, std::string_view body,
                    const Headers* extra = nullptr) = 0;
  // Or a streamed one: head, pieces (chunked unless Content-Length is among the headers), end.
  virtual void SendHead(int status, const Headers& headers) = 0;
  // Waits while the client is slow; an error when it is gone.
  virtual net::Task<Status> Write(std::string_view bytes) = 0;
  virtual net::Task<Status> End() = 0;
  virtual bool responded() const = 0;  // Send or SendHead was called
};

// Answers one exchange. Runs on the connection's loop. If it returns without responding the server
// answers 500.
using Handler = std::function<net::Task<void>(Exchange&)>;
// Tried first: answers synchronously (Send) and returns true, or returns false to have the Handler
// called. For requests whose body is buffered and whose answer is computed at once.
using FastHandler = std::function<bool(Exchange&)>;

struct ServerOptions {
  std::string host = "0.0.0.0";
  int port = 0;                          // 0: any free port
  std::string unix_socket;               // instead of host:port when set ("@name": abstract)
  std::shared_ptr<net::TlsContext> tls;  // null: plain text
  // Refuses requests of foreign web pages before a handler sees them. Null: serves them.
  std::shared_ptr<const BrowserGuard> guard;
  size_t max_header_bytes = 64 << 10;
  size_t max_headers = 200;
  size_t max_body_bytes = size_t{1} << 30;
  // When there are as many, the one that has kept the server waiting longest makes room for the
  // next.
  size_t max_connections = 20'000;
  // With as many connections as this, others than this process's own user and root get no further
  // ones (net/peer_user.h): whatever they do with theirs, they cannot keep the owner out.
  size_t max_connections_of_others = SIZE_MAX;
  Duration header_timeout = std::chrono::seconds(30);
  Duration body_idle_timeout = std::chrono::seconds(60);
  // How long a whole request may take to arrive, from its first byte to the last of its body. Zero:
  // as long as it likes, if it does not stand still for body_idle_timeout.
  Duration request_timeout = Duration::zero();
  Duration write_timeout = std::chrono::seconds(60);
  Duration keep_alive_timeout = std::chrono::seconds(180);
  // Takes the place of longer header, body and keep-alive timeouts of connections that begin to
  // wait when three quarters of max_connections are in use: somebody who only holds connections
  // cannot keep others out.
  Duration crowded_timeout = std::chrono::seconds(3);
  std::string server_header;  // "" sends none
};

class Server {
 public:
  // Binds and listens at once, so that port() is known; accepts after Start.
  static Result<std::unique_ptr<Server>> Listen(net::LoopGroup& loops, ServerOptions options,
                                                Handler handler, FastHandler fast = {});
  virtual ~Server() = default;  // hard stop
  virtual int port() const = 0;
  virtual void Start() = 0;
  // Stops accepting, answers what is in flight with Connection: close, returns when all
  // connections ended or the deadline passed (then they are cut). Blocking; not on a loop thread.
  virtual void Drain(Deadline deadline) = 0;
  virtual size_t connections() const = 0;
};

}  // namespace kinglet::http
