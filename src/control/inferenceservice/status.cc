#include "control/inferenceservice/status.h"

#include <algorithm>

#include "api/constants.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

// What is known of the model's newest copy.
struct CopyState {
  std::string_view state = "Pending";  // "" where nothing is known: what was said stays
  const Json* terminated = nullptr;    // of the container that failed
  bool undecided = false;
};

const Json* FindStatus(const Json& statuses, std::string_view name) {
  return api::FindContainer(statuses, name);
}

// The termination that says why a container does not run, or null.
const Json* Failed(const Json& status) {
  const Json& now = status["state"]["terminated"];
  if (now["reason"].AsString() == "Error") return &now;
  if (status["state"]["waiting"]["reason"].AsString() == "CrashLoopBackOff") {
    return &status["lastState"]["terminated"];
  }
  return nullptr;
}

CopyState StateOf(const Json& object, const ModelEvidence& evidence) {
  if (evidence.pods.empty()) return {.state = evidence.failed ? "FailedToLoad" : "Pending"};
  auto newest = std::ranges::max_element(
      evidence.pods, {}, [](const kube::ObjectPtr& pod) { return kube::CreationTimestamp(*pod); });
  const Json& status = (**newest)["status"];
  const Json* init = FindStatus(status["initContainerStatuses"], api::kStorageInitializer);
  if (init) {
    if ((*init)["state"]["running"].IsObject()) {
      return {.state = "Loading", .undecided = (*init)["lastState"]["terminated"].IsObject()};
    }
    if (const Json* failed = Failed(*init)) return {"FailedToLoad", failed};
  }
  if (kube::IsConditionTrue(object, "Ready") && evidence.is_newest) return {.state = "Loaded"};
  const Json* server = FindStatus(status["containerStatuses"], api::kKserveContainer);
  if (!server) return {.state = ""};
  if (const Json* failed = Failed(*server)) return {"FailedToLoad", failed};
  return {};
}

std::string_view TransitionOf(std::string_view state) {
  if (state == "Loaded") return "UpToDate";
  return state == "FailedToLoad" ? "BlockedByFailedLoad" : "InProgress";
}

}  // namespace

kube::ConditionSet Conditions(Json& object, const Clock& clock) {
  return kube::ConditionSet(object, "Ready", {"PredictorReady", "IngressReady"}, clock);
}

std::string ReadyType(ComponentKind kind) { return fmt::format("{}Ready", ComponentTitle(kind)); }

bool IsComponentReady(const Json& object, ComponentKind kind) {
  return kube::IsConditionTrue(object, ReadyType(kind));
}

bool IsComponentDecided(const Json& object, ComponentKind kind) {
  if (!object["status"]["conditions"].IsArray()) return false;
  const Json* condition = kube::FindCondition(object, ReadyType(kind));
  return condition && (*condition)["status"].AsString() != "Unknown";
}

void SetComponentStatus(Json& object, ComponentKind kind, const Deployments& deployments,
                        const std::string& url, const ReadinessRule& rule, const Clock& clock) {
  Json& component = object.Path({"status", "components", ComponentName(kind)});
  if (!component.IsObject()) component = Json::MakeObject();
  if (!deployments.main) return;
  const Json& observed = (*deployments.main)["status"];
  if (observed["observedGeneration"].IsInt()) {
    object.Ref("status").Set("observedGeneration", observed["observedGeneration"]);
  }
  auto readiness = rule(deployments);
  if (!readiness) return;
  if (readiness->status == "True") component.Set("url", url);
  MarkComponent(object, kind, *readiness, clock);
}

void MarkComponent(Json& object, ComponentKind kind, const Readiness& readiness,
                   const Clock& clock) {
  auto conditions = Conditions(object, clock);
  const std::string type = ReadyType(kind);
  if (readiness.status == "True") {
    conditions.MarkTrue(type);
  } else if (readiness.status == "False") {
    conditions.MarkFalse(type, readiness.reason, readiness.message);
  } else {
    conditions.MarkUnknown(type, readiness.reason, readiness.message);
  }
}

void MarkComponentFailure(Json& object, ComponentKind kind, std::string_view reason,
                          std::string_view message, const Clock& clock) {
  Json& component = object.Path({"status", "components", ComponentName(kind)});
  if (!component.IsObject()) component = Json::MakeObject();
  Conditions(object, clock).MarkFalse(ReadyType(kind), reason, message);
}

bool SetModelStatus(Json& object, const ModelEvidence& evidence) {
  const CopyState copy = StateOf(object, evidence);
  if (copy.undecided) return false;
  if (copy.state.empty()) return true;
  Json& model = object.Path({"status", "modelStatus"});
  if (!model.IsObject()) model = Json::MakeObject();
  model.Set("transitionStatus", TransitionOf(copy.state));
  Json& states = model.Ref("states");
  if (!states.IsObject()) states = Json::MakeObject();
  if (!states.Has("activeModelState")) states.Set("activeModelState", "");
  states.Set("targetModelState", copy.state);
  if (copy.state == "Loaded") {
    states.Set("activeModelState", "Loaded");
    model.Set("copies",
              Json::MakeObject({{"failedCopies", 0}, {"totalCopies", evidence.pods.size()}}));
  }
  if (copy.terminated) {
    Json info = Json::MakeObject({{"reason", "ModelLoadFailed"},
                                  {"message", (*copy.terminated)["message"].AsString()},
                                  {"exitCode", (*copy.terminated)["exitCode"].AsInt()}});
    model.Set("lastFailureInfo", std::move(info));
  }
  return true;
}

void SetModelFailure(Json& object, const ModelFailure& failure) {
  Json& model = object.Path({"status", "modelStatus"});
  if (!model.IsObject()) model = Json::MakeObject();
  model.Set("transitionStatus", "InvalidSpec");
  Json& states = model.Ref("states");
  if (!states.IsObject()) states = Json::MakeObject();
  if (!states.Has("activeModelState")) states.Set("activeModelState", "");
  states.Set("targetModelState", "FailedToLoad");
  model.Set("lastFailureInfo",
            Json::MakeObject({{"reason", failure.reason}, {"message", failure.message}}));
}

void KeepTransitionTimes(Json& object, const Json& before) {
  Json* status = object.Find("status");
  Json* conditions = status ? status->Find("conditions") : nullptr;
  if (!conditions || !conditions->IsArray()) return;
  for (Json& condition : conditions->MutableArray()) {
    const Json* old = kube::FindCondition(before, condition["type"].AsString());
    if (!old) continue;
    Json same = condition;
    same.Set("lastTransitionTime", (*old)["lastTransitionTime"]);
    if (same == *old) condition = std::move(same);
  }
}

std::string FalseConditions(const Json& object) {
  std::string out;
  for (const Json& condition : object["status"]["conditions"].AsArray()) {
    if (condition["status"].AsString() != "False") continue;
    if (!out.empty()) out += ", ";
    out += condition["type"].AsString();
  }
  return out;
}

}  // namespace kinglet::control
