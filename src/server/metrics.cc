#include "server/metrics.h"

#include <string>

namespace kinglet::server {
namespace {

Histogram& Latency(MetricsRegistry& registry, std::string_view phase, std::string_view model) {
  return registry.GetHistogram("request_" + std::string(phase) + "_seconds",
                               std::string(phase) + " request latency",
                               {{"model_name", std::string(model)}});
}

}  // namespace

ModelMetrics::ModelMetrics(MetricsRegistry& registry, std::string_view model)
    : preprocess(Latency(registry, "preprocess", model)),
      predict(Latency(registry, "predict", model)),
      explain(Latency(registry, "explain", model)),
      postprocess(Latency(registry, "postprocess", model)) {}

ServerMetrics::ServerMetrics(MetricsRegistry& registry)
    : registry_(registry),
      in_flight_(registry.GetGauge("kinglet_requests_in_flight",
                                   "Requests being answered at this moment.")) {}

void ServerMetrics::CountResponse(int status) {
  if (status < 100 || status >= 600) return;
  std::atomic<Counter*>& slot = responses_[static_cast<size_t>(status - 100)];
  Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &registry_.GetCounter("kinglet_requests_total", "Requests answered, by status code.",
                                    {{"code", std::to_string(status)}});
    slot.store(counter, std::memory_order_release);
  }
  counter->Add();
}

}  // namespace kinglet::server
