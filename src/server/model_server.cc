#include "server/model_server.h"

#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/uri.h"
#include "server/cpus.h"

namespace kinglet::server {
namespace {

Result<RestOptions> RestOptionsOf(const ServerOptions& options) {
  RestOptions rest;
  KINGLET_TRY(auto access_log, AccessLog::Parse(options.access_log_format));
  std::string key;
  if (!options.admin_key_file.empty()) {
    auto read = ReadAdminKey(options.admin_key_file);
    if (!read) return Unexpected(read.error().WithContext("--admin-key-file"));
    key = std::move(*read);
  }
  rest.admin = AdminRule(options.http_host, std::move(key));
  rest.data_plane.latency_logging = options.enable_latency_logging;
  rest.data_plane.cloud_events = options.cloud_events;
  if (options.enable_access_log) rest.access_log = std::move(access_log);
  rest.docs = options.enable_docs_url;
  return rest;
}

Result<std::filesystem::path> LocalFolder(std::string_view model_dir, const ModelFetcher& fetcher) {
  if (model_dir.empty()) {
    return Fail(Code::kInvalidArgument, "--model_dir is required");
  }
  if (model_dir.starts_with("file://")) return std::filesystem::path(model_dir.substr(7));
  if (model_dir.find("://") == std::string_view::npos) return std::filesystem::path(model_dir);
  if (!fetcher) {
    return Fail(Code::kUnimplemented,
                "--model_dir {}: this server does not download models; run the storage "
                "initializer first and give its folder",
                RedactUri(model_dir));
  }
  return fetcher(model_dir);
}

bool HasSubfolder(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) return true;
  }
  return false;
}

bool IsEmptyFolder(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_directory(folder, error) && std::filesystem::is_empty(folder, error) &&
         !error;
}

}  // namespace

ModelServer::ModelServer(const ServerOptions& options, ModelLoader loader, RestOptions rest)
    : repository_(std::move(loader), metrics_),
      loops_(options.workers > 0 ? static_cast<size_t>(options.workers) : AvailableCpus()),
      api_(repository_, metrics_, loops_, std::move(rest)) {}

ModelServer::~ModelServer() {
  // Connections first, then the threads that run them, then what the threads use.
  http_.reset();
  loops_.Stop();
  loops_.Join();
}

Status ModelServer::LoadModels(const ServerOptions& options, const std::filesystem::path& folder) {
  repository_.SetSource(options.model_name, folder);
  auto loaded = repository_.Load(options.model_name);
  if (loaded) return {};
  bool repository_mode =
      loaded.error().code() == Code::kNotFound && (HasSubfolder(folder) || IsEmptyFolder(folder));
  if (!repository_mode) {
    return Unexpected(loaded.error().WithContext("model " + options.model_name));
  }
  LogInfo("no model file in model_dir: serving it as a repository of models",
          {{"model_dir", folder.string()}});
  repository_.ClearSource(options.model_name);
  repository_.SetModelsDir(folder);
  return repository_.LoadAll();
}

Result<std::unique_ptr<ModelServer>> ModelServer::Start(const ServerOptions& options,
                                                        ModelLoader loader, ModelFetcher fetcher,
                                                        const BeforeLoading& before_loading) {
  // Before the rules of `before_loading`, which may not let it change.
  const size_t descriptors = RaiseDescriptorLimit();
  KINGLET_TRY(auto rest, RestOptionsOf(options));
  KINGLET_TRY(auto guard, MakeGuard(options));
  KINGLET_TRY(const auto folder, LocalFolder(options.model_dir, fetcher));
  if (before_loading) before_loading(folder);
  std::unique_ptr<ModelServer> server(new ModelServer(options, std::move(loader), std::move(rest)));
  KINGLET_RETURN_IF_ERROR(server->LoadModels(options, folder));
  http::ServerOptions http;
  http.host = options.http_host;
  http.port = static_cast<int>(options.http_port);
  http.guard = std::move(guard);
  // The rest is for model files. The server closes idle connections when most of these are in use,
  // which it could not if the kernel's limit came first.
  http.max_connections = std::min(http.max_connections, descriptors - descriptors / 8);
  KINGLET_TRY(server->http_,
              http::Server::Listen(server->loops_, std::move(http), server->api_.handler(),
                                   server->api_.fast_handler()));
  server->loops_.Start();
  server->http_->Start();
  return server;
}

void ModelServer::Drain(Deadline deadline) {
  StopBeingReady();
  http_->Drain(deadline);
  repository_.UnloadAll();
}

int RunServer(const ServerOptions& options, ModelLoader loader, ModelFetcher fetcher,
              const BeforeLoading& before_loading) {
  auto start = std::chrono::steady_clock::now();
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGQUIT}) sigaddset(&signals, signal);
  // Before the loops' threads exist, so that they inherit it and only sigwait below sees them.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto server = ModelServer::Start(options, std::move(loader), std::move(fetcher), before_loading);
  if (!server) {
    LogError("the server did not start", {{"reason", server.error().message()}});
    return 1;
  }
  std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  LogInfo("serving HTTP",
          {{"host", options.http_host}, {"port", (*server)->port()}, {"start_ms", took.count()}});
  if (options.enable_grpc) {
    LogWarning("the gRPC protocol is not served by this release: only REST is listening",
               {{"grpc_port", options.grpc_port}});
  }
  int signal = 0;
  sigwait(&signals, &signal);
  LogInfo("Stopping the model server", {{"signal", signal}});
  const Deadline deadline = Deadline::After(std::chrono::seconds(options.grace_period_seconds));
  (*server)->StopBeingReady();
  // A second signal ends the wait.
  const timespec delay{.tv_sec = options.shutdown_delay_seconds, .tv_nsec = 0};
  if (delay.tv_sec > 0) sigtimedwait(&signals, nullptr, &delay);
  (*server)->Drain(deadline);
  LogInfo("Stopped the model server");
  return 0;
}

}  // namespace kinglet::server
