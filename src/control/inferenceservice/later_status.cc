#include "control/inferenceservice/later_status.h"

#include "api/constants.h"
#include "base/text.h"
#include "control/inferenceservice/status.h"
#include "kube/conditions.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kStopped = "Stopped";

bool IsLaterName(std::string_view mode) {
  return mode == api::kModeStandard || mode == api::kModeKnative;
}

}  // namespace

bool IsStopped(const api::InferenceService& isvc) {
  return AsciiLower(isvc.Annotation(api::annotation::kStop)) == "true";
}

void SetStopped(Json& object, const api::InferenceService& isvc, const Clock& clock) {
  const Json mode = object["status"]["deploymentMode"];
  const bool is_stopped = kube::IsConditionTrue(object, kStopped);
  if (!is_stopped) {
    object.Set("status", Json::MakeObject());
    if (!mode.IsNull()) object.Ref("status").Set("deploymentMode", mode);
  }
  auto conditions = Conditions(object, clock);
  conditions.MarkFalse(ReadyType(ComponentKind::kPredictor), kStopped, "");
  if (isvc.spec.transformer) {
    conditions.MarkFalse(ReadyType(ComponentKind::kTransformer), kStopped, "");
  }
  if (isvc.spec.explainer) {
    conditions.MarkFalse(ReadyType(ComponentKind::kExplainer), kStopped, "");
  }
  if (!isvc.spec.canary.empty()) conditions.MarkFalse("CanaryPredictorReady", kStopped, "");
  conditions.MarkFalse("IngressReady", kStopped, "");
  conditions.MarkTrue(kStopped);
}

void SetNotStopped(Json& object, const api::Config& config, const Clock& clock) {
  if (!config.latest && !kube::FindCondition(object, kStopped)) return;
  if (kube::IsConditionFalse(object, kStopped)) return;
  Conditions(object, clock).MarkFalse(kStopped, "", "");
}

void RecordMode(Json& object, const api::InferenceService& isvc, api::Mode mode,
                const api::Config& config) {
  const bool said = config.latest ||
                    IsLaterName(isvc.Annotation(api::annotation::kDeploymentMode)) ||
                    (config.deploy && IsLaterName(config.deploy->default_deployment_mode));
  if (said) object.Ref("status").Set("deploymentMode", api::LaterModeName(mode));
}

void RecordRuntime(Json& object, const std::string& runtime, bool cluster,
                   const api::Config& config) {
  if (!config.latest) return;
  Json& status = object.Ref("status");
  status.Erase("servingRuntimeName");
  status.Erase("clusterServingRuntimeName");
  if (!runtime.empty()) {
    status.Set(cluster ? "clusterServingRuntimeName" : "servingRuntimeName", runtime);
  }
}

}  // namespace kinglet::control
