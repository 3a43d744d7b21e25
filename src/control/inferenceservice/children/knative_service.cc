#include "control/inferenceservice/children/knative_service.h"

#include "api/constants.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kTarget = "autoscaling.knative.dev/target";
constexpr std::string_view kMetric = "autoscaling.knative.dev/metric";
constexpr std::string_view kEnableTagRouting = "serving.kserve.io/enable-tag-routing";

constexpr int kDefaultMinReplicas = 1;
constexpr int64_t kAllTraffic = 100;

void SetScale(const api::ComponentExtension& extension, Json& annotations) {
  annotations.Set(api::annotation::kKnativeMinScale,
                  std::to_string(extension.min_replicas.value_or(kDefaultMinReplicas)));
  if (extension.max_replicas != 0) {
    annotations.Set(api::annotation::kKnativeMaxScale, std::to_string(extension.max_replicas));
  }
  if (!annotations.Has(api::annotation::kKnativeAutoscalingClass)) {
    annotations.Set(api::annotation::kKnativeAutoscalingClass, api::kKnativePodAutoscaler);
  }
  if (extension.scale_target) annotations.Set(kTarget, std::to_string(*extension.scale_target));
  if (extension.scale_metric) annotations.Set(kMetric, *extension.scale_metric);
}

Json Traffic(const ComponentPlan& plan, const Json& status) {
  const std::string& rolled_out = status["latestRolledoutRevision"].AsString();
  int64_t to_latest = kAllTraffic;
  if (plan.extension->canary_traffic_percent && !rolled_out.empty()) {
    to_latest = *plan.extension->canary_traffic_percent;
  }
  Json latest = Json::MakeObject({{"latestRevision", true}, {"percent", to_latest}});
  if (plan.annotations[kEnableTagRouting].AsString() == "true") latest.Set("tag", "latest");
  Json traffic = Json::MakeArray({std::move(latest)});
  if (to_latest < kAllTraffic) {
    traffic.Push(Json::MakeObject({{"revisionName", rolled_out},
                                   {"latestRevision", false},
                                   {"percent", kAllTraffic - to_latest},
                                   {"tag", "prev"}}));
  }
  return traffic;
}

Json RevisionSpec(const ComponentPlan& plan) {
  const api::ComponentExtension& extension = *plan.extension;
  Json spec = plan.pod;
  if (extension.timeout) {
    spec.Set("timeoutSeconds", *extension.timeout);
    spec.Set("responseStartTimeoutSeconds", *extension.timeout);
  }
  if (extension.container_concurrency) {
    spec.Set("containerConcurrency", *extension.container_concurrency);
  }
  return spec;
}

}  // namespace

Json MakeKnativeService(const ComponentPlan& plan, std::string_view ns,
                        const std::vector<std::string>& disallowed_labels, const Json& status) {
  Json annotations = plan.annotations;
  SetScale(*plan.extension, annotations);
  Json own_annotations = Json::MakeObject();
  for (std::string_view name : kKnativeServiceAnnotations) {
    if (!annotations.Has(name)) continue;
    own_annotations.Set(name, annotations[name]);
    annotations.Erase(name);
  }
  Json revision_labels = plan.labels;
  for (const auto& name : disallowed_labels) revision_labels.Erase(name);

  Json service = kube::MakeObjectMeta("serving.knative.dev/v1", "Service",
                                      {.ns = std::string(ns), .name = plan.name});
  service.Ref("metadata").Set("labels", plan.labels);
  if (!own_annotations.empty()) {
    service.Ref("metadata").Set("annotations", std::move(own_annotations));
  }
  Json revision =
      Json::MakeObject({{"metadata", Json::MakeObject({{"labels", std::move(revision_labels)},
                                                       {"annotations", std::move(annotations)}})},
                        {"spec", RevisionSpec(plan)}});
  service.Set("spec", Json::MakeObject(
                          {{"template", std::move(revision)}, {"traffic", Traffic(plan, status)}}));
  return service;
}

}  // namespace kinglet::control
