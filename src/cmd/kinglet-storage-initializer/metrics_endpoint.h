// GET /metrics while a download runs.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http/server.h"

namespace kinglet {

class MetricsEndpoint {
 public:
  // `address`: "host:port" or ":port", 0 for any free port. The registry outlives the endpoint.
  static Result<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                        const MetricsRegistry& metrics);

 private:
  MetricsEndpoint() : loops_(1) {}
  net::LoopGroup loops_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace kinglet
