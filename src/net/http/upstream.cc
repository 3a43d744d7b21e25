#include "net/http/upstream.h"

#include <algorithm>
#include <string>

#include "net/child.h"
#include "net/http/upstream_pool.h"

namespace kinglet::http {

namespace {

// Fields that belong to one connection (RFC 9110 7.6.1).
bool HopByHop(std::string_view name) {
  for (std::string_view hop :
       {"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade"}) {
    if (EqualsIgnoreCase(name, hop)) return true;
  }
  return false;
}

bool IsDropped(const ProxyOptions& options, std::string_view name) {
  return std::ranges::any_of(options.drop_fields, [&](std::string_view dropped) {
    return EqualsIgnoreCase(dropped, name);
  });
}

bool Idempotent(std::string_view method) {
  for (std::string_view known : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"}) {
    if (method == known) return true;
  }
  return false;
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  size_t from = out.size();
  out.append(name).append(": ").append(value);
  for (size_t i = from; i < out.size(); ++i) {
    if (out[i] == '\r' || out[i] == '\n' || out[i] == '\0') out[i] = ' ';
  }
  out.append("\r\n");
}

// How the request's body travels.
struct BodyPlan {
  bool whole = false;    // all of it is `buffered`
  bool chunked = false;  // streamed, length unknown
  std::string_view buffered;
};

std::string ProxyHead(const Exchange& exchange, const ProxyOptions& options, const BodyPlan& body) {
  std::string out;
  out.reserve(1024);
  // An absolute target's authority is not for the upstream; Host names it.
  std::string rebuilt;
  std::string_view target = options.target.empty() ? exchange.target() : options.target;
  if (target[0] != '/') {
    rebuilt = exchange.path();
    if (!exchange.query().empty()) rebuilt.append("?").append(exchange.query());
    target = rebuilt;
  }
  out.append(exchange.method()).append(" ").append(target).append(" HTTP/1.1\r\n");
  AppendField(out, "Host", options.host.empty() ? exchange.Header("host") : options.host);
  std::string_view listed = exchange.Header("connection");
  exchange.ForEachHeader([&](std::string_view name, std::string_view value) {
    if (HopByHop(name) || EqualsIgnoreCase(name, "host") || EqualsIgnoreCase(name, "expect") ||
        EqualsIgnoreCase(name, "content-length") || options.set_headers.Has(name) ||
        IsDropped(options, name) || (!listed.empty() && ListHasToken(listed, name))) {
      return;
    }
    AppendField(out, name, value);
  });
  for (auto& [name, value] : options.set_headers.fields()) AppendField(out, name, value);
  if (body.whole) {
    bool had_body =
        !exchange.Header("content-length").empty() || !exchange.Header("transfer-encoding").empty();
    if (had_body || !body.buffered.empty()) {
      AppendField(out, "Content-Length", std::to_string(body.buffered.size()));
    }
  } else if (body.chunked) {
    AppendField(out, "Transfer-Encoding", "chunked");
  } else {
    AppendField(out, "Content-Length", exchange.Header("content-length"));
  }
  out.append("\r\n");
  return out;
}

class UpstreamImpl final : public Upstream {
 public:
  explicit UpstreamImpl(net::LoopGroup& loops) {
    for (size_t i = 0; i < loops.size(); ++i) {
      pools_.push_back(std::make_unique<UpstreamPool>(loops.at(i)));
    }
  }
  ~UpstreamImpl() override {
    for (auto& pool : pools_) {
      pool->loop().impl().RunAndWait([&] { pool.reset(); });
    }
  }

