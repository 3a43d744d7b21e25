#include "cmd/kinglet-storage-initializer/metrics_endpoint.h"

#include <charconv>

#include "base/log.h"

namespace kinglet {

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& address,
                                                                const MetricsRegistry& metrics) {
  http::ServerOptions options;
  size_t colon = address.rfind(':');
  const char* end = address.data() + address.size();
  if (colon == std::string::npos ||
      std::from_chars(address.data() + colon + 1, end, options.port).ptr != end ||
      colon + 1 == address.size()) {
    return Fail(Code::kInvalidArgument,
                "--metrics-addr: \"{}\" is not an address: want host:port or :port", address);
  }
  if (colon > 0) options.host = address.substr(0, colon);
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint);
  auto answer = [&metrics](http::Exchange& exchange) {
    if (exchange.path() == "/metrics") {
      exchange.Send(200, MetricsRegistry::kContentType, metrics.Expose());
    } else {
      exchange.Send(404, "text/plain", "GET /metrics\n");
    }
    return true;
  };
  KINGLET_TRY(endpoint->server_, http::Server::Listen(endpoint->loops_, options, {}, answer));
  endpoint->loops_.Start();
  endpoint->server_->Start();
  LogInfo("serving metrics", {{"host", options.host}, {"port", endpoint->server_->port()}});
  return endpoint;
}

}  // namespace kinglet
