// Counters, gauges and histograms in Prometheus' text format. A registry is owned by main and
// handed down; series live as long as it. Updating a series takes no lock.
// https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"

namespace kinglet {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  void Add(double by = 1);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double by);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);
  // Prometheus' default buckets, seconds.
  static std::vector<double> DefaultBounds();

 private:
  friend class MetricsRegistry;
  std::vector<double> bounds_;                         // upper bounds, ascending, without +Inf
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;    // bounds_.size() + 1
  std::atomic<double> sum_{0};
};

class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();

  // The series of that name and labels, made on first use. One name has one type: asking for it
  // as another type aborts. Takes a lock: keep the reference.
  Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels = {},
                          std::vector<double> bounds = Histogram::DefaultBounds());

  // Text exposition 0.0.4, with process_* series (CPU, memory, descriptors, start time).
  std::string Expose() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<Guarded<State>> state_;
};

}  // namespace kinglet
