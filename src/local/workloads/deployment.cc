#include "local/workloads/deployment.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::workloads {
namespace {

// https://pkg.go.dev/k8s.io/apimachinery/pkg/util/rand#SafeEncodeString
std::string SafeEncode(std::string_view text) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (unsigned char c : text) out += kAlphabet[c % kAlphabet.size()];
  return out;
}

Json WithoutHash(Json pod_template) {
  if (Json* metadata = pod_template.Find("metadata")) {
    if (Json* labels = metadata->Find("labels"); labels && labels->IsObject()) {
      labels->Erase(kTemplateHashLabel);
      if (labels->empty()) metadata->Erase("labels");
    }
    metadata->Erase("creationTimestamp");
    if (metadata->empty()) pod_template.Erase("metadata");
  }
  return pod_template;
}

int64_t Replicas(const Json& object) { return object["spec"]["replicas"].AsInt(1); }

int64_t Revision(const Json& object) {
  const std::string& text = kube::Annotation(object, kRevisionAnnotation);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool IsRecreate(const Json& deployment) {
  return deployment["spec"]["strategy"]["type"].AsString() == "Recreate";
}

// Oldest first.
std::vector<const Json*> OldReplicaSets(const std::vector<Json>& all, const Json* newest) {
  std::vector<const Json*> old;
  for (const Json& each : all) {
    if (&each != newest) old.push_back(&each);
  }
  std::sort(old.begin(), old.end(), [](const Json* a, const Json* b) {
    return std::pair(kube::CreationTimestamp(*a), kube::Name(*a)) <
           std::pair(kube::CreationTimestamp(*b), kube::Name(*b));
  });
  return old;
}

Json MakeReplicaSet(const Json& deployment, int64_t replicas, int64_t max_replicas,
                    const std::string& revision) {
  Json pod_template = deployment["spec"]["template"];
  std::string hash =
      TemplateHash(WithoutHash(pod_template), deployment["status"]["collisionCount"].AsInt());
  pod_template.Path({"metadata", "labels"}).Set(kTemplateHashLabel, hash);
  Json set = kube::MakeObjectMeta(
      "apps/v1", "ReplicaSet", {kube::Namespace(deployment), kube::Name(deployment) + "-" + hash});
  set.Path({"metadata", "labels"}) = pod_template["metadata"]["labels"];
  Json annotations = kube::Annotations(deployment);
  if (!annotations.IsObject()) annotations = Json::MakeObject();
  annotations.Erase("kubectl.kubernetes.io/last-applied-configuration");
  annotations.Set(kRevisionAnnotation, revision);
  annotations.Set("deployment.kubernetes.io/desired-replicas",
                  std::to_string(Replicas(deployment)));
  annotations.Set("deployment.kubernetes.io/max-replicas", std::to_string(max_replicas));
  set.Path({"metadata", "annotations"}) = std::move(annotations);
  set.Path({"metadata", "ownerReferences"}) =
      Json::MakeArray({kube::MakeControllerReference(deployment)});
  Json selector = deployment["spec"]["selector"];
  selector.Ref("matchLabels").Set(kTemplateHashLabel, hash);
  set.Set("spec", Json::MakeObject({{"replicas", replicas},
                                    {"selector", std::move(selector)},
                                    {"template", std::move(pod_template)}}));
  if (int64_t seconds = deployment["spec"]["minReadySeconds"].AsInt()) {
    set.Ref("spec").Set("minReadySeconds", seconds);
  }
  return set;
}

// Takes old pods away: first those that do not serve anyhow, then as many as availability allows.
void ScaleDownOld(const Json& deployment, const Json& newest, const std::vector<const Json*>& old,
                  int64_t unavailable, DeploymentPlan& plan) {
  const int64_t min_available = Replicas(deployment) - unavailable;
  int64_t all = Replicas(newest);
  for (const Json* set : old) all += Replicas(*set);
  int64_t new_unavailable = Replicas(newest) - newest["status"]["availableReplicas"].AsInt();
  int64_t budget = all - min_available - new_unavailable;
  if (budget <= 0) return;
  std::map<std::string, int64_t> left;
  for (const Json* set : old) {
    left[kube::Name(*set)] = Replicas(*set);
    int64_t unhealthy = Replicas(*set) - (*set)["status"]["availableReplicas"].AsInt();
    int64_t take = std::min(budget, std::max<int64_t>(unhealthy, 0));
    left[kube::Name(*set)] -= take;
    budget -= take;
  }
  int64_t available = newest["status"]["availableReplicas"].AsInt();
  for (const Json* set : old) {
    available += std::min((*set)["status"]["availableReplicas"].AsInt(), left[kube::Name(*set)]);
  }
  int64_t spare = std::max<int64_t>(available - min_available, 0);
  for (const Json* set : old) {
    int64_t& count = left[kube::Name(*set)];
    int64_t take = std::min(spare, count);
    count -= take;
    spare -= take;
    if (count != Replicas(*set)) plan.scale[kube::Name(*set)] = count;
  }
}

void CleanUp(const Json& deployment, const Json& newest, const std::vector<const Json*>& old,
             DeploymentPlan& plan) {
  if (newest["status"]["availableReplicas"].AsInt() < Replicas(deployment)) return;
  std::vector<const Json*> idle;
  for (const Json* set : old) {
    if (Replicas(*set) == 0 && (*set)["status"]["replicas"].AsInt() == 0 &&
        !kube::IsDeleting(*set)) {
      idle.push_back(set);
    }
  }
  std::stable_sort(idle.begin(), idle.end(),
                   [](const Json* a, const Json* b) { return Revision(*a) < Revision(*b); });
  int64_t limit = deployment["spec"]["revisionHistoryLimit"].AsInt(10);
  for (size_t i = 0; i + static_cast<size_t>(std::max<int64_t>(limit, 0)) < idle.size(); ++i) {
    plan.remove.push_back(kube::Name(*idle[i]));
  }
}

}  // namespace

