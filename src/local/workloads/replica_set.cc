#include "local/workloads/replica_set.h"

#include <algorithm>
#include <tuple>

#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::workloads {

bool IsActivePod(const Json& pod) {
  const std::string& phase = pod["status"]["phase"].AsString();
  return phase != "Succeeded" && phase != "Failed" && !kube::IsDeleting(pod);
}

bool IsPodReady(const Json& pod) { return kube::IsConditionTrue(pod, "Ready"); }

bool IsPodAvailable(const Json& pod, int64_t min_ready_seconds, WallTime now,
                    std::optional<Duration>* again) {
  if (!IsPodReady(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  auto since = ParseRfc3339((*kube::FindCondition(pod, "Ready"))["lastTransitionTime"].AsString());
  if (!since) return false;
  Duration left = std::chrono::seconds(min_ready_seconds) - (now - *since);
  if (left <= Duration::zero()) return true;
  if (again) *again = *again ? std::min(**again, left) : left;
  return false;
}

Json MakePod(const Json& owner) {
  const Json& pod_template = owner["spec"]["template"];
  Json pod = kube::MakeObjectMeta("v1", "Pod", {kube::Namespace(owner), ""});
  Json& metadata = pod.Ref("metadata");
  metadata.Erase("name");
  metadata.Set("generateName", kube::Name(owner) + "-");
  for (const char* key : {"labels", "annotations", "finalizers"}) {
    if (pod_template["metadata"].Has(key)) metadata.Set(key, pod_template["metadata"][key]);
  }
  metadata.Set("ownerReferences", Json::MakeArray({kube::MakeControllerReference(owner)}));
  pod.Set("spec", pod_template["spec"]);
  return pod;
}

std::vector<const Json*> ChooseVictims(const std::vector<Json>& active, size_t count) {
  std::vector<const Json*> pods;
  for (const Json& pod : active) pods.push_back(&pod);
  auto rank = [](const Json& pod) {
    return std::tuple(!pod["spec"]["nodeName"].AsString().empty(),
                      pod["status"]["phase"].AsString() == "Running", IsPodReady(pod));
  };
  std::stable_sort(pods.begin(), pods.end(), [&](const Json* a, const Json* b) {
    auto x = rank(*a), y = rank(*b);
    if (x != y) return x < y;
    return kube::CreationTimestamp(*a) > kube::CreationTimestamp(*b);
  });
  pods.resize(std::min(count, pods.size()));
  return pods;
}

ReplicaSetStatus MakeReplicaSetStatus(const Json& replica_set, const std::vector<Json>& active,
                                      const std::string& failure, WallTime now) {
  ReplicaSetStatus made;
  int64_t ready = 0, available = 0;
  int64_t min_ready = replica_set["spec"]["minReadySeconds"].AsInt();
  for (const Json& pod : active) {
    ready += IsPodReady(pod);
    available += IsPodAvailable(pod, min_ready, now, &made.check_after);
  }
  Json result = Json::MakeObject({{"status", Json::MakeObject()}});
  Json& status = result.Ref("status");
  status.Set("observedGeneration", kube::Generation(replica_set));
  status.Set("replicas", static_cast<int64_t>(active.size()));
  status.Set("fullyLabeledReplicas", static_cast<int64_t>(active.size()));
  status.Set("readyReplicas", ready);
  status.Set("availableReplicas", available);
  if (replica_set["status"]["conditions"].IsArray()) {
    status.Set("conditions", replica_set["status"]["conditions"]);
  }
  if (failure.empty()) {
    kube::RemoveCondition(result, "ReplicaFailure");
  } else {
    kube::SetMetaCondition(
        result,
        {.type = "ReplicaFailure", .status = "True", .reason = "FailedCreate", .message = failure},
        now);
  }
  made.status = result["status"];
  return made;
}

}  // namespace kinglet::workloads
