// The manager's plain HTTP sides: health probes and metrics.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http/server.h"
#include "net/loop.h"

namespace kinglet {

// Reads "host:port", "[IPv6 address]:port", ":port" or "port". Without a host: all IPv4 addresses
// of the machine.
Result<http::ServerOptions> ListenAt(const std::string& address);

// GET /healthz answers 200, /readyz 200 while `ready` (called on loop threads).
Result<std::unique_ptr<http::Server>> StartHealthServer(net::LoopGroup& loops,
                                                        const std::string& address,
                                                        std::function<bool()> ready);
// GET /metrics.
Result<std::unique_ptr<http::Server>> StartMetricsServer(net::LoopGroup& loops,
                                                         const std::string& address,
                                                         const MetricsRegistry& metrics);

}  // namespace kinglet
