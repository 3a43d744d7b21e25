#include "cmd/kinglet-manager/http_endpoints.h"

#include <charconv>

#include "base/file.h"
#include "base/log.h"

namespace kinglet {
namespace {

constexpr size_t kMaxReviewBytes = size_t{16} << 20;  // an object and its old version

// What the API server gets where the review itself cannot be read.
std::string Refusal(const Error& error) {
  return Json::MakeObject({{"error", error.message()}}).Dump();
}

struct Answer {
  int status = 200;
  std::string body;
};

Answer AnswerBody(const admission::Admitter& admitter, const std::string& path,
                  const std::string& body) {
  auto review = Json::Parse(body);
  if (!review) return {400, Refusal(review.error())};
  auto answer = admission::AnswerReview(admitter, path, *review);
  if (!answer) return {HttpStatus(answer.error().code()), Refusal(answer.error())};
  return {200, answer->Dump()};
}

net::Task<void> HandleReview(http::Exchange& exchange, const admission::Admitter& admitter,
                             net::Pool& pool) {
  constexpr std::string_view kJson = "application/json";
  if (exchange.method() != "POST") {
    exchange.Send(405, kJson, R"({"error":"send a POST with an AdmissionReview"})");
    co_return;
  }
  auto received = co_await exchange.ReadBody(kMaxReviewBytes);
  if (!received) {
    exchange.Send(HttpStatus(received.error().code()), kJson, Refusal(received.error()));
    co_return;
  }
  const std::string path(exchange.path()), body(*received);
  auto answer = co_await pool.Run([&] { return AnswerBody(admitter, path, body); });
  if (!answer) {
    exchange.Send(503, kJson, Refusal(answer.error()));
    co_return;
  }
  exchange.Send(answer->status, kJson, answer->body);
}

}  // namespace

Result<http::ServerOptions> ListenAt(const std::string& address) {
  size_t colon = address.rfind(':');
  http::ServerOptions options;
  const std::string port = colon == std::string::npos ? address : address.substr(colon + 1);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return Fail(Code::kInvalidArgument, "\"{}\" is not an address: want host:port or :port",
                address);
  }
  if (colon != std::string::npos && colon > 0) options.host = address.substr(0, colon);
  return options;
}

Result<net::TlsOptions> WebhookServer::ReadCertificate() const {
  net::TlsOptions options;
  KINGLET_TRY(options.cert_pem, ReadFile(cert_dir_ / "tls.crt"));
  KINGLET_TRY(options.key_pem, ReadFile(cert_dir_ / "tls.key"));
  return options;
}

Result<std::unique_ptr<WebhookServer>> WebhookServer::Start(net::LoopGroup& loops, net::Pool& pool,
                                                            const admission::Admitter& admitter,
                                                            std::filesystem::path cert_dir,
                                                            int port) {
  std::unique_ptr<WebhookServer> server(new WebhookServer());
  server->cert_dir_ = std::move(cert_dir);
  std::error_code ignored;
  server->loaded_ = std::filesystem::last_write_time(server->cert_dir_ / "tls.crt", ignored);
  KINGLET_TRY(auto certificate, server->ReadCertificate());
  KINGLET_TRY(server->tls_, net::TlsContext::Make(certificate));
  http::ServerOptions options;
  options.port = port;
  options.tls = server->tls_;
  options.max_body_bytes = kMaxReviewBytes;
  KINGLET_TRY(server->server_, http::Server::Listen(loops, std::move(options),
                                                    [&admitter, &pool](http::Exchange& exchange) {
                                                      return HandleReview(exchange, admitter, pool);
                                                    }));
  server->server_->Start();
  return server;
}

WebhookServer::~WebhookServer() = default;

void WebhookServer::Reload() {
  std::error_code error;
  auto changed = std::filesystem::last_write_time(cert_dir_ / "tls.crt", error);
  if (error || changed == loaded_) return;
  auto certificate = ReadCertificate();
  Status replaced =
      certificate ? tls_->Replace(*certificate) : Status(Unexpected(certificate.error()));
  if (!replaced) {
    // The key may not be there yet: the next look tries again.
    LogWarning("the new webhook certificate cannot be used",
               {{"error", replaced.error().message()}});
    return;
  }
  loaded_ = changed;
  LogInfo("the webhook certificate was replaced");
}

void WebhookServer::Drain(Deadline deadline) { server_->Drain(deadline); }

Result<std::unique_ptr<http::Server>> StartHealthServer(net::LoopGroup& loops,
                                                        const std::string& address,
                                                        const std::atomic<bool>& ready) {
  KINGLET_TRY(auto options, ListenAt(address));
  KINGLET_TRY(auto server,
              http::Server::Listen(
                  loops, std::move(options), [&ready](http::Exchange& exchange) -> net::Task<void> {
                    constexpr std::string_view kText = "text/plain";
                    if (exchange.path() == "/healthz") {
                      exchange.Send(200, kText, "ok");
                    } else if (exchange.path() == "/readyz") {
                      bool now = ready.load();
                      exchange.Send(now ? 200 : 503, kText, now ? "ok" : "not ready yet");
                    } else {
                      exchange.Send(404, kText, "not found");
                    }
                    co_return;
                  }));
  server->Start();
  return server;
}

Result<std::unique_ptr<http::Server>> StartMetricsServer(net::LoopGroup& loops,
                                                         const std::string& address,
                                                         const MetricsRegistry& metrics) {
  KINGLET_TRY(auto options, ListenAt(address));
  KINGLET_TRY(auto server,
              http::Server::Listen(loops, std::move(options),
                                   [&metrics](http::Exchange& exchange) -> net::Task<void> {
                                     if (exchange.path() == "/metrics") {
                                       exchange.Send(200, MetricsRegistry::kContentType,
                                                     metrics.Expose());
                                     } else {
                                       exchange.Send(404, "text/plain", "not found");
                                     }
                                     co_return;
                                   }));
  server->Start();
  return server;
}

}  // namespace kinglet
