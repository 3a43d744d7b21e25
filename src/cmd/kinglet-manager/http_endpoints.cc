#include "cmd/kinglet-manager/http_endpoints.h"

#include <charconv>

namespace kinglet {
namespace {

// Probes and scrapers: few connections, no bodies.
void LimitToProbes(http::ServerOptions& options) {
  options.max_connections = 128;
  options.max_body_bytes = 0;
  options.header_timeout = options.body_idle_timeout = std::chrono::seconds(10);
}

}  // namespace

Result<http::ServerOptions> ListenAt(const std::string& address) {
  constexpr int kMaxPort = 65535;
  const size_t colon = address.rfind(':');
  http::ServerOptions options;
  const std::string port = colon == std::string::npos ? address : address.substr(colon + 1);
  std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  // An IPv6 address without brackets would leave it open which colon stands before the port.
  if (error != std::errc() || end != port.data() + port.size() || options.port < 0 ||
      options.port > kMaxPort || (!bracketed && host.find(':') != std::string::npos)) {
    return Fail(Code::kInvalidArgument,
                "\"{}\" is not an address: want host:port, [IPv6 address]:port, :port or port",
                address);
  }
  if (!host.empty()) options.host = host;
  return options;
}

Result<std::unique_ptr<http::Server>> StartHealthServer(net::LoopGroup& loops,
                                                        const std::string& address,
                                                        std::function<bool()> ready) {
  KINGLET_TRY(auto options, ListenAt(address));
  LimitToProbes(options);
  KINGLET_TRY(auto server,
              http::Server::Listen(
                  loops, std::move(options), [ready](http::Exchange& exchange) -> net::Task<void> {
                    constexpr std::string_view kText = "text/plain";
                    if (exchange.path() == "/healthz") {
                      exchange.Send(200, kText, "ok");
                    } else if (exchange.path() == "/readyz") {
                      bool now = ready();
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
  LimitToProbes(options);
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
