// Strategic merge patch: merge patch that knows which lists are maps.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
//
// Understands $patch (replace, delete, merge), $retainKeys, $setElementOrder/<list> and
// $deleteFromPrimitiveList/<list>. The merge keys are those of the core types; custom resources do
// not support this patch (ask SupportsStrategicMerge).
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::kube {

// How one list merges. merge_key empty with `merge`: a list of scalars that is a set.
struct ListMergeRule {
  bool merge = false;
  std::string_view merge_key;
  bool retain_keys = false;
};

// `parent` is the name of the field that holds the object with the list ("spec", "containers",
// ...), `field` the list. Atomic where unknown.
ListMergeRule MergeRule(std::string_view parent, std::string_view field);

// Built-in groups only: core, apps, batch, autoscaling, networking, policy, rbac and so on.
bool SupportsStrategicMerge(std::string_view api_group);

// kInvalidArgument for a list item without its merge key or a malformed directive. `parent` is the
// field that holds the object ("" for a whole one): rules of lists go by it.
Result<Json> ApplyStrategicMergePatch(Json original, const Json& patch,
                                      std::string_view parent = "");

// A pod spec over a pod spec (a ServingRuntime's and an InferenceService's), a container over a
// container: null members of `patch` delete, as in a patch.
inline Result<Json> MergePodSpec(Json original, const Json& patch) {
  return ApplyStrategicMergePatch(std::move(original), patch, "spec");
}
inline Result<Json> MergeContainer(Json original, const Json& patch) {
  return ApplyStrategicMergePatch(std::move(original), patch, "containers");
}

}  // namespace kinglet::kube
