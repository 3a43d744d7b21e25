// KServe's REST API over a repository: what runs for each HTTP request.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/server.h"
#include "net/loop.h"
#include "server/access_log.h"
#include "server/admin.h"
#include "server/data_plane.h"
#include "server/metrics.h"
#include "server/repository.h"
#include "server/routes.h"

namespace kinglet::server {

struct RestOptions {
  DataPlaneOptions data_plane;
  std::optional<AccessLog> access_log;  // none: no access log
  bool docs = false;                    // serve /docs
  AdminRule admin{"0.0.0.0", ""};       // who may load and unload
  size_t max_body_bytes = size_t{1} << 30;
  // Longer bodies are computed on a pool, so that they do not hold up a loop's other connections;
  // shorter ones as well where their model is slow (InlineLimits).
  size_t inline_body_bytes = size_t{1} << 20;
};

// A request whose body has arrived is answered on its loop without a coroutine; others are awaited.
// Must outlive the http::Server; its loops must have stopped before it is destroyed.
class RestApi {
 public:
  RestApi(Repository& repository, MetricsRegistry& metrics, net::LoopGroup& loops,
          RestOptions options);
  ~RestApi();

  http::Handler handler();
  http::FastHandler fast_handler();
  // GET /v2/health/ready answers 503 from now on.
  void StopBeingReady() { ready_ = false; }

 private:
  struct PerLoop;
  struct Call;

  PerLoop& For(net::Loop& loop);
  bool TryAnswer(http::Exchange& exchange);
  net::Task<void> AnswerLater(http::Exchange& exchange);
  // Answers on the loop itself, and learns from how long that took.
  void AnswerHere(const Call& call, std::chrono::steady_clock::time_point start,
                  const RouteMatch& match, std::string_view model, std::string_view body,
                  PerLoop& home);
  // Everything but loading and unloading. `latency` may be null. Lets no exception out: running out
  // of memory over one request must not end the server.
  void Answer(const RouteMatch& match, std::string_view model, http::Exchange& exchange,
              std::string_view body, Scratch* scratch, LineLog* latency);
  void Dispatch(const RouteMatch& match, std::string_view model, http::Exchange& exchange,
                std::string_view body, Scratch* scratch, LineLog* latency);
  void AnswerUnknownPath(http::Exchange& exchange, Reply* reply);
  void AnswerModelMetadata(std::string_view model, Reply* reply);
  void AnswerExplain(std::string_view model, Reply* reply);
  void LoadOrUnload(Route route, const std::string& model, Reply* reply);
  // Sends scratch's reply and writes counters and the access log.
  void Finish(const Call& call, const Reply& reply, PerLoop& home);

  Repository& repository_;
  ServerMetrics metrics_;
  DataPlane data_plane_;
  RestOptions options_;
  std::vector<std::unique_ptr<PerLoop>> loops_;
  net::Pool load_pool_;
  net::Pool predict_pool_;
  std::atomic<bool> ready_{true};
};

}  // namespace kinglet::server