std::string TemplateHash(const Json& pod_template, int64_t collision_count) {
  std::string text = WithoutHash(pod_template).Dump();
  if (collision_count) text += std::to_string(collision_count);
  return SafeEncode(std::to_string(Crc32c(text)));
}

Result<int64_t> ResolveIntOrPercent(const Json& value, int64_t total, bool round_up) {
  if (value.IsNumber()) return std::max<int64_t>(value.AsInt(), 0);
  std::string_view text = value.AsString();
  int64_t percent = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || end + 1 != text.data() + text.size() || *end != '%' || percent < 0) {
    return Fail(Code::kInvalidArgument, "\"{}\" is neither a number nor a percentage", text);
  }
  return (percent * total + (round_up ? 99 : 0)) / 100;
}

Result<RollingLimits> ReadRollingLimits(const Json& deployment) {
  if (IsRecreate(deployment)) return RollingLimits{0, Replicas(deployment)};
  const Json& rolling = deployment["spec"]["strategy"]["rollingUpdate"];
  auto read = [&](std::string_view key, bool up) {
    const Json& value = rolling[key];
    return ResolveIntOrPercent(value.IsNull() ? Json("25%") : value, Replicas(deployment), up);
  };
  RollingLimits limits;
  KINGLET_TRY(limits.surge, read("maxSurge", true));
  KINGLET_TRY(limits.unavailable, read("maxUnavailable", false));
  if (limits.surge == 0 && limits.unavailable == 0) limits.unavailable = 1;
  limits.unavailable = std::min(limits.unavailable, Replicas(deployment));
  return limits;
}

const Json* FindNewReplicaSet(const Json& deployment, const std::vector<Json>& replica_sets) {
  const Json wanted = WithoutHash(deployment["spec"]["template"]);
  const Json* found = nullptr;
  for (const Json& set : replica_sets) {
    if (!kube::SemanticallyEqual(WithoutHash(set["spec"]["template"]), wanted)) continue;
    if (!found || kube::CreationTimestamp(set) < kube::CreationTimestamp(*found)) found = &set;
  }
  return found;
}

