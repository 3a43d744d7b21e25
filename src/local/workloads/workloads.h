// The workload controllers of standalone mode: Deployment -> ReplicaSet -> Pod, Endpoints of
// Services, and the notice a HorizontalPodAutoscaler gets here. Everything reacts to watches.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::workloads {

struct Options {
  const Clock* clock = nullptr;  // null: the system's
  MetricsRegistry* metrics = nullptr;
};

class Workloads {
 public:
  // `client` must outlive it.
  static std::unique_ptr<Workloads> Make(kube::Client& client, Options options = {});
  virtual ~Workloads() = default;  // stops

  // Starts the informers and workers; returns when the informers have synced.
  virtual Status Start() = 0;
  virtual void Stop() = 0;
};

}  // namespace kinglet::workloads
