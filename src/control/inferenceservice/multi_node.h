// A predictor that spans nodes: one head, whose pod takes the requests, and workers that join it,
// by Ray or by the executor of the server ("mp"). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/config.h"
#include "control/child_applier.h"
#include "control/inferenceservice/runtime.h"

namespace kinglet::control {

// The workers, and what the head's objects must know of them.
struct WorkerPlan {
  std::string name;  // of the Deployment: "llama-predictor-worker"
  Json labels, annotations;
  Json pod;
  int64_t replicas = 0;
  std::string head_service;    // headless, of this generation of the spec
  std::string worker_service;  // the same for the workers; "" where there is none
};

// GPUs and nodes that a group of tensor x pipeline GPUs takes, as KServe reckons since 0.15.1.
struct RayGroup {
  int64_t nodes, head_gpus, worker_gpus;
};
// `head` and `worker`: GPUs that the containers ask for, 0 where they do not say. An error where
// they do not suffice for `total`.
Result<RayGroup> ComputeRayGroup(int64_t total, int64_t head, int64_t worker);

// The workers of isvc.spec.predictor.workerSpec. Puts into `head_pod` what head and workers agree
// on. `runtime` may be null (a predictor without a model). `annotations`: those of the
// InferenceService as its objects get them; `own`: those of the predictor.
ModelResult<WorkerPlan> PlanWorkers(const api::InferenceService& isvc,
                                    const api::ServingRuntime* runtime, const Json& annotations,
                                    const Json& own, const api::Config& config, Json& head_pod);

// Adds to `wanted` those of the owner's Services for head and workers that are of recent
// generations: their pods are still there while a new group starts. Three of a role are kept.
// Nothing is kept of a predictor that no longer spans nodes.
void KeepRecentGroupServices(const std::vector<kube::ObjectPtr>& services, const Json& owner,
                             std::vector<DesiredObject>& wanted);

// The label isvc.generation: pods of one generation of the spec find each other.
std::string GenerationLabel(const api::InferenceService& isvc);

}  // namespace kinglet::control
