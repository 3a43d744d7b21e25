#include "control/localmodel/access.h"

namespace kinglet::control {

std::vector<kube::Access> LocalModelAccess() {
  using kube::Watched;
  std::vector<kube::Access> out;
  for (const auto* type : {&kube::kLocalModelCache, &kube::kLocalModelNamespaceCache}) {
    // patch: the finalizer.
    out.push_back({*type, {"get", "list", "patch", "watch"}});
    out.push_back(kube::Reported(*type));
    out.push_back(kube::Owning(*type));
  }
  out.push_back(Watched(kube::kLocalModelNodeGroup));
  out.push_back(kube::Managed(kube::kLocalModelNode));
  // Claims and the sources of volumes cannot be changed: they are replaced.
  out.push_back({kube::kPersistentVolume, {"create", "delete", "list", "watch"}});
  out.push_back({kube::kPersistentVolumeClaim, {"create", "delete", "get", "list", "watch"}});
  out.push_back(Watched(kube::kInferenceService));
  out.push_back(Watched(kube::kLlmInferenceService));
  out.push_back(Watched(kube::kNode));
  out.push_back(kube::WatchedNearby(kube::kConfigMap));  // the configuration
  return out;
}

}  // namespace kinglet::control
