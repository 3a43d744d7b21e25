#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {

Json MakeModelConfig(const api::InferenceService& isvc) {
  Json object = kube::MakeObjectMeta(
      "v1", "ConfigMap", {.ns = isvc.ns(), .name = fmt::format("modelconfig-{}-0", isvc.name())});
  if (isvc.metadata.Has("labels")) object.Ref("metadata").Set("labels", isvc.metadata["labels"]);
  object.Set("data", Json::MakeObject({{"models.json", "[]"}}));
  return object;
}

}  // namespace kinglet::control
