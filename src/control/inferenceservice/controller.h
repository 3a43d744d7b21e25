// Reconciles InferenceServices in Standard (RawDeployment) mode: plans what should exist, applies
// it, and reports what is seen. Everything is watched; nothing is polled.
//
//   InferenceServiceController controller(client, {.workers = 4});
//   controller.Start(stop);
//   ...
//   controller.Join();
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "kube/client.h"

namespace kinglet::control {

class InferenceServiceController {
 public:
  struct Options {
    std::string config_namespace = "kserve";  // of ConfigMap inferenceservice-config
    std::string cluster_domain = "cluster.local";
    std::string knative_namespace = "knative-serving";  // of Knative's own ConfigMaps
    int workers = 4;
    MetricsRegistry* metrics = nullptr;  // may be null; must outlive the controller
    const Clock* clock = nullptr;        // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  InferenceServiceController(kube::Client& client, Options options);
  ~InferenceServiceController();  // stops and joins

  // Starts watches and workers; returns at once. The threads end when `stop` is requested.
  void Start(std::stop_token stop);
  // False when the deadline passed first. True: the watches are up.
  bool WaitForSync(Deadline deadline, std::stop_token stop = {});
  void Join();
  // Start, then Join.
  void Run(std::stop_token stop);
  // Nothing queued and no worker busy. For tests.
  bool Idle() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "cluster.local" of a resolv.conf whose search list has "svc.cluster.local".
std::string ClusterDomainFromResolvConf(std::string_view text);

}  // namespace kinglet::control
