// The webhooks over TLS, and where their certificate comes from.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

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

// POST of an AdmissionReview to a webhook's path. Reviews read from the API server, so they run on
// `pool`. Starts to listen as soon as there is a certificate.
class WebhookServer {
 public:
  // All must outlive this.
  WebhookServer(net::LoopGroup& loops, net::Pool& pool, const admission::Admitter& admitter,
                int port);
  ~WebhookServer();  // stops at once

  void Start(CertificateSource source, std::stop_token stop);
  bool IsServing() const { return serving_.load(); }
  // Ends the looking after certificates, and answers what has come in.
  void Drain(Deadline deadline);

 private:
  Status Use(const net::Certificate& certificate);

  net::LoopGroup& loops_;
  net::Pool& pool_;
  const admission::Admitter& admitter_;
  const int port_;
  std::atomic<bool> serving_ = false;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<http::Server> server_;
  std::jthread keeper_;  // last: it uses what is above
};

}  // namespace kinglet
