// The HTTP/1.1 client of the data path: per-loop keep-alive pools of connections to upstreams,
// streaming both ways, cancellation. For the gateway, the agent, the router and transformers.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/http/message.h"
#include "net/http/server.h"
#include "net/loop.h"

namespace kinglet::http {

struct UpstreamAddress {
  std::string host;  // IP address or name (names are resolved on a pool thread)
  int port = 80;
};

struct ProxyOptions {
  // The request's head as it goes upstream; hop-by-hop fields are removed. Empty target: as
  // received.
  std::string target;
  std::string host;     // Host header to send; "" as received
  Headers set_headers;  // replace what was received
  // Fields that are sent on in neither direction.
  std::span<const std::string_view> drop_fields;
  // Added to the response. Outlives the call.
  const Headers* answer_headers = nullptr;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration response_timeout = std::chrono::seconds(600);  // to the response's head
};

// One object for all loops; its pools are per loop.
class Upstream {
 public:
  static std::unique_ptr<Upstream> Make(net::LoopGroup& loops);
  virtual ~Upstream() = default;

  // Streams the exchange's request to the address and its response back, with trailers of chunked
  // framing dropped. kUnavailable when no connection could be made or it broke before a response's
  // head arrived; then nothing has been sent to the client, and `*replayable` says whether another
  // address may be tried: none of the request's body was consumed (or all of it is still buffered),
  // and the upstream did not have all of a request that may not be repeated (POST, PATCH).
  // Once the head is sent, a broken upstream closes the client's connection and returns an error.
  virtual net::Task<Status> Proxy(Exchange& exchange, const UpstreamAddress& address,
                                  const ProxyOptions& options, bool* replayable) = 0;

  // One buffered request on the current loop.
  virtual net::Task<Result<Response>> Do(const UpstreamAddress& address, const Request& request,
                                         Deadline deadline, std::stop_token stop = {},
                                         size_t body_limit = size_t{64} << 20) = 0;
};

}  // namespace kinglet::http
