#include "cmd/kinglet-manager/webhook_server.h"

#include "base/file.h"
#include "base/log.h"
#include "kube/wait.h"

namespace kinglet {
namespace {

constexpr size_t kMaxReviewBytes = size_t{16} << 20;  // an object and its old version
constexpr Duration kRetry = std::chrono::seconds(1);  // until there is a first certificate

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

CertificateSource MountedCertificate(std::filesystem::path folder) {
  auto load = [folder = std::move(folder)]() -> Result<net::Certificate> {
    net::Certificate certificate;
    KINGLET_TRY(certificate.cert_pem, ReadFile(folder / "tls.crt"));
    KINGLET_TRY(certificate.key_pem, ReadFile(folder / "tls.key"));
    return certificate;
  };
  return {std::move(load), std::chrono::seconds(1)};
}

WebhookServer::WebhookServer(net::LoopGroup& loops, net::Pool& pool,
                             const admission::Admitter& admitter, int port)
    : loops_(loops), pool_(pool), admitter_(admitter), port_(port) {}

WebhookServer::~WebhookServer() = default;

Status WebhookServer::Use(const net::Certificate& certificate) {
  net::TlsOptions options;
  options.cert_pem = certificate.cert_pem;
  options.key_pem = certificate.key_pem;
  if (tls_) return tls_->Replace(options);
  KINGLET_TRY(auto tls, net::TlsContext::Make(options));
  http::ServerOptions listen;
  listen.port = port_;
  listen.tls = tls;
  listen.max_body_bytes = kMaxReviewBytes;
  KINGLET_TRY(server_,
              http::Server::Listen(loops_, std::move(listen), [this](http::Exchange& exchange) {
                return HandleReview(exchange, admitter_, pool_);
              }));
  server_->Start();
  tls_ = std::move(tls);
  return {};
}

void WebhookServer::Start(CertificateSource source, std::stop_token stop) {
  keeper_ = std::jthread([this, source = std::move(source), stop](std::stop_token drained) {
    std::stop_source both;
    std::stop_callback outer(stop, [&] { both.request_stop(); });
    std::stop_callback own(drained, [&] { both.request_stop(); });
    std::string used, last_failure;
    do {
      auto certificate = source.load();
      Status done;
      if (!certificate) {
        done = Unexpected(certificate.error());
      } else if (certificate->cert_pem != used) {
        done = Use(*certificate);
        if (done) {
          LogInfo(used.empty() ? "webhooks are served" : "the webhook certificate was replaced",
                  {{"port", port_}});
          used = certificate->cert_pem;
          serving_ = true;
        }
      }
      // Once for each reason: a certificate may be long in coming.
      const std::string failure = done ? "" : done.error().message();
      if (!failure.empty() && failure != last_failure && !both.stop_requested()) {
        LogWarning(used.empty() ? "webhooks wait for a certificate"
                                : "the webhook certificate cannot be renewed",
                   {{"error", failure}});
      }
      last_failure = failure;
    } while (kube::SleepFor(used.empty() ? kRetry : source.period, both.get_token()));
  });
}

void WebhookServer::Drain(Deadline deadline) {
  keeper_.request_stop();
  if (keeper_.joinable()) keeper_.join();
  if (server_) server_->Drain(deadline);
}

}  // namespace kinglet
