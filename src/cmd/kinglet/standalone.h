// Standalone mode put together: API server, admission, controllers, workloads, kubelet and gateway
// in one process, all talking to the API server as they would to a cluster's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "cmd/kinglet/data_dir.h"
#include "local/kubelet/capabilities.h"

namespace kinglet::standalone {

struct Options {
  DataDir data;
  std::string host = "127.0.0.1";
  int api_port = 7443;  // 0: any free port
  int gateway_port = 7080;
  int metrics_port = 7081;
  kubelet::IsolationChoice isolation = kubelet::IsolationChoice::kAutomatic;
  int64_t first_pod_user = kubelet::kDefaultFirstHostId;
  std::map<std::string, std::string> node_labels;  // of the Node that this machine is
  // Of requests to the gateway, the API server and the metrics; see net/http/browser_guard.h.
  std::vector<std::string> allowed_hosts, allowed_origins;
  bool workloads = true;  // Deployments and pods run
};

class Standalone {
 public:
  virtual ~Standalone() = default;  // Stop without grace

  // Takes the data folder's lock, starts everything and returns when requests are served. The
  // kubeconfig is written before the controllers start.
  static Result<std::unique_ptr<Standalone>> Start(Options options);

  virtual std::string api_url() const = 0;
  virtual std::string gateway_url() const = 0;
  virtual std::string metrics_url() const = 0;
  virtual const kubelet::Capabilities& capabilities() const = 0;

  // In reverse order: gateway drains, pods end, the API server closes its store.
  virtual void Stop(Deadline deadline) = 0;
};

}  // namespace kinglet::standalone
