#include <algorithm>

#include "control/inferenceservice/children/children.h"

namespace kinglet::control {
namespace {

constexpr int kDefaultCpuUtilization = 80;

Json ResourceMetric(std::string_view name, Json target) {
  return Json::MakeObject(
      {{"type", "Resource"},
       {"resource", Json::MakeObject({{"name", name}, {"target", std::move(target)}})}});
}

Json Utilization(int percent) {
  return Json::MakeObject({{"type", "Utilization"}, {"averageUtilization", percent}});
}

// The metrics of `autoScaling`.
Json ListedMetrics(const api::AutoScaling& scaling) {
  Json metrics = Json::MakeArray();
  for (const auto& metric : scaling.metrics) {
    if (metric.type != "Resource" || !metric.resource) continue;
    const auto& target = metric.resource->target;
    if (metric.resource->name != "cpu" && metric.resource->name != "memory") continue;
    if (metric.resource->name == "cpu") {
      metrics.Push(ResourceMetric(
          "cpu", Utilization(target.average_utilization.value_or(kDefaultCpuUtilization))));
    } else if (target.type == "AverageValue" && target.average_value) {
      metrics.Push(ResourceMetric(
          "memory", Json::MakeObject({{"type", "AverageValue"},
                                      {"averageValue", target.average_value->value}})));
    } else if (target.average_utilization) {
      metrics.Push(ResourceMetric("memory", Utilization(*target.average_utilization)));
    }
  }
  return metrics;
}

Json Metrics(const api::ComponentExtension& extension) {
  if (extension.auto_scaling) return ListedMetrics(*extension.auto_scaling);
  Json metrics = Json::MakeArray();
  const std::string metric = extension.scale_metric.value_or("cpu");
  if (metric == "cpu") {
    metrics.Push(ResourceMetric(
        "cpu", Utilization(extension.scale_target.value_or(kDefaultCpuUtilization))));
  } else if (metric == "memory" && extension.scale_target) {
    metrics.Push(ResourceMetric("memory", Utilization(*extension.scale_target)));
  }
  return metrics;
}

}  // namespace

Json MakeHorizontalPodAutoscaler(const ComponentPlan& plan, std::string_view ns) {
  const auto& extension = *plan.extension;
  int min_replicas = std::max(1, extension.min_replicas.value_or(1));
  int max_replicas = std::max(extension.max_replicas, min_replicas);
  Json target =
      Json::MakeObject({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", plan.name}});
  Json object = MakeComponentObject("autoscaling/v2", "HorizontalPodAutoscaler", plan, ns);
  object.Set("spec", Json::MakeObject({{"scaleTargetRef", std::move(target)},
                                       {"minReplicas", min_replicas},
                                       {"maxReplicas", max_replicas},
                                       {"metrics", Metrics(extension)},
                                       {"behavior", Json::MakeObject()}}));
  return object;
}

}  // namespace kinglet::control
