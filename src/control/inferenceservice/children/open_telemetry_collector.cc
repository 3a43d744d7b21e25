// The collector that is put beside each pod and sends its metrics to KEDA's scaler
// (opentelemetry.io/v1beta1 OpenTelemetryCollector).
#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

// The last metric of the pods that OpenTelemetry collects, or null.
const api::PodMetricSource* FindPodMetric(const api::ComponentExtension& extension) {
  const api::PodMetricSource* found = nullptr;
  if (!extension.auto_scaling) return found;
  for (const auto& metric : extension.auto_scaling->metrics) {
    if (metric.type == "PodMetric" && metric.pod_metric &&
        metric.pod_metric->metric.backend == "opentelemetry") {
      found = &metric.pod_metric->metric;
    }
  }
  return found;
}

struct Processors {
  Json definitions = Json::MakeObject();
  Json order = Json::MakeArray();

  void Add(std::string_view name, Json definition) {
    definitions.Set(name, std::move(definition));
    order.Push(name);
  }
};

// 0.15 drops the other metrics by an OTTL filter.
Processors MakeProcessors(const api::PodMetricSource& metric) {
  Processors processors;
  if (metric.metric_names.empty()) return processors;
  Json filters = Json::MakeArray();
  for (const auto& name : metric.metric_names) {
    filters.Push(fmt::format("name != \"{}\"", name));
  }
  processors.Add("filter/ottl",
                 Json::MakeObject({{"error_mode", "ignore"},
                                   {"metrics", Json::MakeObject({{"metric", filters}})}}));
  return processors;
}

// Later releases tell the Deployments apart by attributes of the metrics.
Processors MakeLatestProcessors(const api::PodMetricSource& metric) {
  Processors processors;
  processors.Add("resourcedetection/env", Json::MakeObject({{"detectors", Json::MakeArray({"env"})},
                                                            {"timeout", "2s"},
                                                            {"override", false}}));
  auto copy = [](std::string_view to, std::string_view from) {
    return fmt::format("set(attributes[\"{}\"], resource.attributes[\"{}\"])", to, from);
  };
  Json statements =
      Json::MakeArray({copy("namespace", "k8s.namespace.name"),
                       copy("deployment", "k8s.deployment.name"), copy("pod", "k8s.pod.name")});
  Json statement =
      Json::MakeObject({{"context", "datapoint"}, {"statements", std::move(statements)}});
  processors.Add(
      "transform",
      Json::MakeObject({{"metric_statements", Json::MakeArray({std::move(statement)})}}));
  if (metric.metric_names.empty()) return processors;
  Json names = Json::MakeArray();
  for (const auto& name : metric.metric_names) names.Push(name);
  Json include = Json::MakeObject({{"match_type", "strict"}, {"metric_names", std::move(names)}});
  processors.Add(
      "filter/metrics",
      Json::MakeObject({{"metrics", Json::MakeObject({{"include", std::move(include)}})}}));
  return processors;
}

Json MakeReceivers(std::string_view port, const std::string& interval) {
  Json target =
      Json::MakeObject({{"targets", Json::MakeArray({fmt::format("localhost:{}", port)})}});
  Json job = Json::MakeObject({{"job_name", "otel-collector"},
                               {"scrape_interval", interval},
                               {"static_configs", Json::MakeArray({std::move(target)})}});
  Json config = Json::MakeObject({{"scrape_configs", Json::MakeArray({std::move(job)})}});
  return Json::MakeObject({{"prometheus", Json::MakeObject({{"config", std::move(config)}})}});
}

Json MakeExporters(const std::string& endpoint) {
  return Json::MakeObject(
      {{"otlp", Json::MakeObject({{"endpoint", endpoint},
                                  {"compression", "none"},
                                  {"tls", Json::MakeObject({{"insecure", true}})}})}});
}

Json MakeResources(const api::ResourceDefaults& amounts) {
  Json resources = Json::MakeObject();
  auto put = [&](std::string_view list, std::string_view name, const std::string& amount) {
    if (!amount.empty()) resources.Path({list, name}) = amount;
  };
  put("requests", "cpu", amounts.cpu_request);
  put("requests", "memory", amounts.memory_request);
  put("limits", "cpu", amounts.cpu_limit);
  put("limits", "memory", amounts.memory_limit);
  return resources;
}

// Members that KServe's Go types always write, empty as they are: with them an object of KServe's
// is found as it should be.
void AddEmptyMembers(Json& spec) {
  const Json observability = Json::MakeObject({{"metrics", Json::MakeObject()}});
  spec.Set("observability", observability);
  spec.Set("podDnsConfig", Json::MakeObject());
  spec.Set("ingress", Json::MakeObject({{"route", Json::MakeObject()}}));
  spec.Set("daemonSetUpdateStrategy", Json::MakeObject());
  spec.Set("deploymentUpdateStrategy", Json::MakeObject());
  spec.Set("targetAllocator", Json::MakeObject({{"resources", Json::MakeObject()},
                                                {"prometheusCR", Json::MakeObject()},
                                                {"observability", observability}}));
}

}  // namespace

Result<std::optional<Json>> MakeOpenTelemetryCollector(const ComponentPlan& plan,
                                                       std::string_view ns,
                                                       const api::Config& config) {
  const api::PodMetricSource* metric = FindPodMetric(*plan.extension);
  if (!metric) return std::nullopt;
  if (!config.open_telemetry) return Unexpected(config.open_telemetry.error());
  const api::OpenTelemetryConfig& settings = *config.open_telemetry;

  Processors processors = config.latest ? MakeLatestProcessors(*metric) : MakeProcessors(*metric);
  Json pipeline = Json::MakeObject({{"receivers", Json::MakeArray({"prometheus"})},
                                    {"processors", std::move(processors.order)},
                                    {"exporters", Json::MakeArray({"otlp"})}});
  if (pipeline["processors"].empty()) pipeline.Erase("processors");
  const std::string port = plan.annotations[api::annotation::kKservePrometheusPort].StringOr(
      std::to_string(api::kHttpPort));
  Json pipelines = Json::MakeObject({{"metrics", std::move(pipeline)}});
  Json spec = Json::MakeObject(
      {{"mode", "sidecar"},
       {"config",
        Json::MakeObject({{"receivers", MakeReceivers(port, settings.scrape_interval)},
                          {"processors", std::move(processors.definitions)},
                          {"exporters", MakeExporters(settings.metric_receiver_endpoint)},
                          {"service", Json::MakeObject({{"pipelines", std::move(pipelines)}})}})},
       {"resources", settings.resource ? MakeResources(*settings.resource) : Json::MakeObject()}});
  AddEmptyMembers(spec);
  Json object = kube::MakeObjectMeta("opentelemetry.io/v1beta1", "OpenTelemetryCollector",
                                     {.ns = std::string(ns), .name = plan.name});
  if (config.latest) object.Ref("metadata").Set("annotations", plan.annotations);
  object.Set("spec", std::move(spec));
  return object;
}

}  // namespace kinglet::control
