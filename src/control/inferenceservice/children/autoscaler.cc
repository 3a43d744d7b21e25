#include "api/constants.h"
#include "control/inferenceservice/children/children.h"

namespace kinglet::control {

std::string AutoscalerClass(const ComponentPlan& plan) {
  return plan.annotations[api::annotation::kAutoscalerClass].StringOr("hpa");
}

bool FixesReplicas(const ComponentPlan& plan, const api::Config& config) {
  const std::string autoscaler = AutoscalerClass(plan);
  // Later releases leave the number to the external autoscaler.
  return autoscaler == "none" || (autoscaler == "external" && !config.latest);
}

Result<std::optional<DesiredObject>> MakeAutoscaler(const ComponentPlan& plan, std::string_view ns,
                                                    const api::Config& config) {
  const std::string autoscaler = AutoscalerClass(plan);
  if (autoscaler == "external" || autoscaler == "none") return std::nullopt;
  if (autoscaler == "hpa") {
    return DesiredObject{&kube::kHorizontalPodAutoscaler, MakeHorizontalPodAutoscaler(plan, ns)};
  }
  if (autoscaler == "keda") {
    KINGLET_TRY(Json object, MakeScaledObject(plan, ns, config));
    return DesiredObject{&kube::kScaledObject, std::move(object)};
  }
  return Fail(Code::kInvalidArgument, "unknown autoscaler class type: {}", autoscaler);
}

}  // namespace kinglet::control
