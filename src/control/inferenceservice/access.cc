#include "control/inferenceservice/access.h"

namespace kinglet::control {

std::vector<kube::Access> InferenceServiceAccess() {
  using kube::Managed, kube::Watched;
  return {
      {kube::kInferenceService, {"get", "list", "patch", "watch"}},  // patch: the finalizer
      kube::Reported(kube::kInferenceService),
      kube::Owning(kube::kInferenceService),
      Managed(kube::kDeployment),
      Managed(kube::kService),
      Managed(kube::kHorizontalPodAutoscaler),
      Managed(kube::kIngress),
      Managed(kube::kHttpRoute),
      Managed(kube::kScaledObject),
      Managed(kube::kOpenTelemetryCollector),
      Managed(kube::kKnativeService),
      Managed(kube::kVirtualService),
      // The configuration is watched; lists of models and CA bundles are written.
      {kube::kConfigMap, {"create", "get", "list", "update", "watch"}},
      Watched(kube::kPod),
      Watched(kube::kServingRuntime),
      Watched(kube::kClusterServingRuntime),
      Watched(kube::kClusterStorageContainer),
      // They go with their service.
      {kube::kTrainedModel, {"delete", "list"}},
  };
}

}  // namespace kinglet::control
