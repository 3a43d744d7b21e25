#include "control/inferencegraph/status.h"

#include <algorithm>

#include "base/text.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kStop = "serving.kserve.io/stop";
constexpr std::string_view kReady = "Ready", kStopped = "Stopped";

void SetCondition(Json& graph, std::string_view type, std::string_view status,
                  std::string_view reason, const Clock& clock) {
  kube::SetDuckCondition(graph,
                         {.type = std::string(type),
                          .status = std::string(status),
                          .reason = std::string(reason),
                          .message = "",
                          .severity = ""},
                         clock.Wall());
}

// Drops the conditions that are not named.
void KeepOnly(Json& graph, std::initializer_list<std::string_view> types) {
  Json* conditions = graph.Path({"status"}).Find("conditions");
  if (!conditions || !conditions->IsArray()) return;
  std::erase_if(conditions->MutableArray(), [&](const Json& condition) {
    return std::ranges::find(types, condition["type"].AsString()) == types.end();
  });
}

}  // namespace

bool SetGraphStatusFromDeployment(Json& graph, const Json* deployment, const std::string& url,
                                  const Clock& clock) {
  if (!deployment || !kube::FindCondition(*deployment, "Available")) return false;
  KeepOnly(graph, {kReady, kStopped});
  SetCondition(graph, kReady, "True", "", clock);
  Json& status = graph.Ref("status");
  status.Set("url", url);
  // As KServe has it: the router's, and on Knative none.
  const Json& observed = (*deployment)["status"]["observedGeneration"];
  if (observed.IsInt()) status.Set("observedGeneration", observed);
  return true;
}

void SetGraphStatusFromKnativeService(Json& graph, const Json* service) {
  if (!service) return;
  const Json& seen = (*service)["status"];
  if (seen["conditions"].empty() && graph["status"]["conditions"].empty()) return;
  const Json* stopped = kube::FindCondition(graph, kStopped);
  Json conditions = seen["conditions"].IsArray() ? seen["conditions"] : Json::MakeArray();
  if (stopped) conditions.Push(*stopped);
  Json& status = graph.Ref("status");
  status.Set("conditions", std::move(conditions));
  const std::string& ready = kube::ConditionStatus(graph, kReady);
  if (ready == "True" && seen["url"].IsString()) {
    status.Set("url", seen["url"]);
  } else if (!ready.empty()) {
    status.Erase("url");
  }
}

bool IsGraphStopped(const Json& graph) {
  return AsciiLower(kube::Annotation(graph, kStop)) == "true";
}

void SetGraphStopped(Json& graph, const Clock& clock) {
  if (!IsGraphStopped(graph)) {
    if (kube::FindCondition(graph, kStopped)) SetCondition(graph, kStopped, "False", "", clock);
    return;
  }
  KeepOnly(graph, {kReady, kStopped});
  SetCondition(graph, kReady, "False", "Stopped", clock);
  SetCondition(graph, kStopped, "True", "", clock);
  graph.Ref("status").Erase("url");
}

}  // namespace kinglet::control
