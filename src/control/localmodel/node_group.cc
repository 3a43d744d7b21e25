#include "control/localmodel/node_group.h"

#include "kube/conditions.h"
#include "kube/node_selector.h"
#include "kube/object.h"

namespace kinglet::control {

bool IsInNodeGroup(const Json& group, const Json& node) {
  return kube::MatchesNodeSelector(
      group.At({"spec", "persistentVolumeSpec", "nodeAffinity", "required"}), node);
}

bool IsNodeReady(const Json& node) { return kube::IsConditionTrue(node, "Ready"); }

void KeepNodeFacts(Json& node) {
  Json kept = kube::Identity(node);
  kept.Path({"metadata", "labels"}) = kube::Labels(node);
  Json ready =
      Json::MakeObject({{"type", "Ready"}, {"status", IsNodeReady(node) ? "True" : "False"}});
  kept.Path({"status", "conditions"}) = Json::MakeArray({std::move(ready)});
  node = std::move(kept);
}

}  // namespace kinglet::control
