// The Kubernetes-style API server of standalone mode: Kubernetes API conventions over a SQLite
// store, spoken over HTTP (kubectl, client libraries, our own controllers) and in process.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
//
//   KINGLET_TRY(auto server, local::ApiServer::Open(std::move(options)));
//   server->Start();
//   ... server->port() ...
//   server->Stop(Deadline::After(5s));
//
// Threads: everything here may be called from any thread. The server runs its own event loops and
// one pool for work that waits for the database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/http/message.h"
#include "net/tls/context.h"

namespace kinglet::local {

// What an admission hook is asked (admission.k8s.io/v1 AdmissionRequest in short).
struct AdmissionRequest {
  std::string operation;  // CREATE, UPDATE or DELETE
  std::string group, version, resource, kind, subresource;
  std::string name_space, name;      // name may be empty for CREATE with generateName
  const Json* object = nullptr;      // null for DELETE
  const Json* old_object = nullptr;  // null for CREATE
  bool dry_run = false;
};

struct AdmissionReview {
  bool allowed = true;
  // Of a denial: HTTP code, metav1.StatusReason and the bare message. The client reads, as from
  // Kubernetes, `admission webhook "<webhook>" denied the request: <message>`; without a webhook
  // name it reads the message alone.
  int code = 400;
  std::string reason, message, webhook;
  std::optional<Json> object;         // what to store instead of the request's object
  std::vector<std::string> warnings;  // become Warning headers
};

// Runs on a thread of the server's pool, outside of all locks; it may call the server over HTTP.
using AdmissionHook = std::function<AdmissionReview(const AdmissionRequest&)>;

// GET .../pods/NAME/log.
struct PodLogRequest {
  Json pod;               // as stored
  std::string container;  // never empty
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, limit_bytes;
  std::optional<WallTime> since;  // from sinceSeconds or sinceTime
  std::stop_token stop;           // requested when the client goes away or the server stops
};
// Takes bytes of the log; an error means nobody reads any more: return it.
using LogSink = std::function<Status(std::string_view)>;
// Blocking, on a thread of its own. An error before the first byte becomes the response's Status.
using PodLogSource = std::function<Status(const PodLogRequest&, const LogSink&)>;

// What clients may spend together. 413 or 429 says which limit was met, and health is still
// answered.
struct ApiLimits {
  size_t connections = 4096;                        // a connection over it gets no answer
  size_t watches = 1000;                            // 429
  size_t object_bytes = (size_t{3} << 20) / 2;      // 413; as etcd's limit on a request
  size_t store_bytes = size_t{256} << 20;           // 429 for what would add to it
  size_t history_bytes = size_t{64} << 20;          // of events kept for watches that resume
  size_t selector_bytes = 8 << 10;                  // 413; of a label or field selector
  Duration event_lifetime = std::chrono::hours(1);  // core/v1 Events older than that are deleted
};

struct ApiServerOptions {
  std::filesystem::path database;  // SQLite file; folders are made. Empty: in memory
  std::string host = "127.0.0.1";
  int port = 0;                            // 0: any free port
  std::shared_ptr<net::TlsContext> tls;    // null: plain HTTP
  std::string bearer_token;                // empty: anonymous requests may do everything
  std::vector<std::string> allowed_hosts;  // names besides the certificate's that Host may have
  std::vector<Json> crds;                  // CustomResourceDefinition documents that always exist
  AdmissionHook admission;                 // empty: admits everything
  PodLogSource pod_logs;                   // empty: 404 for pods/log
  std::string service_cidr = "10.213.0.0/16";  // clusterIPs are taken from here
  size_t loops = 1;                            // event loop threads
  size_t write_threads = 4;                    // threads for requests that write
  // Every commit waits for the disk. Off, an acknowledged write survives the end of the process in
  // any way (kill -9 too) and the database stays sound after a power cut, which may however take
  // back the last moments.
  bool sync_every_commit = false;
  size_t watch_buffer = 8192;  // events a slow watcher may lag behind before it is closed
  size_t history = 8192;       // events kept for watches that resume
  Duration bookmark_interval = std::chrono::seconds(30);
  ApiLimits limits;
  // apiserver_request_total by verb and code, apiserver_longrunning_requests,
  // apiserver_store_bytes. May be null.
  MetricsRegistry* metrics = nullptr;
};

class ApiServer {
 public:
  // Opens the store, loads everything, creates the namespaces default, kube-system, kube-public and
  // the Kubernetes service, and binds the port. Errors: the database is damaged or of a newer
  // version, the port is taken, a CRD document is wrong.
  static Result<std::unique_ptr<ApiServer>> Open(ApiServerOptions options);
  virtual ~ApiServer() = default;  // Stop, cutting what still runs

  virtual int port() const = 0;
  // "http://127.0.0.1:1234", or https.
  virtual std::string url() const = 0;
  virtual void Start() = 0;                  // begins to accept and to collect garbage
  virtual void Stop(Deadline deadline) = 0;  // idempotent; blocking

  // One request in process, without authentication; no watches, no logs that follow. Blocking.
  virtual http::Response Do(const http::Request& request) = 0;

  // The store's current resourceVersion.
  virtual int64_t resource_version() const = 0;
};

}  // namespace kinglet::local
