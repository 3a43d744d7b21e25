// Reconciles InferenceServices in Standard (RawDeployment) mode: plans what should exist, applies
// it, and reports what is seen. Everything is watched; nothing is polled.
//
//   InferenceServiceController controller(client, {.workers = 4});
//   controller.Start(stop);
//   ...
//   controller.Join();
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet::control {

class InferenceServiceController : public Controller {
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
  ~InferenceServiceController() override;

  void Start(std::stop_token stop) override;
  bool WaitForSync(Deadline deadline, std::stop_token stop) override;
  void Join() override;
  bool Idle() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "cluster.local" of a resolv.conf whose search list has "svc.cluster.local".
std::string ClusterDomainFromResolvConf(std::string_view text);

}  // namespace kinglet::control
