#include "cmd/kinglet-manager/http_endpoints.h"

#include <charconv>

namespace kinglet {
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

Result<std::unique_ptr<http::Server>> StartHealthServer(net::LoopGroup& loops,
                                                        const std::string& address,
                                                        std::function<bool()> ready) {
  KINGLET_TRY(auto options, ListenAt(address));
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
