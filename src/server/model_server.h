// A whole model server: repository, REST API, event loops.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/http/server.h"
#include "net/loop.h"
#include "server/options.h"
#include "server/repository.h"
#include "server/rest_api.h"

namespace kinglet::server {

// Downloads a storage URI and returns the local folder. Blocking.
using ModelFetcher = std::function<Result<std::filesystem::path>(std::string_view uri)>;
// Called once, on the caller's thread, when the model's folder is known and nothing in it was read
// yet: the time to give up what parsing foreign bytes does not need.
using BeforeLoading = std::function<void(const std::filesystem::path& folder)>;

class ModelServer {
 public:
  // Fetches and loads the model, then listens. Where model_dir holds no model file but folders, the
  // server starts as a repository of them (also of none: models come by the V2 repository
  // endpoints). `fetcher` may be empty: a URI is then an error. Starts no thread before
  // `before_loading` was called. Blocking.
  static Result<std::unique_ptr<ModelServer>> Start(const ServerOptions& options,
                                                    ModelLoader loader, ModelFetcher fetcher = {},
                                                    const BeforeLoading& before_loading = {});
  ~ModelServer();  // hard stop

  int port() const { return http_->port(); }
  Repository& repository() { return repository_; }
  void StopBeingReady() { api_.StopBeingReady(); }
  // Fails readiness, answers what is in flight, unloads all models. Blocking.
  void Drain(Deadline deadline);

 private:
  ModelServer(const ServerOptions& options, ModelLoader loader, RestOptions rest);
  Status LoadModels(const ServerOptions& options, const std::filesystem::path& folder);

  MetricsRegistry metrics_;
  Repository repository_;
  net::LoopGroup loops_;
  RestApi api_;
  std::unique_ptr<http::Server> http_;
};

// For main: starts, serves until SIGTERM, SIGINT or SIGQUIT, drains. Returns the exit status.
// Blocks these signals in the calling thread, so call it before starting threads.
int RunServer(const ServerOptions& options, ModelLoader loader, ModelFetcher fetcher = {},
              const BeforeLoading& before_loading = {});

}  // namespace kinglet::server
