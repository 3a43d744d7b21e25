// Predictors on trial in Standard mode (spec.canary): each has a Deployment and a Service of its
// own, and a share of the traffic of HTTPRoutes once it is ready. Pure.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/inferenceservice/component.h"

namespace kinglet::control {

struct CanaryPlan {
  std::string name;  // predictor.name
  int32_t traffic_percent = 0;
  bool ready = false;
  int32_t replicas = 0;
  ComponentPlan component;
  // The InferenceService with the canary as its predictor; `component` refers to it.
  std::unique_ptr<api::InferenceService> isvc;
};

// In the order of the spec. `ready`: names of those whose Deployment has a replica that answers.
ModelResult<std::vector<CanaryPlan>> PlanCanaries(const api::InferenceService& isvc,
                                                  const ComponentInput& input,
                                                  const std::set<std::string>& ready);

// What minReplicas of the stable predictor is while canaries that are ready carry a part of it; at
// least 1.
std::optional<int32_t> StableReplicas(const api::InferenceService& isvc,
                                      std::span<const CanaryPlan> canaries);

// status.canaryStatuses and condition CanaryPredictorReady; removed where there are no canaries.
void SetCanaryStatus(Json& object, std::span<const CanaryPlan> canaries, const Clock& clock);

// A Service and the share of requests that it gets, 0 to 100.
struct WeightedService {
  std::string name;
  int32_t weight;
};
// The stable predictor's Service first; only it where no canary is ready.
std::vector<WeightedService> SplitTraffic(const std::string& stable,
                                          std::span<const CanaryPlan> canaries);

}  // namespace kinglet::control
