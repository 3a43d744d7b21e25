// The manager's HTTP sides: webhooks over TLS, health probes, metrics.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "admission/admitter.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/http/server.h"
#include "net/loop.h"

namespace kinglet {

// "host:port" or ":port".
Result<http::ServerOptions> ListenAt(const std::string& address);

// POST of an AdmissionReview to a webhook's path. Reviews read from the API server, so they run on
// `pool`. The certificate is read again when its file changes: call Reload now and then.
class WebhookServer {
 public:
  static Result<std::unique_ptr<WebhookServer>> Start(net::LoopGroup& loops, net::Pool& pool,
                                                      const admission::Admitter& admitter,
                                                      std::filesystem::path cert_dir, int port);
  ~WebhookServer();
  void Reload();
  void Drain(Deadline deadline);

 private:
  WebhookServer() = default;
  Result<net::TlsOptions> ReadCertificate() const;

  std::filesystem::path cert_dir_;
  std::filesystem::file_time_type loaded_{};
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<http::Server> server_;
};

// GET /healthz answers 200, /readyz 200 once `ready`.
Result<std::unique_ptr<http::Server>> StartHealthServer(net::LoopGroup& loops,
                                                        const std::string& address,
                                                        const std::atomic<bool>& ready);
// GET /metrics.
Result<std::unique_ptr<http::Server>> StartMetricsServer(net::LoopGroup& loops,
                                                         const std::string& address,
                                                         const MetricsRegistry& metrics);

}  // namespace kinglet
