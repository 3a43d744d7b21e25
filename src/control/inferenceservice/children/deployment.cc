#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

// Kubernetes' own defaults are written out, as KServe does: what is there is what was meant.
void SetDefault(Json& object, std::string_view key, Json value) {
  if (object[key].IsNull()) object.Set(key, std::move(value));
}

Json TcpProbe(const Json& container) {
  int64_t port = container["ports"][0]["containerPort"].AsInt(api::kHttpPort);
  return Json::MakeObject({{"tcpSocket", Json::MakeObject({{"port", port}})},
                           {"timeoutSeconds", 1},
                           {"periodSeconds", 10},
                           {"successThreshold", 1},
                           {"failureThreshold", 3}});
}

void SetContainerDefaults(Json& container) {
  SetDefault(container, "terminationMessagePath", "/dev/termination-log");
  SetDefault(container, "terminationMessagePolicy", "File");
  SetDefault(container, "imagePullPolicy", "IfNotPresent");
  const auto& name = container["name"].AsString();
  if (name == api::kKserveContainer || name == api::kTransformerContainer) {
    SetDefault(container, "readinessProbe", TcpProbe(container));
  }
}

Json MakePodSpec(const ComponentPlan& plan) {
  Json pod = plan.pod;
  SetDefault(pod, "dnsPolicy", "ClusterFirst");
  SetDefault(pod, "restartPolicy", "Always");
  SetDefault(pod, "terminationGracePeriodSeconds", 30);
  SetDefault(pod, "securityContext", Json::MakeObject());
  SetDefault(pod, "schedulerName", "default-scheduler");
  for (auto list : {"containers", "initContainers"}) {
    Json* containers = pod.Find(list);
    if (!containers || !containers->IsArray()) continue;
    for (Json& container : containers->MutableArray()) {
      if (container.IsObject()) SetContainerDefaults(container);
    }
  }
  return pod;
}

Json Strategy(const ComponentPlan& plan) {
  if (plan.extension && !plan.extension->deployment_strategy.IsNull()) {
    return plan.extension->deployment_strategy;
  }
  return Json::MakeObject(
      {{"type", "RollingUpdate"},
       {"rollingUpdate", Json::MakeObject({{"maxUnavailable", "25%"}, {"maxSurge", "25%"}})}});
}

}  // namespace

std::string AutoscalerClass(const ComponentPlan& plan) {
  return plan.annotations[api::annotation::kAutoscalerClass].StringOr("hpa");
}

Json MakeComponentObject(std::string_view api_version, std::string_view kind,
                         const ComponentPlan& plan, std::string_view ns) {
  Json object = kube::MakeObjectMeta(api_version, kind, {.ns = std::string(ns), .name = plan.name});
  Json labels = plan.labels;
  labels.Set(api::label::kApp, "isvc." + plan.name);
  object.Ref("metadata").Set("labels", std::move(labels));
  object.Ref("metadata").Set("annotations", plan.annotations);
  return object;
}

Json MakeDeployment(const ComponentPlan& plan, std::string_view ns) {
  Json deployment = MakeComponentObject("apps/v1", "Deployment", plan, ns);
  Json selector = Json::MakeObject(
      {{"matchLabels", Json::MakeObject({{api::label::kApp, "isvc." + plan.name}})}});
  Json pod_template =
      Json::MakeObject({{"metadata", deployment["metadata"]}, {"spec", MakePodSpec(plan)}});
  Json spec = Json::MakeObject({{"selector", std::move(selector)},
                                {"template", std::move(pod_template)},
                                {"strategy", Strategy(plan)},
                                {"revisionHistoryLimit", 10},
                                {"progressDeadlineSeconds", 600}});
  // An autoscaler of our own owns the number of replicas; with an external one it is the user's.
  if (AutoscalerClass(plan) == "external" && plan.extension->min_replicas) {
    spec.Set("replicas", *plan.extension->min_replicas);
  }
  deployment.Set("spec", std::move(spec));
  return deployment;
}

}  // namespace kinglet::control
