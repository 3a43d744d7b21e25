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
      kube::WatchedNearby(kube::kConfigMap),  // the configuration
      // CA bundles and Knative's domains are read; lists of models and copies of bundles are
      // written.
      {kube::kConfigMap, {"create", "get", "update"}},
      Watched(kube::kPod),
      Watched(kube::kServingRuntime),
      Watched(kube::kClusterServingRuntime),
      Watched(kube::kClusterStorageContainer),
      // They go with their service.
      {kube::kTrainedModel, {"delete", "list"}},
  };
}

}  // namespace kinglet::control
