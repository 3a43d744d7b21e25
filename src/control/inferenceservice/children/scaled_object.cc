// KEDA's ScaledObject (keda.sh/v1alpha1): https://keda.sh/docs/2.16/reference/scaledobject-spec/
#include <algorithm>
#include <charconv>

#include "control/inferenceservice/children/children.h"
#include "kube/quantity.h"

namespace kinglet::control {
namespace {

constexpr int kDefaultCpuUtilization = 80;

// As the user wrote it.
std::string Written(const std::optional<api::Quantity>& quantity) {
  if (!quantity) return "0";
  return quantity->value.IsString() ? quantity->value.AsString() : quantity->value.Dump();
}

// As 0.15 writes it: six decimals.
Result<std::string> Decimals(const std::optional<api::Quantity>& quantity) {
  if (!quantity) return std::string("0");
  KINGLET_TRY(auto amount, kube::Quantity::FromJson(quantity->value));
  return fmt::format("{:f}", amount.AsDouble());
}

Result<std::string> Value(const std::optional<api::Quantity>& quantity, const api::Config& config) {
  if (config.latest) return Written(quantity);
  return Decimals(quantity);
}

Result<Json> ResourceTrigger(const api::ResourceMetric& metric, const api::Config& config) {
  const auto& target = metric.target;
  std::string value = "0";
  if (target.type == "Utilization") {
    const int fallback = config.latest && metric.name == "cpu" ? kDefaultCpuUtilization : 0;
    value = std::to_string(target.average_utilization.value_or(fallback));
  } else if (target.type == "AverageValue" && target.average_value) {
    if (config.latest) {
      value = Written(target.average_value);
    } else {
      KINGLET_TRY(auto amount, kube::Quantity::FromJson(target.average_value->value));
      value = amount.ToString();
    }
  } else if (target.type == "Value") {
    KINGLET_TRY(value, Value(target.value, config));
  }
  Json trigger = Json::MakeObject(
      {{"type", metric.name}, {"metadata", Json::MakeObject({{"value", std::move(value)}})}});
  if (!target.type.empty()) trigger.Set("metricType", target.type);
  return trigger;
}

Result<Json> ExternalTrigger(const api::ExternalMetric& external, const api::Config& config) {
  const auto& metric = external.metric;
  KINGLET_TRY(std::string threshold, Value(external.target.value, config));
  Json metadata = Json::MakeObject({{"serverAddress", metric.server_address},
                                    {"query", metric.query},
                                    {"threshold", std::move(threshold)}});
  if (metric.backend == "prometheus" && !metric.ns.empty()) metadata.Set("namespace", metric.ns);
  Json trigger = Json::MakeObject({{"type", metric.backend}});
  if (external.authentication) {
    const auto& authentication = *external.authentication;
    if (!authentication.auth_modes.empty()) metadata.Set("authModes", authentication.auth_modes);
    if (!authentication.reference.name.empty()) {
      trigger.Set("authenticationRef", Json::MakeObject({{"name", authentication.reference.name}}));
    }
  }
  trigger.Set("metadata", std::move(metadata));
  return trigger;
}

struct Bounds {
  int32_t min, max;
};

Result<Json> PodTrigger(const api::PodMetric& pod_metric, const ComponentPlan& plan,
                        std::string_view ns, Bounds bounds, const api::Config& config) {
  const auto& metric = pod_metric.metric;
  Json metadata = Json::MakeObject();
  Json trigger = Json::MakeObject();
  if (metric.backend == "opentelemetry") {
    if (!config.open_telemetry) return Unexpected(config.open_telemetry.error());
    KINGLET_TRY(std::string target, Value(pod_metric.target.value, config));
    trigger.Set("type", "external");
    if (config.latest) {
      metadata.Set("metricQuery", fmt::format("sum({}{{namespace=\"{}\", deployment=\"{}\"}})",
                                              metric.query, ns, plan.name));
    } else {
      metadata.Set("clampMin", std::to_string(bounds.min));
      metadata.Set("clampMax", std::to_string(bounds.max));
      metadata.Set("metricQuery", metric.query);
    }
    metadata.Set("targetValue", std::move(target));
    metadata.Set("scalerAddress", metric.server_address.empty()
                                      ? config.open_telemetry->metric_scaler_endpoint
                                      : metric.server_address);
    if (!metric.operation_over_time.empty()) {
      metadata.Set("operationOverTime", metric.operation_over_time);
    }
  }
  trigger.Set("metadata", std::move(metadata));
  return trigger;
}

Result<Json> Triggers(const ComponentPlan& plan, std::string_view ns, Bounds bounds,
                      const api::Config& config) {
  Json triggers = Json::MakeArray();
  if (!plan.extension->auto_scaling) return triggers;
  for (const auto& metric : plan.extension->auto_scaling->metrics) {
    Result<Json> trigger = Json();
    if (metric.type == "Resource" && metric.resource) {
      trigger = ResourceTrigger(*metric.resource, config);
    } else if (metric.type == "External" && metric.external) {
      trigger = ExternalTrigger(*metric.external, config);
    } else if (metric.type == "PodMetric" && metric.pod_metric) {
      trigger = PodTrigger(*metric.pod_metric, plan, ns, bounds, config);
    } else {
      continue;  // the webhook refuses these
    }
    if (!trigger) return trigger;
    triggers.Push(*std::move(trigger));
  }
  return triggers;
}

// {stabilizationWindowSeconds} by the component's behavior, then by the configuration; null where
// neither says anything.
Json Rules(const Json& behavior, std::string_view direction, const std::string& configured) {
  Json window = behavior[direction]["stabilizationWindowSeconds"];
  int64_t seconds = 0;
  if (!window.IsInt()) {
    auto [end, error] =
        std::from_chars(configured.data(), configured.data() + configured.size(), seconds);
    if (error != std::errc()) return {};
    window = seconds;
  }
  return Json::MakeObject({{"stabilizationWindowSeconds", std::move(window)}});
}

Result<Json> Behavior(const ComponentPlan& plan, const api::Config& config) {
  if (!config.autoscaler) return Unexpected(config.autoscaler.error());
  const Json behavior =
      plan.extension->auto_scaling ? plan.extension->auto_scaling->behavior : Json();
  Json out = Json::MakeObject();
  Json down =
      Rules(behavior, "scaleDown", config.autoscaler->scale_down_stabilization_window_seconds);
  Json up = Rules(behavior, "scaleUp", config.autoscaler->scale_up_stabilization_window_seconds);
  if (!down.IsNull()) out.Set("scaleDown", std::move(down));
  if (!up.IsNull()) out.Set("scaleUp", std::move(up));
  return out;
}

}  // namespace

Result<Json> MakeScaledObject(const ComponentPlan& plan, std::string_view ns,
                              const api::Config& config) {
  const int32_t min = plan.extension->min_replicas.value_or(1);
  const Bounds bounds{min, std::max(plan.extension->max_replicas, min)};
  KINGLET_TRY(Json triggers, Triggers(plan, ns, bounds, config));
  KINGLET_TRY(Json behavior, Behavior(plan, config));
  Json object = MakeComponentObject("keda.sh/v1alpha1", "ScaledObject", plan, ns);
  Json spec = Json::MakeObject({{"scaleTargetRef", Json::MakeObject({{"name", plan.name}})},
                                {"minReplicaCount", bounds.min},
                                {"maxReplicaCount", bounds.max},
                                {"triggers", std::move(triggers)}});
  if (!behavior.empty()) {
    spec.Path({"advanced", "horizontalPodAutoscalerConfig", "behavior"}) = std::move(behavior);
  }
  object.Set("spec", std::move(spec));
  return object;
}

}  // namespace kinglet::control
