#include "control/inferenceservice/canary.h"

#include <algorithm>

#include "control/inferenceservice/status.h"
#include "kube/merge_patch.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kCondition = "CanaryPredictorReady";

int32_t ReplicasOf(const api::PredictorSpec& stable, const api::PredictorSpec& own,
                   int32_t percent) {
  if (own.min_replicas) return *own.min_replicas;
  const int64_t all = stable.min_replicas.value_or(1);
  return static_cast<int32_t>((all * percent + 99) / 100);
}

// The stable predictor with what the canary says over it, and nothing that scales.
Result<api::PredictorSpec> MergePredictors(const Json& stable, const Json& own) {
  Json merged = kube::ApplyMergePatch(stable, own);
  for (auto field : {"maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec"}) {
    merged.Erase(field);
  }
  return api::Decode<api::PredictorSpec>(merged);
}

}  // namespace

ModelResult<std::vector<CanaryPlan>> PlanCanaries(const api::InferenceService& isvc,
                                                  const ComponentInput& input,
                                                  const std::set<std::string>& ready) {
  std::vector<CanaryPlan> plans;
  if (isvc.spec.canary.size() > api::kMaxCanaries) {
    return std::unexpected(ModelFailure{
        "", "",
        Error(Code::kInvalidArgument, fmt::format("{} canaries: at most {} are allowed",
                                                  isvc.spec.canary.size(), api::kMaxCanaries)),
        ""});
  }
  const Json stable = api::Encode(isvc.spec.predictor);
  for (const auto& [predictor, percent] : isvc.spec.canary) {
    auto own = api::Decode<api::PredictorSpec>(predictor);
    auto merged = own ? MergePredictors(stable, predictor)
                      : Result<api::PredictorSpec>(Unexpected(own.error()));
    if (!merged) {
      return std::unexpected(ModelFailure{"", "", merged.error().WithContext("canary"), ""});
    }
    CanaryPlan plan;
    plan.name = own->name.value_or("");
    plan.traffic_percent = percent;
    plan.ready = ready.contains(plan.name);
    plan.replicas = ReplicasOf(isvc.spec.predictor, *own, percent);
    plan.isvc = std::make_unique<api::InferenceService>(isvc);
    plan.isvc->spec.predictor = *std::move(merged);
    plan.isvc->spec.predictor.min_replicas = plan.replicas;
    auto component = PlanPredictor(*plan.isvc, input);
    if (!component) return std::unexpected(component.error());
    plan.component = *std::move(component);
    plans.push_back(std::move(plan));
  }
  return plans;
}

std::optional<int32_t> StableReplicas(const api::InferenceService& isvc,
                                      std::span<const CanaryPlan> canaries) {
  auto replicas = isvc.spec.predictor.min_replicas;
  if (!replicas) return replicas;
  int32_t carried = 0;
  for (const auto& canary : canaries) carried += canary.ready ? canary.replicas : 0;
  if (carried == 0) return replicas;
  return std::max(*replicas - carried, 1);
}

void SetCanaryStatus(Json& object, std::span<const CanaryPlan> canaries, const Clock& clock) {
  if (canaries.empty()) {
    if (Json* status = object.Find("status")) status->Erase("canaryStatuses");
    kube::RemoveCondition(object, kCondition);
    return;
  }
  Json list = Json::MakeArray();
  for (const auto& canary : canaries) {
    list.Push(Json::MakeObject({{"name", canary.name},
                                {"ready", canary.ready},
                                {"trafficPercent", canary.traffic_percent}}));
  }
  object.Ref("status").Set("canaryStatuses", std::move(list));
  auto conditions = Conditions(object, clock);
  if (std::ranges::all_of(canaries, &CanaryPlan::ready)) {
    conditions.MarkTrue(kCondition, "AllCanariesReady");
  } else {
    conditions.MarkFalse(kCondition, "CanariesNotReady", "");
  }
}

std::vector<WeightedService> SplitTraffic(const std::string& stable,
                                          std::span<const CanaryPlan> canaries) {
  std::vector<WeightedService> services = {{stable, 100}};
  for (const auto& canary : canaries) {
    if (!canary.ready) continue;
    services[0].weight -= canary.traffic_percent;
    services.push_back({canary.component.name, canary.traffic_percent});
  }
  // A share that is out of range is refused at admission; without it, no weight is negative.
  services[0].weight = std::max(services[0].weight, 0);
  if (services.size() == 1) services[0].weight = 1;
  return services;
}

}  // namespace kinglet::control
