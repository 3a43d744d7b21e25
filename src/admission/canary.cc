// Predictors on trial (spec.canary), and what an update may change of names and modes.
#include <algorithm>
#include <set>

#include <re2/re2.h>

#include "admission/inference_service.h"
#include "admission/invalid.h"
#include "api/constants.h"

namespace kinglet::admission {
namespace {

Status CheckName(const std::string& name) {
  static const RE2 kName("[a-z]([-a-z0-9]*[a-z0-9])?");
  if (RE2::FullMatch(name, kName)) return {};
  return Invalid(
      "predictor.name \"{}\" is invalid: it must consist of lower case alphanumeric characters or "
      "'-', and must start with an alphabetical character",
      name);
}

// A canary has as many replicas as its share of the traffic asks for.
Status CheckFixedReplicas(const api::PredictorSpec& canary, const std::string& name,
                          int32_t stable_replicas) {
  auto must_not = [&](std::string_view field) -> Status {
    return Invalid("canary \"{}\" must not set {} (canary uses fixed replicas)", name, field);
  };
  if (canary.max_replicas > 0) return must_not("maxReplicas");
  if (canary.scale_target) return must_not("scaleTarget");
  if (canary.scale_metric) return must_not("scaleMetric");
  if (canary.auto_scaling) return must_not("autoScaling");
  if (canary.min_replicas && *canary.min_replicas > stable_replicas) {
    return Invalid(
        "canary \"{}\" minReplicas ({}) must not exceed stable predictor minReplicas ({})", name,
        *canary.min_replicas, stable_replicas);
  }
  return {};
}

Status CheckCanary(const api::PredictorSpec& canary, const std::string& name,
                   const api::PredictorSpec& stable) {
  if (auto valid = ValidatePredictor(canary); !valid) {
    return Unexpected(valid.error().WithContext(fmt::format("canary \"{}\" predictor", name)));
  }
  if (canary.worker_spec) {
    return Invalid(
        "canary \"{}\" must not set workerSpec (multi-node is not yet supported for canary)", name);
  }
  return CheckFixedReplicas(canary, name, stable.min_replicas.value_or(1));
}

}  // namespace

Status ValidateCanaries(const api::InferenceService& isvc) {
  const api::PredictorSpec& stable = isvc.spec.predictor;
  if (stable.name) KINGLET_RETURN_IF_ERROR(CheckName(*stable.name));
  if (isvc.spec.canary.empty()) return {};
  if (api::ParseMode(isvc.Annotation(api::annotation::kDeploymentMode)) !=
      api::Mode::kRawDeployment) {
    return Invalid("canary is only supported in {} deployment mode", api::kModeStandard);
  }
  if (!stable.model && !api::StorageUriOf(stable)) {
    return Invalid(
        "canary requires a stable predictor with a model (multi-model serving is not supported "
        "with canary)");
  }
  if (isvc.spec.canary.size() > api::kMaxCanaries) {
    return Invalid("canary has {} entries: at most {} are allowed", isvc.spec.canary.size(),
                   api::kMaxCanaries);
  }
  std::set<std::string> names;
  int64_t total = 0;
  for (size_t i = 0; i < isvc.spec.canary.size(); ++i) {
    const auto& [predictor, percent] = isvc.spec.canary[i];
    KINGLET_TRY(auto canary, api::Decode<api::PredictorSpec>(predictor));
    const std::string name = canary.name.value_or("");
    if (name.empty()) return Invalid("canary[{}] predictor.name is required", i);
    KINGLET_RETURN_IF_ERROR(CheckName(name));
    if (!names.insert(name).second) {
      return Invalid("canary predictor.name \"{}\" is duplicated", name);
    }
    if (name == stable.name) {
      return Invalid("canary predictor.name \"{}\" conflicts with stable predictor name", name);
    }
    if (percent < 0 || percent > 100) {
      return Invalid("canary \"{}\" trafficPercent must be between 0 and 100, got {}", name,
                     percent);
    }
    total += percent;
    KINGLET_RETURN_IF_ERROR(CheckCanary(canary, name, stable));
  }
  if (total > 100) {
    return Invalid("sum of canary trafficPercent values ({}) must be <= 100", total);
  }
  return {};
}

Status ValidateInferenceServiceUpdate(const api::InferenceService& isvc,
                                      const api::InferenceService& old_isvc) {
  const std::string& recorded = old_isvc.status["deploymentMode"].AsString();
  if (!recorded.empty() && isvc.HasAnnotation(api::annotation::kDeploymentMode)) {
    const std::string& asked = isvc.Annotation(api::annotation::kDeploymentMode);
    if (asked != recorded && api::ParseMode(asked) != api::ParseMode(recorded)) {
      return Invalid("update rejected: deploymentMode cannot be changed from '{}' to '{}'",
                     recorded, asked);
    }
  }
  const auto &stable = isvc.spec.predictor, &before = old_isvc.spec.predictor;
  if (stable.name != before.name && api::StorageUriOf(stable) == api::StorageUriOf(before)) {
    return Invalid("predictor.name change requires a model change (e.g. storageUri)");
  }
  return {};
}

}  // namespace kinglet::admission
