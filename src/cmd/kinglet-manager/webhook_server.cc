#include "cmd/kinglet-manager/webhook_server.h"

#include "admission/review.h"
#include "base/file.h"
#include "base/log.h"
#include "kube/wait.h"

namespace kinglet {
namespace {

// KServe's limit: twice what etcd takes for one object, the old one and the new one, as JSON.
constexpr size_t kMaxReviewBytes = size_t{7} << 20;
// A value takes up to forty times the memory of its text. Reviews of real objects have some
// thousand.
constexpr size_t kMaxReviewValues = 32'768;
constexpr size_t kMaxReviewMemory = size_t{32} << 20;  // of all reviews that are under way
constexpr size_t kMaxConnections = 1024;
// API servers wait 10 s for an answer.
constexpr Duration kReviewTime = std::chrono::seconds(10);
constexpr std::string_view kJson = "application/json";
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
  auto review = Json::Parse(body, {.max_bytes = kMaxReviewBytes, .max_values = kMaxReviewValues});
  if (!review) {
    const bool too_large = review.error().code() == Code::kResourceExhausted;
    return {too_large ? 413 : 400, Refusal(review.error())};
  }
  auto answer = admission::AnswerReview(admitter, path, *review);
  if (!answer) return {HttpStatus(answer.error().code()), Refusal(answer.error())};
  return {200, answer->Dump()};
}

// The body of one review, counted in a ReviewMemory as long as it lives.
class ReviewBody {
 public:
  explicit ReviewBody(ReviewMemory& memory) : memory_(memory) {}
  ~ReviewBody() { memory_.Give(text_.size()); }
  ReviewBody(const ReviewBody&) = delete;
  ReviewBody& operator=(const ReviewBody&) = delete;

  // False, with nothing appended, if all reviews together would be too large.
  bool Append(std::string_view piece) {
    if (!memory_.Take(piece.size())) return false;
    text_.append(piece);
    return true;
  }
  const std::string& text() const { return text_; }

 private:
  ReviewMemory& memory_;
  std::string text_;
};

void RefuseBusy(http::Exchange& exchange) {
  http::Headers headers;
  headers.Add("Retry-After", "1");
  exchange.Send(503, kJson, Refusal(Error(Code::kUnavailable, "too many reviews at a time")),
                &headers);
}

void RefuseBody(http::Exchange& exchange, const Error& error) {
  int status = HttpStatus(error.code());
  if (error.code() == Code::kDeadlineExceeded) status = 408;
  if (error.code() == Code::kResourceExhausted) status = 413;
  exchange.Send(status, kJson, Refusal(error));
}

net::Task<void> HandleReview(http::Exchange& exchange, const admission::Admitter& admitter,
                             net::Pool& pool, ReviewMemory& memory) {
  if (exchange.method() != "POST") {
    exchange.Send(405, kJson, R"({"error":"send a POST with an AdmissionReview"})");
    co_return;
  }
  ReviewBody body(memory);
  while (true) {
    auto piece = co_await exchange.ReadSome();
    if (!piece) co_return RefuseBody(exchange, piece.error());
    if (piece->empty()) break;
    if (!body.Append(*piece)) co_return RefuseBusy(exchange);
  }
  const std::string path(exchange.path());
  auto answer = co_await pool.Run([&] { return AnswerBody(admitter, path, body.text()); });
  if (!answer) co_return RefuseBusy(exchange);
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
                             const admission::Admitter& admitter, http::ServerOptions listen,
                             WebhookClients clients)
    : loops_(loops),
      pool_(pool),
      admitter_(admitter),
      listen_(std::move(listen)),
      clients_(std::move(clients)),
      memory_(kMaxReviewMemory) {}

WebhookServer::~WebhookServer() = default;

Result<net::TlsOptions> WebhookServer::LoadTls(const CertificateSource& source) const {
  KINGLET_TRY(net::Certificate certificate, source.load());
  net::TlsOptions options;
  options.cert_pem = std::move(certificate.cert_pem);
  options.key_pem = std::move(certificate.key_pem);
  if (clients_.ca_file.empty()) return options;
  auto authorities = ReadFile(clients_.ca_file);
  if (!authorities) return Unexpected(authorities.error().WithContext("--webhook-client-ca-file"));
  if (authorities->empty()) {
    return Fail(Code::kInvalidArgument, "--webhook-client-ca-file: {} is empty",
                clients_.ca_file.string());
  }
  options.client_ca_pem = *std::move(authorities);
  options.require_client_cert = true;
  options.client_names = clients_.names;
  return options;
}

Status WebhookServer::Use(const net::TlsOptions& options) {
  if (tls_) return tls_->Replace(options);
  KINGLET_TRY(auto tls, net::TlsContext::Make(options));
  http::ServerOptions listen = listen_;
  listen.tls = tls;
  listen.max_body_bytes = kMaxReviewBytes;
  listen.max_connections = kMaxConnections;
  listen.header_timeout = listen.body_idle_timeout = listen.request_timeout = kReviewTime;
  listen.write_timeout = kReviewTime;
  KINGLET_TRY(server_,
              http::Server::Listen(loops_, std::move(listen), [this](http::Exchange& exchange) {
                return HandleReview(exchange, admitter_, pool_, memory_);
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
      auto options = LoadTls(source);
      Status done;
      if (!options) {
        done = Unexpected(options.error());
      } else if (std::string now = options->cert_pem + options->client_ca_pem; now != used) {
        done = Use(*options);
        if (done) {
          LogInfo(used.empty() ? "webhooks are served" : "the webhook certificates were replaced",
                  {{"port", server_->port()}, {"client certificates", !clients_.ca_file.empty()}});
          used = std::move(now);
          serving_ = true;
        }
      }
      // Once for each reason: a certificate may be long in coming.
      const std::string failure = done ? "" : done.error().message();
      if (!failure.empty() && failure != last_failure && !both.stop_requested()) {
        LogWarning(used.empty() ? "webhooks wait for certificates"
                                : "the webhook certificates cannot be renewed",
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
