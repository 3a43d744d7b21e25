#include "control/inferenceservice/plan.h"

#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/ignored_fields.h"

namespace kinglet::control {
namespace {

void FindUnsupported(const api::InferenceService& isvc, Plan& plan) {
  if (isvc.spec.predictor.worker_spec) {
    plan.unsupported.push_back(
        {"MultiNodeNotSupported",
         "spec.predictor.workerSpec is not supported yet by this build; remove it to serve on one "
         "node"});
  }
  const std::string& autoscaler = isvc.Annotation(api::annotation::kAutoscalerClass);
  if (autoscaler == "keda") {
    plan.unsupported.push_back(
        {"KedaNotSupported",
         "the autoscaler class keda is not supported yet by this build; use hpa or external"});
  }
}

// The objects of a component, or why they cannot be made: then none of them is.
Status AddObjects(const ComponentPlan& component, const api::InferenceService& isvc,
                  const api::Config& config, std::vector<DesiredObject>& objects) {
  // The condition and the event tell about keda; the rest of the service works without it.
  std::optional<Json> autoscaler;
  if (AutoscalerClass(component) != "keda") {
    KINGLET_TRY(autoscaler, MakeHorizontalPodAutoscaler(component, isvc.ns()));
  }
  if (!config.ingress) return Unexpected(config.ingress.error());
  if (auto url = MakeComponentUrl(component.name, isvc, *config.ingress); !url) {
    return Unexpected(url.error().WithContext("failed creating host name"));
  }
  // A section that cannot be read is logged with the configuration; Services do without it.
  const api::ServiceConfig service = config.service.value_or(api::ServiceConfig());
  objects.push_back({&kube::kDeployment, MakeDeployment(component, isvc.ns())});
  objects.push_back({&kube::kService, MakeService(component, isvc.ns(), service)});
  if (autoscaler) objects.push_back({&kube::kHorizontalPodAutoscaler, *std::move(autoscaler)});
  return {};
}

}  // namespace

api::Mode ModeOf(const api::InferenceService& isvc, api::Mode fallback) {
  return api::ParseMode(isvc.Annotation(api::annotation::kDeploymentMode)).value_or(fallback);
}

Plan MakePlan(api::InferenceService& isvc, const ComponentInput& input) {
  Plan plan;
  FindUnsupported(isvc, plan);
  FindUnsupportedCanary(isvc, plan.unsupported);
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
                           "fails to create NewRawKubeReconciler for {}", ComponentName(kind)))}};
      return false;
    }
    plan.components.push_back(*std::move(component));
    return true;
  };
  if (!add(ComponentKind::kPredictor, PlanPredictor(isvc, input))) return plan;
  if (isvc.spec.transformer && !add(ComponentKind::kTransformer, PlanTransformer(isvc, input))) {
    return plan;
  }
  if (isvc.spec.explainer && !add(ComponentKind::kExplainer, PlanExplainer(isvc, input))) {
    return plan;
  }
  if (api::IsMultiModel(isvc.spec.predictor)) {
    plan.objects.push_back({&kube::kConfigMap, MakeModelConfig(isvc)});
  }
  return plan;
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
  auto name = [&](const ComponentPlan* component) {
    if (!component) return std::string();
    std::string_view plain = component->name;
    if (plain.ends_with(kLegacy)) plain.remove_suffix(kLegacy.size());
    return fmt::format("{}{}", plain, front->name.ends_with(kLegacy) ? kLegacy : "");
  };
  names.predictor = name(predictor);
  names.explainer = name(explainer);
  names.transformer = name(transformer);
  return names;
}

}  // namespace kinglet::control
