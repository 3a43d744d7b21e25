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
      Watched(kube::kConfigMap),
      {kube::kJob, {"create", "delete", "list", "watch"}},
      {kube::kPod, {"list"}},  // why a download failed
  };
}

std::vector<kube::Access> DownloadCredentialsAccess() {
  return {
      {kube::kServiceAccount, {"get"}},
      {kube::kSecret, {"get"}},
  };
}

}  // namespace kinglet::control
