// Reconciles InferenceGraphs: a router for each, as a Deployment with Service and autoscaler
// (Standard mode) or as a Knative Service. Everything is watched; nothing is polled.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet::control {

class InferenceGraphController : public Controller {
 public:
  struct Options {
    std::string config_namespace = "kserve";  // of ConfigMap inferenceservice-config
    int workers = 1;
    MetricsRegistry* metrics = nullptr;  // may be null; must outlive the controller
    const Clock* clock = nullptr;        // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  InferenceGraphController(kube::Client& client, Options options);
  ~InferenceGraphController() override;

  void Start(std::stop_token stop) override;
  bool WaitForSync(Deadline deadline, std::stop_token stop) override;
  void Join() override;
  bool Idle() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::control
