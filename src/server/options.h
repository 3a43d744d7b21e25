// The command line of KServe's Python model servers (python/kserve/kserve/model_server.py of
// v0.15.0), and what it means here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/flags.h"
#include "base/result.h"
#include "inference/cloudevents/cloudevent.h"
#include "net/http/browser_guard.h"

namespace kinglet::server {

struct ServerOptions {
  std::string model_name = "model";
  std::string model_dir;     // a folder, a file, or a URI
  std::string model_format;  // "": found from the files
  std::string http_host = "0.0.0.0";
  int64_t http_port = 8080;  // 0: any free port, named in the log
  int64_t grpc_port = 8081;
  bool enable_grpc = true;
  int64_t workers = 0;  // event loops; 0: one a core this process may use
  int64_t nthread = 1;
  bool enable_docs_url = false;
  bool enable_latency_logging = true;
  bool enable_access_log = true;
  std::string access_log_format;
  int64_t grace_period_seconds = 30;
  int64_t shutdown_delay_seconds = 0;          // within the grace period
  std::string admin_key_file;                  // see admin.h
  std::string allowed_hosts, allowed_origins;  // comma-separated, see net/http/browser_guard.h
  // From the environment.
  bool predict_proba = false;                    // PREDICT_PROBA
  inference::cloudevents::Options cloud_events;  // CE_TYPE, CE_SOURCE, CE_MERGE
  bool standalone_pod = false;                   // KINGLET_HOST: runs in a pod of `kinglet up`
};

// Adds every flag KServe's servers know; the ones without meaning here are taken and ignored.
// Both must outlive Parse.
class ServerFlags {
 public:
  ServerFlags(Flags& flags, ServerOptions* options);
  // After Parse: checks ranges and choices, and warns about unknown flags (KServe's servers ignore
  // them too).
  Status Check();

 private:
  Flags& flags_;
  ServerOptions* options_;
  std::string protocol_ = "v1";
  std::string predictor_protocol_ = "v1";
  bool predictor_health_check_ = false;
};

// The guard that these options ask for, or null. A server on a loopback address checks Host and
// Origin. In a pod of standalone mode it checks Origin: clients reach it by the many names of its
// Service. Otherwise it is in a container behind an ingress: it checks what --allowed-hosts and
// --allowed-origins name, if anything.
Result<std::shared_ptr<const http::BrowserGuard>> MakeGuard(const ServerOptions& options);

// PREDICT_PROBA, CE_*, KSERVE_LOGLEVEL, KINGLET_HOST.
Status ReadEnvironment(ServerOptions* options);

}  // namespace kinglet::server
