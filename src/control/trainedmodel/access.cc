#include "control/trainedmodel/access.h"

namespace kinglet::control {

std::vector<kube::Access> TrainedModelAccess() {
  return {
      // patch: labels and the finalizer; delete: its InferenceService is gone.
      {kube::kTrainedModel, {"delete", "list", "patch", "watch"}},
      kube::Reported(kube::kTrainedModel),
      {kube::kInferenceService, {"get", "list", "watch"}},
      {kube::kConfigMap, {"get", "update"}},  // of its InferenceService's models
  };
}

}  // namespace kinglet::control
