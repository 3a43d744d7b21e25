#include "server/options.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"

namespace kinglet::server {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool IsTrue(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return text == "true";
}

Status CheckRange(std::string_view flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return Fail(Code::kInvalidArgument, "--{}: {} is not between {} and {}", flag, value, low, high);
}

Status CheckProtocol(std::string_view flag, std::string_view value) {
  if (value == "v1" || value == "v2" || value == "grpc-v2") return {};
  return Fail(Code::kInvalidArgument, "--{}: invalid choice \"{}\" (choose from v1, v2, grpc-v2)",
              flag, value);
}

}  // namespace

ServerFlags::ServerFlags(Flags& flags, ServerOptions* options) : flags_(flags), options_(options) {
  flags.Add("model-name", &options->model_name, "Name of the model in the endpoints' paths");
  flags.Add("model-dir", &options->model_dir,
            "Folder with the model's file, a file, a storage URI, or a folder of such folders");
  flags.Add("model-format", &options->model_format,
            "sklearn, xgboost, lightgbm, ...; found from the files where absent");
  flags.Add("http-host", &options->http_host, "Address to listen on");
  flags.Add("http-port", &options->http_port, "REST port; 0 takes a free one");
  flags.Add("grpc-port", &options->grpc_port, "gRPC port");
  flags.Add("enable-grpc", &options->enable_grpc, "Serve the gRPC protocol");
  flags.Add("workers", &options->workers,
            "Event loops (threads) that answer requests; 0: one for each core available");
  flags.Add("nthread", &options->nthread, "Threads one prediction may use");
  flags.Add("enable-docs-url", &options->enable_docs_url, "Serve a page about the API at /docs");
  flags.Add("enable-latency-logging", &options->enable_latency_logging,
            "Log a line a request with its preprocess, predict and postprocess times");
  flags.Add("enable-access-log", &options->enable_access_log,
            "Log a line a request on standard output");
  flags.Add("access-log-format", &options->access_log_format,
            "Format of the access log, in the notation of asgi-logger");
  flags.Add("grace-period", &options->grace_period_seconds,
            "Seconds that requests in flight have to end on SIGTERM");
  flags.Add("shutdown-delay", &options->shutdown_delay_seconds,
            "Seconds after SIGTERM in which connections are still accepted, not ready: whoever "
            "balances the load learns of it later than this process does");
  flags.Add(
      "admin-key-file", &options->admin_key_file,
      "File with the key that loading and unloading models needs, sent as \"Authorization: Bearer "
      "KEY\"; without it, programs in the same pod (of the same user, on a loopback address) may");
  flags.Add(
      "allowed-hosts", &options->allowed_hosts,
      "Host names that requests may be sent to, comma-separated, *: any; default: addresses and "
      "localhost on a loopback address, else any");
  flags.Add(
      "allowed-origins", &options->allowed_origins,
      "Origins of web pages that may use the server (CORS), comma-separated, *: any; default: "
      "none on a loopback address, else any, without CORS headers");
  flags.Add("protocol", &protocol_, "Ignored: a predictor calls no other predictor");
  flags.Add("predictor-protocol", &predictor_protocol_,
            "Ignored: a predictor calls no other predictor");
  flags.Add("enable-predictor-health-check", &predictor_health_check_,
            "Ignored: a predictor calls no other predictor");
  for (const char* name : {"predictor-host", "predictor-use-ssl",
                           "predictor-request-timeout-seconds", "predictor-request-retries"}) {
    flags.AddIgnored(name, "a predictor calls no other predictor");
  }
  flags.AddIgnored("max-threads", "gRPC calls are answered on the event loops");
  flags.AddIgnored("max-asyncio-workers", "there is no asyncio executor; see --workers");
  flags.AddIgnored("configure-logging", "logs are always configured; see KSERVE_LOGLEVEL");
  flags.AddIgnored("log-config-file", "a Python logging configuration; see KSERVE_LOGLEVEL");
  flags.AddIgnored("grpc-max-send-message-length", "there is no gRPC server yet");
  flags.AddIgnored("grpc-max-receive-message-length", "there is no gRPC server yet");
}

Status ServerFlags::Check() {
  ServerOptions& options = *options_;
  KINGLET_RETURN_IF_ERROR(CheckRange("http-port", options.http_port, 0, 65'535));
  KINGLET_RETURN_IF_ERROR(CheckRange("grpc-port", options.grpc_port, 0, 65'535));
  KINGLET_RETURN_IF_ERROR(CheckRange("workers", options.workers, 0, 1024));
  KINGLET_RETURN_IF_ERROR(CheckRange("nthread", options.nthread, -1, 4096));
  KINGLET_RETURN_IF_ERROR(CheckRange("grace-period", options.grace_period_seconds, 0, 86'400));
  KINGLET_RETURN_IF_ERROR(CheckRange("shutdown-delay", options.shutdown_delay_seconds, 0,
                                     options.grace_period_seconds));
  KINGLET_RETURN_IF_ERROR(CheckProtocol("protocol", protocol_));
  KINGLET_RETURN_IF_ERROR(CheckProtocol("predictor-protocol", predictor_protocol_));
  if (options.model_name.empty() || options.model_name.find('/') != std::string::npos) {
    return Fail(Code::kInvalidArgument, "--model-name: \"{}\" cannot be part of a path",
                options.model_name);
  }
  if (!flags_.unknown().empty()) {
    std::string all;
    for (const std::string& argument : flags_.unknown()) {
      all += all.empty() ? argument : " " + argument;
    }
    LogWarning("unknown arguments are ignored", {{"arguments", all}});
  }
  return {};
}

Result<std::shared_ptr<const http::BrowserGuard>> MakeGuard(const ServerOptions& options) {
  const bool loopback = http::IsLoopbackHost(options.http_host);
  const bool asked = !options.allowed_hosts.empty() || !options.allowed_origins.empty();
  if (!loopback && !options.standalone_pod && !asked) return nullptr;
  http::BrowserGuardOptions guard;
  auto hosts = http::BrowserGuard::ParseHosts(options.allowed_hosts);
  if (!hosts) return Unexpected(hosts.error().WithContext("--allowed-hosts"));
  auto origins = http::BrowserGuard::ParseOrigins(options.allowed_origins);
  if (!origins) return Unexpected(origins.error().WithContext("--allowed-origins"));
  guard.check_host = !hosts->empty() || (loopback && !options.standalone_pod);
  guard.hosts = std::move(*hosts);
  guard.origins = std::move(*origins);
  return std::make_shared<const http::BrowserGuard>(std::move(guard));
}

Status ReadEnvironment(ServerOptions* options) {
  options->predict_proba = IsTrue(Environment("PREDICT_PROBA"));
  if (auto type = Environment("CE_TYPE"); !type.empty()) options->cloud_events.type = type;
  options->cloud_events.source = Environment("CE_SOURCE");
  options->cloud_events.merge = IsTrue(Environment("CE_MERGE"));
  options->standalone_pod = !Environment("KINGLET_HOST").empty();
  if (auto level = Environment("KSERVE_LOGLEVEL"); !level.empty()) {
    auto parsed = ParseLogLevel(level);
    if (!parsed) return Unexpected(parsed.error().WithContext("KSERVE_LOGLEVEL"));
    ConfigureLog(*parsed, LogFormat::kText);
  }
  return {};
}

}  // namespace kinglet::server