  net::Task<Status> Proxy(Exchange& exchange, const UpstreamAddress& address,
                          const ProxyOptions& options, bool* replayable) override {
    *replayable = true;
    std::stop_token stop = exchange.stop();
    BodyPlan body;
    body.whole = exchange.BufferedBody(&body.buffered);
    body.chunked = !body.whole && exchange.Header("content-length").empty();
    std::string head = ProxyHead(exchange, options, body);
    UpstreamPool& pool = PoolOf(exchange.loop());

    for (bool fresh = false;; fresh = true) {
      KINGLET_CO_TRY(
          auto connection,
          co_await Open(pool, address, fresh, Deadline::After(options.connect_timeout), stop));
      Deadline deadline = Deadline::After(options.response_timeout);
      Status sent;
      if (body.whole && body.buffered.size() <= kJoinLimit) {
        head.append(body.buffered);
        sent = co_await connection->socket().Write(head, deadline, stop);
        head.resize(head.size() - body.buffered.size());
      } else {
        sent = co_await connection->socket().Write(head, deadline, stop);
        if (sent && body.whole) {
          sent = co_await connection->socket().Write(body.buffered, deadline, stop);
        }
      }
      Upload upload{exchange, connection->socket(), body.chunked, replayable, stop, {}};
      std::optional<net::Child> uploading;
      if (sent && !body.whole) uploading.emplace(Run(upload));

      bool silent = true;
      Status headed = co_await connection->ReadHead(exchange.method(), deadline, stop, &silent);
      if (!headed) {
        bool stale = connection->reused && !fresh && silent && *replayable &&
                     headed.error().code() == Code::kUnavailable;
        // A kept connection that the other side closed meanwhile says nothing about the upstream.
        // Only when the request cannot have been acted upon twice is it repeated here.
        if (stale && (Idempotent(exchange.method()) || !sent)) continue;
        // It may have been acted upon; and if it is what broke this upstream, it would break
        // others.
        if (sent && !Idempotent(exchange.method())) *replayable = false;
        if (!upload.result) co_return upload.result;
        co_return headed;
      }
      co_return co_await Relay(exchange, options, pool, connection, uploading, stop);
    }
  }

  net::Task<Result<Response>> Do(const UpstreamAddress& address, const Request& request,
                                 Deadline deadline, std::stop_token stop,
                                 size_t body_limit) override {
    net::Loop* loop = net::Loop::Current();
    KINGLET_CHECK(loop != nullptr);
    UpstreamPool& pool = PoolOf(*loop);
    std::string bytes = RequestBytes(address, request);
    for (bool fresh = false;; fresh = true) {
      KINGLET_CO_TRY(auto connection, co_await Open(pool, address, fresh, deadline, stop));
      Status sent = co_await connection->socket().Write(bytes, deadline, stop);
      bool silent = true;
      Status headed = co_await connection->ReadHead(request.method, deadline, stop, &silent);
      if (!headed) {
        bool stale =
            connection->reused && !fresh && silent && headed.error().code() == Code::kUnavailable;
        if (stale && (Idempotent(request.method) || !sent)) continue;
        co_return Unexpected(headed.error());
      }
      Response response;
      HeadParser& head = connection->head();
      response.status = head.status();
      for (size_t i = 0; i < head.fields(); ++i) {
        response.headers.Add(head.name(i), head.value(i));
      }
      while (!connection->body_done()) {
        KINGLET_CO_TRY(auto piece, co_await connection->ReadBody(deadline, stop));
        if (response.body.size() + piece.size() > body_limit) {
          co_return Fail(Code::kResourceExhausted, "the response's body is over {} bytes",
                         body_limit);
        }
        response.body.append(piece);
      }
      if (connection->Reusable()) pool.Give(std::move(connection));
      co_return response;
    }
  }

 private:
  static constexpr size_t kJoinLimit = 64 << 10;

  struct Upload {
    Exchange& exchange;
    net::Socket& socket;
    bool chunked;
    bool* replayable;
    std::stop_token stop;
    Status result;
  };

  // Sends the rest of the request's body as it arrives.
  static net::Task<void> Run(Upload& upload) {
    std::string framed;
    while (true) {
      *upload.replayable = false;
      auto piece = co_await upload.exchange.ReadSome();
      if (!piece) {
        upload.result = Unexpected(piece.error());
        // The upstream must not take the cut body for a whole one, nor wait for the rest.
        upload.socket.Cut();
        co_return;
      }
      std::string_view bytes = *piece;
      if (upload.chunked) {
        framed = fmt::format("{:x}\r\n", piece->size());
        framed.append(*piece).append("\r\n");
        bytes = framed;
      } else if (piece->empty()) {
        co_return;
      }
      upload.result = co_await upload.socket.Write(bytes, Deadline::Never(), upload.stop);
      if (!upload.result || piece->empty()) co_return;
    }
  }