Result<DeploymentPlan> PlanDeployment(const Json& deployment, const std::vector<Json>& replica_sets,
                                      int64_t old_pods) {
  DeploymentPlan plan;
  KINGLET_TRY(RollingLimits limits, ReadRollingLimits(deployment));
  const int64_t wanted = Replicas(deployment);
  const Json* newest = FindNewReplicaSet(deployment, replica_sets);
  const std::vector<const Json*> old = OldReplicaSets(replica_sets, newest);
  int64_t top_revision = 0, old_total = 0;
  for (const Json* set : old) {
    top_revision = std::max(top_revision, Revision(*set));
    old_total += Replicas(*set);
  }
  int64_t revision = newest ? Revision(*newest) : 0;
  if (revision <= top_revision) revision = top_revision + 1;
  plan.revision = std::to_string(revision);

  if (deployment["spec"]["paused"].AsBool()) {
    // A paused rollout still follows spec.replicas where one ReplicaSet carries everything.
    if (newest && old_total == 0 && Replicas(*newest) != wanted) {
      plan.scale[kube::Name(*newest)] = wanted;
    }
    return plan;
  }
  if (IsRecreate(deployment)) {
    for (const Json* set : old) {
      if (Replicas(*set) > 0) plan.scale[kube::Name(*set)] = 0;
    }
    if (old_total > 0 || old_pods > 0) return plan;
    if (!newest) {
      plan.create = MakeReplicaSet(deployment, wanted, wanted, plan.revision);
    } else if (Replicas(*newest) != wanted) {
      plan.scale[kube::Name(*newest)] = wanted;
    }
  } else {
    int64_t room = std::max<int64_t>(wanted + limits.surge - old_total, 0);
    if (!newest) {
      plan.create =
          MakeReplicaSet(deployment, std::min(wanted, room), wanted + limits.surge, plan.revision);
      return plan;
    }
    int64_t now = Replicas(*newest);
    int64_t next = now > wanted ? wanted : std::max(now, std::min(wanted, room));
    if (next != now) {
      plan.scale[kube::Name(*newest)] = next;
      return plan;
    }
    if (old_total > 0) ScaleDownOld(deployment, *newest, old, limits.unavailable, plan);
  }
  if (newest && plan.scale.empty()) CleanUp(deployment, *newest, old, plan);
  return plan;
}

