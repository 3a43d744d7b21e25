// How far a download is: for people (a line), for code (a callback) and for Prometheus.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "storage/fetch.h"

namespace kinglet::storage {

struct Progress {
  uint64_t bytes = 0, total_bytes = 0;  // total 0: unknown
  uint64_t files = 0, total_files = 0;
  double bytes_per_second = 0;  // over the last interval
  double eta_seconds = -1;      // -1: unknown
};

// "12.3 MiB".
std::string HumanBytes(double bytes);
// "42% 1.2 GiB of 2.9 GiB, 3 of 7 files, 110.4 MiB/s, 16s left".
std::string ProgressLine(const Progress& progress);

// Turns the counters of one download into callbacks and series. Of one thread.
class Reporter {
 public:
  struct Options {
    Duration interval = std::chrono::seconds(2);
    std::function<void(const Progress&)> on_progress;
    MetricsRegistry* metrics = nullptr;
  };
  // `total_bytes` 0: unknown. The counters outlive the reporter.
  Reporter(Options options, const FetchCounters& counters, uint64_t total_bytes,
           uint64_t total_files);
  // Reports when the interval has passed, or at once when this is the last call.
  void Tick(bool last = false);

 private:
  void UpdateMetrics();
  void Count(const char* name, const char* help, uint64_t now, uint64_t& counted);

  Options options_;
  const FetchCounters& counters_;
  SteadyTime started_, last_;
  uint64_t last_received_ = 0;
  // What the counters of metrics have of this.
  uint64_t counted_bytes_ = 0, counted_retries_ = 0, counted_hedges_ = 0, counted_hedged_ = 0;
  Progress now_;
};

}  // namespace kinglet::storage
