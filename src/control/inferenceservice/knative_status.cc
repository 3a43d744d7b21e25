#include "control/inferenceservice/knative_status.h"

#include <algorithm>
#include <map>

#include "control/inferenceservice/status.h"
#include "kube/conditions.h"

namespace kinglet::control {
namespace {

constexpr int64_t kAllTraffic = 100;

std::string RouteType(ComponentKind kind) {
  return kind == ComponentKind::kExplainer ? "ExplainerRoutesReady"
                                           : fmt::format("{}RouteReady", ComponentTitle(kind));
}

std::string ConfigurationType(ComponentKind kind) {
  return fmt::format("{}ConfigurationReady", ComponentTitle(kind));
}

const Json* Condition(const Json& service_status, std::string_view type) {
  for (const Json& condition : service_status["conditions"].AsArray()) {
    if (condition["type"].AsString() == type) return &condition;
  }
  return nullptr;
}

// Marks our condition as Knative's; one that Knative does not have yet leaves ours as it is.
void CopyCondition(Json& object, const std::string& type, const Json* source, const Clock& clock) {
  if (!source) return;
  const std::string& status = (*source)["status"].AsString();
  const std::string& reason = (*source)["reason"].AsString();
  const std::string& message = (*source)["message"].AsString();
  auto conditions = Conditions(object, clock);
  if (status == "True") {
    conditions.MarkTrue(type);
  } else if (status == "False") {
    conditions.MarkFalse(type, reason, message);
  } else if (status == "Unknown") {
    conditions.MarkUnknown(type, reason, message);
  }
}

void SetOrErase(Json& object, std::string_view field, const Json& value) {
  const bool none = value.IsNull() || (value.IsString() && value.AsString().empty()) ||
                    (value.IsArray() && value.empty());
  if (none) {
    object.Erase(field);
  } else {
    object.Set(field, value);
  }
}

// Moves latestRolledoutRevision on when the latest revision has all traffic, and back to the one
// before when that revision is to be rolled back: then a percentage is asked for, but there is no
// other revision to share with, so that Knative splits all traffic over this one.
void FollowRollout(const Json& service_status, Json& component) {
  const std::string& ready = service_status["latestReadyRevisionName"].AsString();
  const std::string& created = service_status["latestCreatedRevisionName"].AsString();
  std::map<std::string, int64_t> total;
  for (const Json& target : service_status["traffic"].AsArray()) {
    total[target["revisionName"].AsString()] += target["percent"].AsInt();
  }
  for (const Json& target : service_status["traffic"].AsArray()) {
    const std::string& revision = target["revisionName"].AsString();
    if (revision != ready || !target["latestRevision"].AsBool()) continue;
    if (!target["percent"].IsInt()) continue;
    const int64_t percent = target["percent"].AsInt();
    const std::string rolled_out = component["latestRolledoutRevision"].AsString();
    const std::string previous = component["previousRolledoutRevision"].AsString();
    if (rolled_out != ready) {
      if (percent != kAllTraffic) continue;
      SetOrErase(component, "previousRolledoutRevision", rolled_out);
      SetOrErase(component, "latestRolledoutRevision", ready);
    } else if (ready == created && percent < kAllTraffic && total[revision] == kAllTraffic &&
               !previous.empty()) {
      component.Set("latestRolledoutRevision", previous);
    }
  }
}

}  // namespace

void SetKnativeComponentStatus(Json& object, ComponentKind kind, const Json& service_status,
                               const Clock& clock) {
  Json component = object["status"]["components"][ComponentName(kind)];
  if (!component.IsObject()) component = Json::MakeObject();
  SetOrErase(component, "latestCreatedRevision", service_status["latestCreatedRevisionName"]);
  FollowRollout(service_status, component);
  SetOrErase(component, "latestReadyRevision", service_status["latestReadyRevisionName"]);
  const Json* ready = Condition(service_status, "Ready");
  if (ready && (*ready)["status"].AsString() == "True") {
    for (auto field : {"address", "url"}) {
      if (!service_status[field].IsNull()) component.Set(field, service_status[field]);
    }
  }
  SetOrErase(component, "traffic", service_status["traffic"]);
  object.Path({"status", "components", ComponentName(kind)}) = std::move(component);
  SetOrErase(object.Ref("status"), "observedGeneration", service_status["observedGeneration"]);

  CopyCondition(object, ReadyType(kind), ready, clock);
  CopyCondition(object, RouteType(kind), Condition(service_status, "RoutesReady"), clock);
  CopyCondition(object, ConfigurationType(kind), Condition(service_status, "ConfigurationsReady"),
                clock);
}

void SetCrossComponentStatus(Json& object, std::span<const ComponentKind> components,
                             const Clock& clock) {
  auto sum_up = [&](const std::string& type, std::string (*part)(ComponentKind)) {
    std::string status = "True", reason;
    for (ComponentKind kind : components) {
      const std::string& own = kube::ConditionStatus(object, part(kind));
      if (own == "True") continue;
      status = own == "False" ? "False" : "Unknown";
      reason = part(kind) + " not ready";
    }
    Json condition = Json::MakeObject({{"status", status}, {"reason", reason}});
    CopyCondition(object, type, &condition, clock);
  };
  sum_up("RoutesReady", RouteType);
  sum_up("LatestDeploymentReady", ConfigurationType);
}

bool HasFailed(const Json& service_status) {
  return std::ranges::any_of(service_status["conditions"].AsArray(), [](const Json& condition) {
    return condition["status"].AsString() == "False";
  });
}

}  // namespace kinglet::control
