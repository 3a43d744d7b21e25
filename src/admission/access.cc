#include "admission/access.h"

namespace kinglet::admission {

std::vector<kube::Access> WebhookAccess() {
  return {
      {kube::kConfigMap, {"get"}},
      // By name, of the pod's own namespace: credentials are never listed.
      {kube::kServiceAccount, {"get"}},
      {kube::kSecret, {"get"}},
      {kube::kClusterStorageContainer, {"list"}},
      {kube::kServingRuntime, {"list"}},
      {kube::kClusterServingRuntime, {"list"}},
      {kube::kLocalModelCache, {"list"}},
      {kube::kLocalModelNamespaceCache, {"list"}},
      {kube::kLocalModelNodeGroup, {"get"}},
      // Whether the name of a cache's claim is free.
      {kube::kPersistentVolumeClaim, {"get"}},
      {kube::kInferenceService, {"get"}},
      {kube::kLlmInferenceService, {"get"}},
  };
}

}  // namespace kinglet::admission
