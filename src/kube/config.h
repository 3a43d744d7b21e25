// How to reach an API server: kubeconfig files, the pod's service account, flags.
// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/http/client.h"

namespace kinglet::kube {

// A program that prints credentials (client.authentication.k8s.io v1, v1beta1).
struct ExecCredentialPlugin {
  std::string api_version;
  std::string command;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string install_hint;
  bool provide_cluster_info = false;
};

struct ClientConfig {
  std::string server = "https://localhost:6443";  // may have a path prefix
  http::ClientOptions http;                       // CA, client certificate, server name, proxy
  // One of these at most; files are read again when they change.
  std::string bearer_token;
  std::string token_file;
  std::string username, password;
  std::optional<ExecCredentialPlugin> exec;
  std::string impersonate_user;
  std::vector<std::string> impersonate_groups;

  std::string default_namespace = "default";
  std::string user_agent = "kinglet";
  double qps = 50;  // of this client, all threads together; 0: no limit
  int burst = 100;
  Duration timeout = std::chrono::seconds(30);  // of one call that is not a stream
  MetricsRegistry* metrics = nullptr;           // rest_client_requests_total; may be null
  // Asked right before every request that is not a GET, retries too; its error is the call's.
  std::function<Status()> before_write;
};

struct ConfigOptions {
  std::string kubeconfig;  // --kubeconfig: one file
  std::string context;     // --context
  std::string ns;          // --namespace
  std::string server;      // --server
  // Adds --kubeconfig, --context, --namespace (-n) and --server.
  void AddTo(Flags& flags);
};

// From one merged kubeconfig. kNotFound names the missing context, cluster or user.
Result<ClientConfig> ConfigFromKubeconfig(const Json& kubeconfig, std::string_view context = "");
// Reads and merges files as kubectl does (the first to set something wins; relative paths count
// from the file that has them). Missing files are left out; all missing is kNotFound.
Result<Json> LoadKubeconfigFiles(const std::vector<std::string>& paths);
// KUBERNETES_SERVICE_HOST and the mounted service account.
Result<ClientConfig> InClusterConfig(
    const std::string& service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount");
// --kubeconfig, then $KUBECONFIG, then in-cluster, then ~/.kube/config; then the other options.
Result<ClientConfig> LoadConfig(const ConfigOptions& options);

}  // namespace kinglet::kube
