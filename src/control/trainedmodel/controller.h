// Reconciles TrainedModels: each is written into the ConfigMap of its multi-model InferenceService,
// once that is ready and has the memory for it. Everything is watched; nothing is polled.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/metrics.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet::control {

class TrainedModelController : public Controller {
 public:
  struct Options {
    MetricsRegistry* metrics = nullptr;  // may be null; must outlive the controller
    const Clock* clock = nullptr;        // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  TrainedModelController(kube::Client& client, Options options);
  ~TrainedModelController() override;

  void Start(std::stop_token stop) override;
  bool WaitForSync(Deadline deadline, std::stop_token stop) override;
  void Join() override;
  bool Idle() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::control