DeploymentStatus MakeDeploymentStatus(const Json& deployment, const std::vector<Json>& replica_sets,
                                      WallTime now) {
  const Json* newest = FindNewReplicaSet(deployment, replica_sets);
  const Json& before = deployment["status"];
  int64_t total = 0, ready = 0, available = 0, updated = 0;
  for (const Json& set : replica_sets) {
    total += set["status"]["replicas"].AsInt();
    ready += set["status"]["readyReplicas"].AsInt();
    available += set["status"]["availableReplicas"].AsInt();
  }
  if (newest) updated = (*newest)["status"]["replicas"].AsInt();
  const int64_t wanted = Replicas(deployment);
  Json result = Json::MakeObject({{"status", Json::MakeObject()}});
  Json& status = result.Ref("status");
  status.Set("observedGeneration", kube::Generation(deployment));
  // Counts are written as zeros, too, so that a merge patch takes old ones back.
  status.Set("replicas", total);
  status.Set("updatedReplicas", updated);
  status.Set("readyReplicas", ready);
  status.Set("availableReplicas", available);
  status.Set("unavailableReplicas", std::max<int64_t>(std::max(total, wanted) - available, 0));
  if (before.Has("collisionCount")) status.Set("collisionCount", before["collisionCount"]);
  if (before["conditions"].IsArray()) status.Set("conditions", before["conditions"]);

  auto set_condition = [&](const char* type, const char* state, const std::string& reason,
                           const std::string& message, bool touch) {
    kube::SetMetaCondition(
        result, {.type = type, .status = state, .reason = reason, .message = message}, now);
    for (Json& condition : status.Ref("conditions").MutableArray()) {
      if (condition["type"].AsString() != type) continue;
      const Json* old = kube::FindCondition(deployment, type);
      bool same =
          old && (*old)["status"] == condition["status"] && (*old)["reason"] == condition["reason"];
      if (!same || touch || !condition.Has("lastUpdateTime")) {
        condition.Set("lastUpdateTime", FormatRfc3339(now));
      }
    }
  };
  auto limits = ReadRollingLimits(deployment);
  if (limits && available >= wanted - limits->unavailable) {
    set_condition("Available", "True", "MinimumReplicasAvailable",
                  "Deployment has minimum availability.", false);
  } else {
    set_condition("Available", "False", "MinimumReplicasUnavailable",
                  "Deployment does not have minimum availability.", false);
  }
  const Json* failure = nullptr;
  for (const Json& set : replica_sets) {
    if (const Json* found = kube::FindCondition(set, "ReplicaFailure")) failure = found;
  }
  if (failure) {
    set_condition("ReplicaFailure", "True", (*failure)["reason"].AsString(),
                  (*failure)["message"].AsString(), false);
  } else {
    kube::RemoveCondition(result, "ReplicaFailure");
  }

  DeploymentStatus made;
  const std::string which = newest ? kube::Name(*newest) : kube::Name(deployment);
  const Json* progressing = kube::FindCondition(deployment, "Progressing");
  bool complete = newest && updated == wanted && total == wanted && available == wanted;
  bool moved = updated > before["updatedReplicas"].AsInt() ||
               ready > before["readyReplicas"].AsInt() ||
               available > before["availableReplicas"].AsInt() ||
               total - updated < before["replicas"].AsInt() - before["updatedReplicas"].AsInt();
  const int64_t seconds = deployment["spec"]["progressDeadlineSeconds"].AsInt(600);
  if (deployment["spec"]["paused"].AsBool()) {
    set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", false);
  } else if (complete) {
    set_condition("Progressing", "True", "NewReplicaSetAvailable",
                  fmt::format("ReplicaSet \"{}\" has successfully progressed.", which), false);
  } else if (moved || !progressing ||
             kube::Generation(deployment) != before["observedGeneration"].AsInt()) {
    set_condition("Progressing", "True", progressing ? "ReplicaSetUpdated" : "NewReplicaSetCreated",
                  progressing ? fmt::format("ReplicaSet \"{}\" is progressing.", which)
                              : fmt::format("Created new replica set \"{}\"", which),
                  true);
  } else if ((*progressing)["status"].AsString() == "False") {
    // Stays timed out until something moves.
  } else if ((*progressing)["reason"].AsString() == "NewReplicaSetAvailable") {
    // A pod of a finished rollout that goes away is no failed rollout.
  } else {
    auto since = ParseRfc3339((*progressing)["lastUpdateTime"].AsString());
    if (since && now - *since >= std::chrono::seconds(seconds)) {
      set_condition("Progressing", "False", "ProgressDeadlineExceeded",
                    fmt::format("ReplicaSet \"{}\" has timed out progressing.", which), true);
    }
  }
  const Json* state = kube::FindCondition(result, "Progressing");
  if (state && !complete && (*state)["status"].AsString() == "True" &&
      (*state)["reason"].AsString() != "NewReplicaSetAvailable") {
    auto since = ParseRfc3339((*state)["lastUpdateTime"].AsString());
    Duration passed = since ? now - *since : Duration::zero();
    made.check_after =
        std::max<Duration>(std::chrono::seconds(seconds) - passed, std::chrono::seconds(1));
  }
  made.status = std::move(status);
  return made;
}

}  // namespace kinglet::workloads
