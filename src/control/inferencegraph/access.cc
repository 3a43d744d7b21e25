#include "control/inferencegraph/access.h"

namespace kinglet::control {

std::vector<kube::Access> InferenceGraphAccess() {
  using kube::Managed, kube::Watched;
  return {
      {kube::kInferenceGraph, {"get", "list", "watch"}},
      kube::Reported(kube::kInferenceGraph),
      kube::Owning(kube::kInferenceGraph),
      Managed(kube::kDeployment),
      Managed(kube::kService),
      Managed(kube::kHorizontalPodAutoscaler),
      Managed(kube::kKnativeService),
      Watched(kube::kInferenceService),
      kube::WatchedNearby(kube::kConfigMap),
  };
}

}  // namespace kinglet::control
