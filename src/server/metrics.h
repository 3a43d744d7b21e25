// The series a model server exposes: KServe's request_*_seconds, and our own.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string_view>

#include "base/metrics.h"

namespace kinglet::server {

// KServe's histograms of one model (label model_name).
struct ModelMetrics {
  ModelMetrics(MetricsRegistry& registry, std::string_view model);
  Histogram& preprocess;  // decoding the request
  Histogram& predict;
  Histogram& explain;
  Histogram& postprocess;  // encoding the response
};

// Whole-server series. Updating takes no lock.
class ServerMetrics {
 public:
  explicit ServerMetrics(MetricsRegistry& registry);
  MetricsRegistry& registry() { return registry_; }
  Gauge& in_flight() { return in_flight_; }
  void CountResponse(int status);

 private:
  MetricsRegistry& registry_;
  Gauge& in_flight_;
  // By status - 100; made on first use.
  std::array<std::atomic<Counter*>, 500> responses_{};
};

}  // namespace kinglet::server
