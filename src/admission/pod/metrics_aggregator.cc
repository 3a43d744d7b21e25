#include "admission/pod/pod.h"
#include "api/constants.h"
#include "api/containers.h"

namespace kinglet::admission {
namespace {

constexpr std::string_view kQueueProxyMetricsPort = "9091";
constexpr int kAggregateMetricsPort = 9088;
constexpr std::string_view kAggregatePortName = "aggr-metric";

void AggregateInQueueProxy(const Pod& pod, Json& queue_proxy) {
  auto add = [&](std::string_view name, std::string_view value) {
    api::MergeEnv(queue_proxy, Json::MakeObject({{"name", name}, {"value", value}}));
  };
  add("KSERVE_CONTAINER_PROMETHEUS_METRICS_PORT",
      pod.AnnotationOr(api::annotation::kKservePrometheusPort, "8080"));
  add("KSERVE_CONTAINER_PROMETHEUS_METRICS_PATH",
      pod.AnnotationOr(api::annotation::kKservePrometheusPath, "/metrics"));
  add("AGGREGATE_PROMETHEUS_METRICS_PORT", std::to_string(kAggregateMetricsPort));
  for (const Json& port : queue_proxy["ports"].AsArray()) {
    if (port["name"].AsString() == kAggregatePortName) return;
  }
  queue_proxy.Ref("ports").Push(Json::MakeObject({{"name", kAggregatePortName},
                                                  {"containerPort", kAggregateMetricsPort},
                                                  {"protocol", "TCP"}}));
}

}  // namespace

Status InjectMetricsAggregator(Pod& pod) {
  if (!pod.config.metrics_aggregator) return Unexpected(pod.config.metrics_aggregator.error());
  const auto& config = *pod.config.metrics_aggregator;
  auto setting = [&](std::string_view key, const std::string& fallback) {
    if (!pod.Annotation(key)) pod.SetAnnotation(key, fallback);
    return pod.AnnotationOr(key, "") == "true";
  };
  const bool aggregate =
      setting(api::annotation::kEnableMetricAggregation, config.enable_metric_aggregation);
  Json* queue_proxy = pod.Container(api::kQueueProxy);
  if (aggregate && queue_proxy) AggregateInQueueProxy(pod, *queue_proxy);
  if (setting(api::annotation::kEnablePrometheusScraping, config.enable_prometheus_scraping)) {
    pod.SetAnnotation(api::annotation::kPrometheusPort, aggregate
                                                            ? std::to_string(kAggregateMetricsPort)
                                                            : std::string(kQueueProxyMetricsPort));
    pod.SetAnnotation(api::annotation::kPrometheusPath, "/metrics");
  }
  return {};
}

}  // namespace kinglet::admission
