#include "control/inferenceservice/plan.h"

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

// The objects of a component, or why they cannot be made.
Status AddObjects(const ComponentPlan& component, const api::InferenceService& isvc,
                  const api::Config& config, std::vector<DesiredObject>& objects) {
  if (!config.service) return Unexpected(config.service.error());
  objects.push_back({&kube::kDeployment, MakeDeployment(component, isvc.ns())});
  objects.push_back({&kube::kService, MakeService(component, isvc.ns(), *config.service)});
  // The condition and the event tell about keda; the rest of the service works without it.
  if (AutoscalerClass(component) == "keda") return {};
  KINGLET_TRY(auto autoscaler, MakeHorizontalPodAutoscaler(component, isvc.ns()));
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
      plan.failure = Plan::Failure{kind, ModelFailure{"", "", made.error()}};
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
  IngressNames names;
  for (const auto& component : plan.components) {
    switch (component.kind) {
      case ComponentKind::kPredictor:
        names.predictor = component.name;
        break;
      case ComponentKind::kTransformer:
        names.transformer = component.name;
        break;
      case ComponentKind::kExplainer:
        names.explainer = component.name;
        break;
    }
  }
  return names;
}

}  // namespace kinglet::control
