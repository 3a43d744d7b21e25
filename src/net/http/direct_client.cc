#include "net/http/direct_client.h"

#include <algorithm>
#include <vector>

#include "base/guarded.h"
#include "base/uri.h"
#include "net/http/client_connection.h"
#include "net/http/proxy.h"
#include "net/http/response_reader.h"

namespace kinglet::http {
namespace {

constexpr size_t kIdleConnections = 32;
// Servers keep idle connections for a minute and longer; Go's API server for two.
constexpr Duration kIdleTime = std::chrono::seconds(90);
constexpr size_t kReadBytes = 16 << 10;

using OnHead = std::function<Status(const ClientResponse&)>;
using OnBody = std::function<Status(std::string_view)>;

// What a caller wants done with a response.
struct Consumer {
  const OnHead* on_head = nullptr;
  const OnBody* on_body = nullptr;  // null: collected
  size_t body_limit = 0;

  Status Head(const ClientResponse& response) const {
    return on_head ? (*on_head)(response) : Status();
  }
  Status Body(ClientResponse& response, std::string_view bytes) const {
    if (on_body) return (*on_body)(bytes);
    if (response.body.size() + bytes.size() > body_limit) {
      return Fail(Code::kResourceExhausted, "the response's body is over {} bytes", body_limit);
    }
    response.body += bytes;
    return {};
  }
};

struct Idle {
  std::string origin;
  std::unique_ptr<ClientConnection> connection;
  SteadyTime since;
};

// How one exchange on one connection ended, besides its result.
struct Trace {
  bool wrote = false;     // some of the request may have reached the server
  bool answered = false;  // some of a response came
  bool reusable = false;
};

bool HasBreak(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

// The request's head; kInvalidArgument where a part of it would be read as something else.
Result<std::string> Head(const ClientRequest& request, const Uri& url, const ClientOptions& options,
                         const std::optional<Uri>& proxy) {
  const bool absolute = proxy && url.scheme == "http";
  const std::string target =
      absolute ? fmt::format("http://{}{}", url.Authority(), url.Target()) : url.Target();
  if (target.find_first_of(" \t") != std::string::npos || HasBreak(target) ||
      request.method.find_first_of(" \t") != std::string::npos || HasBreak(request.method)) {
    return Fail(Code::kInvalidArgument, "the URL or the method has white space in it");
  }
  std::string out = fmt::format("{} {} HTTP/1.1\r\n", request.method, target);
  auto add = [&](std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  };
  if (!request.headers.Has("host")) add("Host", url.Authority());
  for (const auto& [name, value] : request.headers.fields()) {
    if (HasBreak(name) || HasBreak(value)) {
      return Fail(Code::kInvalidArgument, "header field \"{}\" has a line break in it",
                  name.substr(0, name.find_first_of("\r\n")));
    }
    add(name, value);
  }
  if (!options.user_agent.empty() && !request.headers.Has("user-agent")) {
    add("User-Agent", options.user_agent);
  }
  if (!request.headers.Has("accept")) add("Accept", "*/*");
  if (absolute) {
    if (std::string value = ProxyAuthorization(*proxy); !value.empty()) {
      add("Proxy-Authorization", value);
    }
  }
  const bool has_body = !request.body.empty() || request.method == "POST" ||
                        request.method == "PUT" || request.method == "PATCH";
  if (has_body) add("Content-Length", std::to_string(request.body.size()));
  out += "\r\n";
  return out;
}

Status ReadResponse(ClientConnection& connection, const ClientRequest& request,
                    const Patience& patience, const Consumer& consumer, ClientResponse& response,
                    Trace& trace) {
  ResponseReader reader(request.method, response);
  char buffer[kReadBytes];
  while (!reader.done()) {
    KINGLET_TRY(const size_t got, connection.Read(buffer, sizeof buffer, patience));
    if (got == 0) {
      KINGLET_RETURN_IF_ERROR(reader.End());
      return {};
    }
    trace.answered = true;
    std::string_view rest(buffer, got);
    while (!rest.empty() && !reader.done()) {
      KINGLET_TRY(const auto step, reader.Next(rest));
      rest.remove_prefix(step.consumed);
      if (step.event == ResponseReader::Event::kHead) {
        KINGLET_RETURN_IF_ERROR(consumer.Head(response));
      } else if (step.event == ResponseReader::Event::kBody && !step.body.empty()) {
        KINGLET_RETURN_IF_ERROR(consumer.Body(response, step.body));
      }
    }
    // More than the response: nobody knows what it belongs to.
    if (!rest.empty()) return {};
  }
  trace.reusable = reader.keeps_connection();
  return {};
}

Status Exchange(ClientConnection& connection, const ClientRequest& request, std::string head,
                const Consumer& consumer, ClientResponse& response, Trace& trace) {
  const Patience patience{request.deadline, request.stall_timeout, request.stop};
  connection.waker().Calm();
  std::stop_callback wake(request.stop, [&] { connection.waker().Wake(); });
  // Small bodies go with the head, in one packet and one TLS record.
  std::string_view body = request.body;
  if (body.size() <= kReadBytes - head.size() % kReadBytes) {
    head += body;
    body = {};
  }
  if (request.stop.stop_requested()) return Fail(Code::kCancelled, "cancelled");
  trace.wrote = true;
  KINGLET_TRY(bool wrote, connection.Write(head, patience));
  if (wrote && !body.empty()) {
    KINGLET_TRY(wrote, connection.Write(body, patience));
  }
  KINGLET_RETURN_IF_ERROR(ReadResponse(connection, request, patience, consumer, response, trace));
  trace.reusable &= wrote;
  return {};
}

class DirectClient final : public Client {
 public:
  explicit DirectClient(ClientOptions options)
      : options_(std::move(options)),
        tls_({.ca_file = options_.ca_file,
              .ca_pem = options_.ca_pem,
              .cert_file = options_.cert_file,
              .key_file = options_.key_file,
              .cert_pem = options_.cert_pem,
              .key_pem = options_.key_pem,
              .insecure_skip_verify = options_.insecure_skip_verify}) {}

  Result<ClientResponse> Do(const ClientRequest& request, size_t body_limit) override {
    return Perform(request, {.body_limit = body_limit});
  }

  Result<ClientResponse> Stream(const ClientRequest& request, const OnHead& on_head,
                                const OnBody& on_body) override {
    return Perform(request, {&on_head, &on_body, 0});
  }

 private:
  Result<std::optional<Uri>> ProxyFor(const Uri& url) const {
    if (!options_.unix_socket.empty()) return std::nullopt;
    if (!options_.proxy_url.empty()) {
      KINGLET_TRY(Uri proxy, ParseProxy(options_.proxy_url));
      return std::optional(std::move(proxy));
    }
    if (!options_.use_environment_proxy) return std::nullopt;
    return ProxyFromEnvironment(url, ProcessEnvironment());
  }

  Result<ClientResponse> Perform(const ClientRequest& request, const Consumer& consumer) {
    KINGLET_TRY(const Uri url, Uri::Parse(request.url));
    if (url.scheme != "http" && url.scheme != "https") {
      return Fail(Code::kInvalidArgument, "{}: only http and https URLs can be requested",
                  RedactUri(request.url));
    }
    const std::string origin = fmt::format("{}://{}", url.scheme, url.Authority());
    ClientResponse response;
    response.final_url = request.url;
    Status refused;  // by the consumer: its error as it is
    Consumer watched = consumer;
    const OnHead on_head = [&](const ClientResponse& head) -> Status {
      return refused = consumer.Head(head);
    };
    const OnBody on_body = [&](std::string_view bytes) -> Status {
      return refused = consumer.Body(response, bytes);
    };
    watched.on_head = &on_head;
    watched.on_body = &on_body;
    auto done = Converse(request, url, origin, watched, response);
    if (done) return response;
    if (!refused) return Unexpected(std::move(refused).error());
    return Unexpected(std::move(done).error().WithContext(
        fmt::format("{} {}{}", request.method, origin, url.path)));
  }

  Status Converse(const ClientRequest& request, const Uri& url, const std::string& origin,
                  const Consumer& consumer, ClientResponse& response) {
    if (request.stop.stop_requested()) return Fail(Code::kCancelled, "cancelled");
    KINGLET_TRY(const std::optional<Uri> proxy, ProxyFor(url));
    KINGLET_TRY(const std::string head, Head(request, url, options_, proxy));
    const bool harmless = request.method == "GET" || request.method == "HEAD";
    while (true) {
      std::unique_ptr<ClientConnection> connection = Borrow(origin);
      const bool kept = connection != nullptr;
      if (!kept) {
        const Patience patience{request.deadline, Duration::zero(), request.stop};
        KINGLET_TRY(connection, ClientConnection::Open(url, options_, proxy, tls_, patience));
      }
      Trace trace;
      auto done = Exchange(*connection, request, head, consumer, response, trace);
      if (done && trace.reusable) GiveBack(origin, std::move(connection));
      const bool again = !done && kept && !trace.answered && (harmless || !trace.wrote) &&
                         done.error().code() == Code::kUnavailable;
      if (!again) return done;
    }
  }

  std::unique_ptr<ClientConnection> Borrow(const std::string& origin) {
    const SteadyTime oldest = std::chrono::steady_clock::now() - kIdleTime;
    std::vector<Idle> closed;  // ends outside of the lock
    auto idle = idle_.Acquire();
    for (size_t i = idle->size(); i-- > 0;) {
      Idle& entry = (*idle)[i];
      const bool fresh = entry.since > oldest && entry.connection->IsIdle();
      const bool fits = entry.origin == origin;
      if (fresh && !fits) continue;
      Idle taken = std::move(entry);
      idle->erase(idle->begin() + static_cast<ptrdiff_t>(i));
      if (fresh) return std::move(taken.connection);
      closed.push_back(std::move(taken));
    }
    return nullptr;
  }

  void GiveBack(const std::string& origin, std::unique_ptr<ClientConnection> connection) {
    std::vector<Idle> closed;
    auto idle = idle_.Acquire();
    idle->push_back({origin, std::move(connection), std::chrono::steady_clock::now()});
    if (idle->size() > kIdleConnections) {
      closed.push_back(std::move(idle->front()));
      idle->erase(idle->begin());
    }
  }

  const ClientOptions options_;
  net::TlsClientContext tls_;
  Guarded<std::vector<Idle>> idle_;  // the latest last
};

}  // namespace

std::unique_ptr<Client> MakeDirectClient(ClientOptions options) {
  return std::make_unique<DirectClient>(std::move(options));
}

}  // namespace kinglet::http
