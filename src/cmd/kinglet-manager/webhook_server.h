// The webhooks over TLS, and where their certificate comes from.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "admission/admitter.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http/server.h"
#include "net/loop.h"
#include "net/tls/context.h"

namespace kinglet {

// What to serve now. Asked again every `period`: a changed certificate is used for new connections.
struct CertificateSource {
  std::function<Result<net::Certificate>()> load;
  Duration period;
};

// tls.crt and tls.key of a folder, as cert-manager's Secret is mounted.
CertificateSource MountedCertificate(std::filesystem::path folder);

// Which clients are served: those with a certificate of the authorities in `ca_file` (PEM), and, if
// `names` is not empty, with one of them as its common name or DNS name. An empty ca_file: all
// clients, without a certificate.
struct WebhookClients {
  std::filesystem::path ca_file;
  std::vector<std::string> names;
};

// The bytes of the reviews that are being received or answered, with a limit. Loop thread only.
class ReviewMemory {
 public:
  explicit ReviewMemory(size_t limit) : left_(limit) {}
  bool Take(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void Give(size_t bytes) { left_ += bytes; }

 private:
  size_t left_;
};

// Answers POSTs of AdmissionReviews to the webhooks' paths. Reviews read from the API server, so
// they run on `pool`. Listens as soon as there is a certificate, and the file of WebhookClients can
// be read; a file that changes is used for new connections.
//
// What a client can make it spend is bounded: connections, the time and bytes of a review, the
// bytes of all reviews, and the values of a review (see the constants in the .cc). Beyond them
// requests are answered 408, 413 or 503.
class WebhookServer {
 public:
  // `loops` (one loop), `pool` and `admitter` must outlive this. Of `listen`, host and port count.
  WebhookServer(net::LoopGroup& loops, net::Pool& pool, const admission::Admitter& admitter,
                http::ServerOptions listen, WebhookClients clients);
  ~WebhookServer();  // stops at once

  void Start(CertificateSource source, std::stop_token stop);
  bool IsServing() const { return serving_.load(); }
  // Stops looking for new certificates, and answers the requests that have arrived.
  void Drain(Deadline deadline);

 private:
  Result<net::TlsOptions> LoadTls(const CertificateSource& source) const;
  Status Use(const net::TlsOptions& options);

  net::LoopGroup& loops_;
  net::Pool& pool_;
  const admission::Admitter& admitter_;
  const http::ServerOptions listen_;
  const WebhookClients clients_;
  ReviewMemory memory_;
  std::atomic<bool> serving_ = false;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<http::Server> server_;
  std::jthread keeper_;  // last: it uses what is above
};

}  // namespace kinglet
