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

Json MakePodSpec(Json pod) {
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

Json RollingUpdate(std::string_view max_unavailable, std::string_view max_surge) {
  return Json::MakeObject({{"type", "RollingUpdate"},
                           {"rollingUpdate", Json::MakeObject({{"maxUnavailable", max_unavailable},
                                                               {"maxSurge", max_surge}})}});
}

// The component's own, the configuration's, or Kubernetes' default.
Json Strategy(const ComponentPlan& plan, const api::Config& config) {
  if (plan.extension && !plan.extension->deployment_strategy.IsNull()) {
    return plan.extension->deployment_strategy;
  }
  std::string max_unavailable = "25%", max_surge = "25%";
  const bool configured = config.deploy && config.deploy->deployment_rollout_strategy &&
                          config.deploy->deployment_rollout_strategy->default_rollout &&
                          config.deploy->default_deployment_mode == api::kModeStandard;
  if (configured) {
    const auto& rollout = *config.deploy->deployment_rollout_strategy->default_rollout;
    if (!rollout.max_unavailable.empty()) max_unavailable = rollout.max_unavailable;
    if (!rollout.max_surge.empty()) max_surge = rollout.max_surge;
  }
  return RollingUpdate(max_unavailable, max_surge);
}

Json MakeSpec(const Json& metadata, Json pod, Json strategy) {
  const std::string& app = metadata["labels"][api::label::kApp].AsString();
  Json selector = Json::MakeObject({{"matchLabels", Json::MakeObject({{api::label::kApp, app}})}});
  Json pod_template =
      Json::MakeObject({{"metadata", metadata}, {"spec", MakePodSpec(std::move(pod))}});
  return Json::MakeObject({{"selector", std::move(selector)},
                           {"template", std::move(pod_template)},
                           {"strategy", std::move(strategy)},
                           {"revisionHistoryLimit", 10},
                           {"progressDeadlineSeconds", 600}});
}

}  // namespace

std::string WorkerApp(const ComponentPlan& plan) {
  return fmt::format("isvc.{}-worker", plan.name);
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

Json MakeDeployment(const ComponentPlan& plan, std::string_view ns, const api::Config& config) {
  Json deployment = MakeComponentObject("apps/v1", "Deployment", plan, ns);
  Json spec = MakeSpec(deployment["metadata"], plan.pod, Strategy(plan, config));
  if (FixesReplicas(plan, config) && plan.extension->min_replicas) {
    spec.Set("replicas", *plan.extension->min_replicas);
  }
  deployment.Set("spec", std::move(spec));
  return deployment;
}

Json MakeWorkerDeployment(const ComponentPlan& plan, std::string_view ns,
                          const api::Config& config) {
  const WorkerPlan& worker = *plan.worker;
  Json deployment =
      kube::MakeObjectMeta("apps/v1", "Deployment", {.ns = std::string(ns), .name = worker.name});
  Json labels = worker.labels;
  labels.Set(api::label::kApp, WorkerApp(plan));
  deployment.Ref("metadata").Set("labels", std::move(labels));
  deployment.Ref("metadata").Set("annotations", worker.annotations);
  Json strategy = Strategy(plan, config);
  // A group of nodes serves as a whole: the old one stays until the new one is there.
  if (strategy["type"].StringOr("RollingUpdate") == "RollingUpdate") {
    strategy = RollingUpdate("0%", "100%");
  }
  Json spec = MakeSpec(deployment["metadata"], worker.pod, std::move(strategy));
  spec.Set("replicas", worker.replicas);
  deployment.Set("spec", std::move(spec));
  return deployment;
}

}  // namespace kinglet::control
