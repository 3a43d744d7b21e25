#include "control/localmodelnode/access.h"

namespace kinglet::control {

std::vector<kube::Access> LocalModelNodeAccess() {
  using kube::Watched;
  return {
      {kube::kLocalModelNode, {"get", "list", "watch"}},
      kube::Reported(kube::kLocalModelNode),
      kube::Owning(kube::kLocalModelNode),
      Watched(kube::kLocalModelCache),
      Watched(kube::kLocalModelNamespaceCache),
      Watched(kube::kLocalModelNodeGroup),
      Watched(kube::kClusterStorageContainer),
      Watched(kube::kNode),
      kube::WatchedNearby(kube::kConfigMap),
  };
}

std::vector<kube::Access> DownloadJobAccess() {
  return {
      {kube::kJob, {"create", "delete", "list", "watch"}},
      {kube::kPod, {"list"}},  // why a download failed
      {kube::kServiceAccount, {"get"}},
      {kube::kSecret, {"get"}},
  };
}

}  // namespace kinglet::control