  // The connection stays the caller's on errors: the upload still uses it.
  static net::Task<Status> Relay(Exchange& exchange, const ProxyOptions& options,
                                 UpstreamPool& pool, std::unique_ptr<UpstreamConnection>& connection,
                                 std::optional<net::Child>& uploading, std::stop_token stop) {
    HeadParser& head = connection->head();
    Headers headers;
    std::string_view listed = head.Get("connection");
    for (size_t i = 0; i < head.fields(); ++i) {
      std::string_view name = head.name(i);
      if (HopByHop(name) || IsDropped(options, name) ||
          (!listed.empty() && ListHasToken(listed, name))) {
        continue;
      }
      headers.Add(name, head.value(i));
    }
    if (options.answer_headers) {
      for (auto& [name, value] : options.answer_headers->fields()) headers.Add(name, value);
    }
    exchange.SendHead(head.status(), headers);
    while (!connection->body_done()) {
      KINGLET_CO_TRY(auto piece, co_await connection->ReadBody(Deadline::Never(), stop));
      if (piece.empty()) break;
      KINGLET_CO_RETURN_IF_ERROR(co_await exchange.Write(piece));
    }
    KINGLET_CO_RETURN_IF_ERROR(co_await exchange.End());
    bool uploaded = !uploading || uploading->done();
    uploading.reset();  // before its socket can go
    if (uploaded && connection->Reusable()) pool.Give(std::move(connection));
    co_return Status{};
  }

  net::Task<Result<std::unique_ptr<UpstreamConnection>>> Open(UpstreamPool& pool,
                                                              const UpstreamAddress& address,
                                                              bool fresh, Deadline deadline,
                                                              std::stop_token stop) {
    std::string key = fmt::format("{}:{}", address.host, address.port);
    if (!fresh) {
      if (auto kept = pool.Take(key)) co_return kept;
    }
    KINGLET_CO_TRY(auto resolved, co_await resolver_.Resolve(address.host, address.port));
    auto socket = co_await net::Socket::Connect(pool.loop(), resolved.storage, resolved.size,
                                                deadline, std::move(stop));
    if (!socket) {
      // Running out of time to connect says the same as a refusal: another address may be tried.
      Code code = socket.error().code();
      if (code == Code::kDeadlineExceeded) code = Code::kUnavailable;
      co_return Fail(code, "connect to {}: {}", key, socket.error().message());
    }
    co_return std::make_unique<UpstreamConnection>(std::move(*socket), key);
  }

  static std::string RequestBytes(const UpstreamAddress& address, const Request& request) {
    std::string out = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    if (!request.headers.Has("host")) {
      bool v6 = address.host.find(':') != std::string::npos;
      AppendField(out, "Host",
                  v6 ? fmt::format("[{}]:{}", address.host, address.port)
                     : fmt::format("{}:{}", address.host, address.port));
    }
    for (auto& [name, value] : request.headers.fields()) {
      if (HopByHop(name) || EqualsIgnoreCase(name, "content-length")) continue;
      AppendField(out, name, value);
    }
    if (!request.body.empty() || !Idempotent(request.method)) {
      AppendField(out, "Content-Length", std::to_string(request.body.size()));
    }
    out.append("\r\n").append(request.body);
    return out;
  }

  UpstreamPool& PoolOf(net::Loop& loop) {
    for (auto& pool : pools_) {
      if (&pool->loop() == &loop) return *pool;
    }
    CheckFailed(__FILE__, __LINE__, "an Upstream is used on loops of its own group");
  }

  Resolver resolver_;
  std::vector<std::unique_ptr<UpstreamPool>> pools_;
};

}  // namespace

std::unique_ptr<Upstream> Upstream::Make(net::LoopGroup& loops) {
  return std::make_unique<UpstreamImpl>(loops);
}

}  // namespace kinglet::http
