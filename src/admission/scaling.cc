// How a component may be scaled, by the autoscaler that serves its deployment mode.
#include "admission/inference_service.h"
#include "admission/invalid.h"
#include "api/constants.h"
#include "kube/quantity.h"

namespace kinglet::admission {
namespace {

constexpr int64_t kMebibyte = 1 << 20;

Status CheckPercent(int64_t value) {
  if (value >= 1 && value <= 100) return {};
  return Invalid("the target utilization percentage should be a [1-100] integer");
}

Status CheckHpaTarget(std::string_view metric, std::optional<int32_t> target) {
  if (!target) return {};
  // The upper bound holds for every metric; KServe's clients know it so.
  if ((metric == "cpu" && *target < 1) || *target > 100) return CheckPercent(0);
  if (metric == "memory" && *target < 1) {
    return Invalid("the target memory should be greater than 1 MiB");
  }
  return {};
}

Status CheckHpa(const api::ComponentExtension& extension) {
  const std::string metric = extension.scale_metric.value_or("cpu");
  if (metric != "cpu" && metric != "memory") {
    return Invalid("[{}] is not a supported metric", metric);
  }
  KINGLET_RETURN_IF_ERROR(CheckHpaTarget(metric, extension.scale_target));
  if (!extension.auto_scaling) return {};
  for (const auto& spec : extension.auto_scaling->metrics) {
    if (spec.type != "Resource") {
      return Invalid(
          "invalid HPA metric source type with value [{}],valid metric source types are Resource",
          spec.type);
    }
    if (!spec.resource) {
      return Invalid("metricSpec.Resource is not set for resource metric source type");
    }
  }
  return {};
}

// What a target of its type must have.
Status CheckTarget(const api::MetricTarget& target) {
  if (target.type == "Utilization") {
    if (!target.average_utilization) {
      return Invalid("the AverageUtilization type should be set");
    }
    return CheckPercent(*target.average_utilization);
  }
  if (target.type == "AverageValue" && !target.average_value) {
    return Invalid("the AverageValue type should be set");
  }
  if (target.type == "Value" && !target.value) return Invalid("the Value type should be set");
  return {};
}

Status CheckKedaResource(const api::MetricsSpec& spec) {
  if (!spec.resource) {
    return Invalid("metricSpec.Resource is not set for resource metric source type");
  }
  const auto& [name, target] = *spec.resource;
  if (name == "cpu") {
    if (target.type != "Utilization") {
      return Invalid("the cpu target value type should be Utilization");
    }
  } else if (name == "memory") {
    if (target.type != "AverageValue" && target.type != "Utilization") {
      return Invalid("the memory target value type should be AverageValue or Utilization");
    }
    if (target.type == "AverageValue" && target.average_value) {
      KINGLET_TRY(auto amount, kube::Quantity::FromJson(target.average_value->value));
      if (amount < kube::Quantity::FromInt(kMebibyte)) {
        return Invalid("the memory target value should be greater than 1 MiB");
      }
    }
  } else {
    return Invalid("resource type {} is not supported", name);
  }
  return CheckTarget(target);
}

Status CheckQuery(const std::string& query, const api::MetricTarget& target) {
  if (query.empty()) return Invalid("the query should not be empty");
  if (!target.value) return Invalid("the target threshold value should not be empty");
  return CheckTarget(target);
}

Status CheckKeda(const api::ComponentExtension& extension) {
  if (extension.scale_metric) return Invalid("ScaleMetric is not supported for KEDA");
  if (!extension.auto_scaling) return {};
  for (const auto& spec : extension.auto_scaling->metrics) {
    if (spec.type == "Resource") {
      KINGLET_RETURN_IF_ERROR(CheckKedaResource(spec));
    } else if (spec.type == "External") {
      if (!spec.external) {
        return Invalid("metricSpec.External is not set for external metric source type");
      }
      KINGLET_RETURN_IF_ERROR(CheckQuery(spec.external->metric.query, spec.external->target));
    } else if (spec.type == "PodMetric") {
      if (!spec.pod_metric) {
        return Invalid("metricSpec.PodMetric is not set for pod metric source type");
      }
      KINGLET_RETURN_IF_ERROR(CheckQuery(spec.pod_metric->metric.query, spec.pod_metric->target));
    } else {
      return Invalid(
          "unknown KEDA metric type with value [{}].Valid types are Resource,External,PodMetric",
          spec.type);
    }
  }
  return {};
}

Status CheckKpa(const api::ComponentExtension& extension) {
  if (!extension.deployment_strategy.IsNull()) {
    return Invalid("customizing deploymentStrategy is only supported for raw deployment mode");
  }
  const std::string metric = extension.scale_metric.value_or("concurrency");
  if (metric != "concurrency" && metric != "rps") {
    return Invalid("[{}] is not a supported metric", metric);
  }
  if (metric == "rps" && extension.scale_target && *extension.scale_target < 1) {
    return Invalid("the target for rps should be greater than 1");
  }
  return {};
}

}  // namespace

Status ValidateScaling(const api::InferenceService& isvc,
                       const api::ComponentExtension& extension) {
  const bool raw = api::ParseMode(isvc.Annotation(api::annotation::kDeploymentMode)) ==
                   api::Mode::kRawDeployment;
  if (raw) {
    const std::string& autoscaler = isvc.Annotation(api::annotation::kAutoscalerClass);
    if (autoscaler == "hpa") return CheckHpa(extension);
    if (autoscaler == "keda") return CheckKeda(extension);
    return {};
  }
  if (isvc.Annotation(api::annotation::kKnativeAutoscalingClass) == "hpa.autoscaling.knative.dev") {
    return CheckHpa(extension);
  }
  return CheckKpa(extension);
}

}  // namespace kinglet::admission
