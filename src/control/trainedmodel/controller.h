// Reconciles TrainedModels: each is written into the ConfigMap of its multi-model InferenceService,
// once that is ready and has the memory for it. Everything is watched; nothing is polled.
#pragma once

#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "base/metrics.h"
#include "kube/client.h"

namespace kinglet::control {

class TrainedModelController {
 public:
  struct Options {
    MetricsRegistry* metrics = nullptr;  // may be null; must outlive the controller
    const Clock* clock = nullptr;        // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  TrainedModelController(kube::Client& client, Options options);
  ~TrainedModelController();  // stops and joins

  // Starts watches and workers; returns at once. The threads end when `stop` is requested.
  void Start(std::stop_token stop);
  // False when the deadline passed first. True: the watches are up.
  bool WaitForSync(Deadline deadline, std::stop_token stop = {});
  void Join();
  // Nothing queued and no worker busy. For tests.
  bool Idle() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::control
