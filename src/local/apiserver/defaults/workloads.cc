#include "local/apiserver/defaults/defaults.h"

namespace kinglet::local {
namespace {

void DefaultTemplate(Json& spec) {
  if (Json* pod_template = spec.Find("template"); pod_template && pod_template->IsObject()) {
    // Go's zero time of a template's metadata is not stored here.
    if (Json* pod = pod_template->Find("spec")) DefaultPodSpec(*pod);
  }
}

}  // namespace

void DefaultDeployment(Json& object) {
  Json& spec = object.Ref("spec");
  if (!spec.IsObject() && !spec.IsNull()) return;
  Default(spec, "replicas", 1);
  Default(spec, "revisionHistoryLimit", 10);
  Default(spec, "progressDeadlineSeconds", 600);
  Json& strategy = spec.Ref("strategy");
  Default(strategy, "type", "RollingUpdate");
  if (strategy["type"].AsString() == "RollingUpdate") {
    Json& rolling = strategy.Ref("rollingUpdate");
    Default(rolling, "maxSurge", "25%");
    Default(rolling, "maxUnavailable", "25%");
  }
  DefaultTemplate(spec);
}

void DefaultReplicaSet(Json& object) {
  Json& spec = object.Ref("spec");
  Default(spec, "replicas", 1);
  DefaultTemplate(spec);
}

void DefaultJob(Json& object) {
  Json& spec = object.Ref("spec");
  if (!spec.Has("completions") && !spec.Has("parallelism")) spec.Set("completions", 1);
  Default(spec, "parallelism", 1);
  Default(spec, "backoffLimit", 6);
  Default(spec, "completionMode", "NonIndexed");
  Default(spec, "suspend", false);
  Default(spec, "manualSelector", false);
  Default(spec, "podReplacementPolicy", "TerminatingOrFailed");
  DefaultTemplate(spec);
  // Job pods are found by a label that the server gives.
  const std::string uid = object["metadata"]["uid"].AsString();
  if (spec["manualSelector"].AsBool() || spec.Has("selector") || uid.empty()) return;
  spec.Path({"selector", "matchLabels"}).Set("batch.kubernetes.io/controller-uid", uid);
  Json& labels = spec.Path({"template", "metadata", "labels"});
  for (const char* prefix : {"", "batch.kubernetes.io/"}) {
    labels.Set(std::string(prefix) + "controller-uid", uid);
    labels.Set(std::string(prefix) + "job-name", object["metadata"]["name"]);
  }
}

void DefaultHorizontalPodAutoscaler(Json& object) {
  Json& spec = object.Ref("spec");
  Default(spec, "minReplicas", 1);
  if (spec["metrics"].empty()) {
    Json target = Json::MakeObject({{"type", "Utilization"}, {"averageUtilization", 80}});
    spec.Set("metrics",
             Json::MakeArray({Json::MakeObject(
                 {{"type", "Resource"},
                  {"resource", Json::MakeObject({{"name", "cpu"}, {"target", target}})}})}));
  }
  Json* behavior = spec.Find("behavior");
  if (!behavior || !behavior->IsObject()) return;
  auto policy = [](std::string_view type, int value) {
    return Json::MakeObject({{"type", type}, {"value", value}, {"periodSeconds", 15}});
  };
  Json& up = behavior->Ref("scaleUp");
  Default(up, "stabilizationWindowSeconds", 0);
  Default(up, "selectPolicy", "Max");
  Default(up, "policies", Json::MakeArray({policy("Pods", 4), policy("Percent", 100)}));
  Json& down = behavior->Ref("scaleDown");
  Default(down, "selectPolicy", "Max");
  Default(down, "policies", Json::MakeArray({policy("Percent", 100)}));
}

}  // namespace kinglet::local
