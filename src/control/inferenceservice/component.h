// One component (predictor, transformer, explainer) of an InferenceService: its names, labels,
// annotations and pod, before any Kubernetes object is made of it. Pure.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/config.h"
#include "api/storage_uri.h"
#include "control/inferenceservice/multi_node.h"
#include "control/inferenceservice/runtime.h"

namespace kinglet::control {

enum class ComponentKind { kPredictor, kTransformer, kExplainer };
// "predictor".
std::string_view ComponentName(ComponentKind kind);
// "Predictor".
std::string_view ComponentTitle(ComponentKind kind);

struct ComponentPlan {
  ComponentKind kind = ComponentKind::kPredictor;
  std::string name;  // of its objects: "iris-predictor"
  // What its host is named after: `name` without the predictor's own.
  std::string public_name;
  Json labels;  // of its objects and pods
  Json annotations;
  Json pod;  // core/v1 PodSpec
  // The component of the spec, after runtime defaults; lives as long as the spec.
  const api::ComponentExtension* extension = nullptr;
  std::optional<WorkerPlan> worker;  // of a predictor that spans nodes
  std::string runtime;               // of a predictor with a model: the serving runtime's name
  bool cluster_runtime = false;      // it has no namespace
  size_t objects_end = 0;            // how many of the plan's objects there are up to its last
};

// A predictor that ModelMesh serves, as its transformer reaches it.
struct MeshPredictor {
  std::string host;      // with port
  std::string protocol;  // "v2", "grpc-v2"
};

// What components are made from.
struct ComponentInput {
  const api::Config& config;
  const std::vector<api::ServingRuntime>& runtimes;  // of the namespace, then the cluster's
  std::span<const api::ClusterStorageContainer> storage_containers;
  // Services in the namespace that exist under the old names "<isvc>-<component>-default".
  const std::vector<std::string>& legacy_services;
  const MeshPredictor* mesh_predictor = nullptr;  // null outside of ModelMesh mode
  // predictor.name of canaries with a replica that answers.
  std::set<std::string> ready_canaries = {};
};

// The name of a component's objects.
std::string ComponentObjectName(std::string_view isvc, ComponentKind kind,
                                const std::vector<std::string>& legacy_services);

// May change `isvc` (in memory): the chosen runtime, defaults it brings, labels.
ModelResult<ComponentPlan> PlanPredictor(api::InferenceService& isvc, const ComponentInput& input);
ModelResult<ComponentPlan> PlanComponent(ComponentKind kind, api::InferenceService& isvc,
                                         const ComponentInput& input);
ModelResult<ComponentPlan> PlanTransformer(const api::InferenceService& isvc,
                                           const ComponentInput& input);
ModelResult<ComponentPlan> PlanExplainer(const api::InferenceService& isvc,
                                         const ComponentInput& input);

}  // namespace kinglet::control
