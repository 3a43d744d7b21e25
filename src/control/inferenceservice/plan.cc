#include "control/inferenceservice/plan.h"

#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

// The objects of a component, or why they cannot be made: then none of them is.
Status AddObjects(const ComponentPlan& component, const api::InferenceService& isvc,
                  const api::Config& config, std::vector<DesiredObject>& objects) {
  KINGLET_TRY(auto collector, MakeOpenTelemetryCollector(component, isvc.ns(), config));
  KINGLET_TRY(auto autoscaler, MakeAutoscaler(component, isvc.ns(), config));
  if (!config.ingress) return Unexpected(config.ingress.error());
  if (auto url = MakeComponentUrl(component.public_name, isvc, *config.ingress); !url) {
    return Unexpected(url.error().WithContext("failed creating host name"));
  }
  // A section that cannot be read is logged with the configuration; Services do without it.
  const api::ServiceConfig service_config = config.service.value_or(api::ServiceConfig());
  if (collector) objects.push_back({&kube::kOpenTelemetryCollector, *std::move(collector)});
  objects.push_back({&kube::kDeployment, MakeDeployment(component, isvc.ns(), config)});
  if (component.worker) {
    objects.push_back({&kube::kDeployment, MakeWorkerDeployment(component, isvc.ns(), config)});
  }
  objects.push_back({&kube::kService, MakeService(component, isvc.ns(), service_config)});
  for (Json& service : MakeMultiNodeServices(component, isvc.ns())) {
    objects.push_back({&kube::kService, std::move(service)});
  }
  if (autoscaler) objects.push_back(*std::move(autoscaler));
  return {};
}

// Those of canaries: a fixed number of replicas, and no autoscaler.
void AddCanaryObjects(const api::InferenceService& isvc, const api::Config& config, Plan& plan) {
  for (const auto& canary : plan.canaries) {
    Json deployment = MakeDeployment(canary.component, isvc.ns(), config);
    deployment.Ref("spec").Set("replicas", canary.replicas);
    plan.objects.push_back({&kube::kDeployment, std::move(deployment)});
    plan.objects.push_back(
        {&kube::kService,
         MakeService(canary.component, isvc.ns(), config.service.value_or(api::ServiceConfig()))});
  }
}

}  // namespace

api::Mode ModeOf(const api::InferenceService& isvc, api::Mode fallback) {
  if (auto recorded = api::ParseMode(isvc.status["deploymentMode"].AsString())) return *recorded;
  return api::ParseMode(isvc.Annotation(api::annotation::kDeploymentMode)).value_or(fallback);
}

Plan MakePlan(api::InferenceService& isvc, const ComponentInput& input) {
  Plan plan;
  // First, and with the labels of the user: a runtime's defaults add to them.
  if (api::IsMultiModel(isvc.spec.predictor)) {
    plan.objects.push_back({&kube::kConfigMap, MakeModelConfig(isvc)});
  }
  auto add = [&](ComponentKind kind, ModelResult<ComponentPlan> component) {
    if (!component) {
      plan.failure = Plan::Failure{kind, std::move(component).error()};
      return false;
    }
    if (auto made = AddObjects(*component, isvc, input.config, plan.objects); !made) {
      plan.failure = Plan::Failure{
          kind,
          ModelFailure{"", "",
                       made.error().WithContext(fmt::format(
                           "fails to create NewRawKubeReconciler for {}", ComponentName(kind))),
                       ""}};
      return false;
    }
    component->objects_end = plan.objects.size();
    plan.components.push_back(*std::move(component));
    return true;
  };
  auto canaries = PlanCanaries(isvc, input, input.ready_canaries);
  if (canaries) isvc.spec.predictor.min_replicas = StableReplicas(isvc, *canaries);
  if (!add(ComponentKind::kPredictor, PlanPredictor(isvc, input))) return plan;
  if (!canaries) {
    plan.failure = Plan::Failure{ComponentKind::kPredictor, std::move(canaries).error()};
    return plan;
  }
  plan.canaries = *std::move(canaries);
  AddCanaryObjects(isvc, input.config, plan);
  if (isvc.spec.transformer && !add(ComponentKind::kTransformer, PlanTransformer(isvc, input))) {
    return plan;
  }
  if (isvc.spec.explainer && !add(ComponentKind::kExplainer, PlanExplainer(isvc, input))) {
    return plan;
  }
  return plan;
}

bool MayGo(const Plan& plan, const api::InferenceService& isvc, const kube::ResourceType& type,
           const Json& child) {
  const std::string& name = kube::Name(child);
  if (type == kube::kHorizontalPodAutoscaler || type == kube::kScaledObject ||
      type == kube::kOpenTelemetryCollector) {
    const bool of_component =
        std::ranges::find(plan.components, name, &ComponentPlan::name) != plan.components.end();
    if (of_component) return true;
  }
  if (!kube::Label(child, api::label::kIsvcGeneration).empty() &&
      (name.ends_with("-worker") || !kube::Label(child, api::label::kMultiNodeRole).empty())) {
    return true;
  }
  // Predictors with names of their own: the stable one and its canaries take turns.
  if (kube::Label(child, api::label::kComponent) != "predictor") return false;
  const std::string plain = isvc.name() + "-predictor";
  if (name == plain) return isvc.spec.predictor.name.has_value();
  return name.starts_with(isvc.name() + "-") && name.ends_with("-predictor");
}

IngressNames IngressNamesOf(const Plan& plan) {
  // All have the old names where the one in front has; a transformer stands before an explainer.
  auto find = [&](ComponentKind kind) {
    auto found = std::ranges::find(plan.components, kind, &ComponentPlan::kind);
    return found == plan.components.end() ? nullptr : &*found;
  };
  const ComponentPlan* predictor = find(ComponentKind::kPredictor);
  const ComponentPlan* explainer = find(ComponentKind::kExplainer);
  const ComponentPlan* transformer = find(ComponentKind::kTransformer);
  const ComponentPlan* front = transformer ? transformer : explainer ? explainer : predictor;
  IngressNames names;
  if (!front) return names;
  constexpr std::string_view kLegacy = "-default";
  auto name = [&](const ComponentPlan* component, std::string ComponentPlan::* which) {
    if (!component) return std::string();
    std::string_view plain = component->*which;
    if (plain.ends_with(kLegacy)) plain.remove_suffix(kLegacy.size());
    return fmt::format("{}{}", plain, front->name.ends_with(kLegacy) ? kLegacy : "");
  };
  names.predictor = name(predictor, &ComponentPlan::name);
  names.predictor_host = name(predictor, &ComponentPlan::public_name);
  names.explainer = name(explainer, &ComponentPlan::name);
  names.transformer = name(transformer, &ComponentPlan::name);
  return names;
}

}  // namespace kinglet::control
