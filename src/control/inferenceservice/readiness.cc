#include "control/inferenceservice/readiness.h"

#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

void Join(std::string& list, std::string_view prefix, const std::string& text) {
  if (!list.empty()) list += ", ";
  list += prefix;
  list += text;
}

enum class Reasons {
  kOfOthers,  // 0.15 joins the reasons of the conditions before the one asked for
  kOwn,
};

// One condition over head and worker; nothing until both have it.
std::optional<Readiness> JoinedCondition(const Deployments& deployments, std::string_view type,
                                         Reasons reasons) {
  if (!deployments.main || !deployments.worker) return std::nullopt;
  Readiness joined{.status = "True", .reason = "", .message = ""};
  std::string common;
  bool same = true;
  for (bool worker : {false, true}) {
    const Json* deployment = worker ? deployments.worker : deployments.main;
    const std::string_view prefix = worker ? "worker-container: " : "predictor-container: ";
    const Json* found = nullptr;
    for (const Json& condition : (*deployment)["status"]["conditions"].AsArray()) {
      if (condition["type"].AsString() == type) {
        found = &condition;
        break;
      }
      if (reasons == Reasons::kOfOthers) {
        Join(joined.reason, prefix, condition["reason"].AsString());
      }
    }
    if (!found) return std::nullopt;
    const std::string& reason = (*found)["reason"].AsString();
    if ((*found)["status"].AsString() != "True") joined.status = "False";
    Join(joined.message, prefix, (*found)["message"].AsString());
    if (reasons == Reasons::kOwn) Join(joined.reason, prefix, reason);
    same = same && (!worker || reason == common);
    common = reason;
  }
  if (reasons == Reasons::kOwn && same) joined.reason = common;
  return joined;
}

std::optional<Readiness> ConditionOf(const Deployments& deployments, std::string_view type,
                                     Reasons reasons) {
  if (deployments.multi_node) return JoinedCondition(deployments, type, reasons);
  if (!deployments.main) return std::nullopt;
  const Json* condition = kube::FindCondition(*deployments.main, type);
  if (!condition) return std::nullopt;
  return Readiness{.status = (*condition)["status"].AsString(),
                   .reason = (*condition)["reason"].AsString(),
                   .message = (*condition)["message"].AsString()};
}

}  // namespace

std::optional<Readiness> ReadinessOf(const Deployments& deployments) {
  return ConditionOf(deployments, "Available", Reasons::kOfOthers);
}

std::optional<Readiness> LatestReadinessOf(const Deployments& deployments) {
  auto condition = [&](std::string_view type) {
    return ConditionOf(deployments, type, Reasons::kOwn);
  };
  if (auto failure = condition("ReplicaFailure"); failure && failure->status == "True") {
    return Readiness{"False", failure->reason, failure->message};
  }
  auto available = condition("Available");
  if (available && available->status == "False") return available;
  auto progressing = condition("Progressing");
  if (progressing && progressing->status == "False" && !progressing->message.empty()) {
    return progressing;
  }
  if (available && available->status == "True") return available;
  if (progressing && progressing->status == "True") {
    const bool complete = progressing->reason == "NewReplicaSetAvailable";
    return Readiness{complete ? "True" : "Unknown", progressing->reason, progressing->message};
  }
  return Readiness{"False", "", ""};
}

}  // namespace kinglet::control
