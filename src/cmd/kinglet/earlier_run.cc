#include "cmd/kinglet/earlier_run.h"

#include "base/clock.h"
#include "kube/conditions.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::standalone {
namespace {

bool MarkPod(Json& pod) {
  bool changed = false;
  for (const char* type : {"Ready", "ContainersReady"}) {
    if (!kube::IsConditionTrue(pod, type)) continue;
    changed |= kube::SetMetaCondition(pod,
                                      {.type = type,
                                       .status = "False",
                                       .reason = "ContainersNotReady",
                                       .message = "kinglet was stopped and starts the pod again"},
                                      Clock::System().Wall());
  }
  return changed;
}

// Moves the addresses of the node's pods to those that are not ready. Addresses that a user wrote
// name no pod.
bool MarkEndpoints(Json& endpoints, std::string_view node) {
  bool changed = false;
  Json subsets = Json::MakeArray({});
  for (Json subset : endpoints["subsets"].AsArray()) {
    Json ready = Json::MakeArray({}), unready = Json::MakeArray({});
    for (const Json& address : subset["notReadyAddresses"].AsArray()) unready.Push(address);
    for (const Json& address : subset["addresses"].AsArray()) {
      const bool gone = address["nodeName"].AsString() == node &&
                        address["targetRef"]["kind"].AsString() == "Pod";
      changed |= gone;
      (gone ? unready : ready).Push(address);
    }
    subset.Erase("addresses");
    subset.Erase("notReadyAddresses");
    if (!ready.empty()) subset.Set("addresses", std::move(ready));
    if (!unready.empty()) subset.Set("notReadyAddresses", std::move(unready));
    subsets.Push(std::move(subset));
  }
  endpoints.Set("subsets", std::move(subsets));
  return changed;
}

}  // namespace

Status ForgetEarlierRun(kube::Client& client, std::string_view node) {
  KINGLET_TRY(auto pods, client.ListAll(kube::kPod, ""));
  for (Json& pod : pods) {
    if (pod["spec"]["nodeName"].AsString() != node || !MarkPod(pod)) continue;
    auto written = client.UpdateStatus(kube::kPod, pod);
    if (!written) return Unexpected(written.error().WithContext("pods of an earlier run"));
  }
  KINGLET_TRY(auto all, client.ListAll(kube::kEndpoints, ""));
  for (Json& endpoints : all) {
    if (!MarkEndpoints(endpoints, node)) continue;
    auto written = client.Update(kube::kEndpoints, endpoints);
    if (!written) return Unexpected(written.error().WithContext("endpoints of an earlier run"));
  }
  return {};
}

}  // namespace kinglet::standalone
