#include "storage/progress.h"

#include <algorithm>

namespace kinglet::storage {

Reporter::Reporter(Options options, const FetchCounters& counters, uint64_t total_bytes,
                   uint64_t total_files)
    : options_(std::move(options)),
      counters_(counters),
      started_(std::chrono::steady_clock::now()),
      last_(started_),
      last_received_(counters.received),
      counted_bytes_(counters.received) {
  now_.total_bytes = total_bytes;
  now_.total_files = total_files;
}

void Reporter::Tick(bool last) {
  auto time = std::chrono::steady_clock::now();
  if (options_.metrics) UpdateMetrics();
  if (!options_.on_progress || (!last && time - last_ < options_.interval)) return;
  double interval = std::chrono::duration<double>(time - last_).count();
  uint64_t received = counters_.received;
  now_.bytes = counters_.present;
  now_.files = counters_.files;
  now_.bytes_per_second =
      interval > 0 ? static_cast<double>(received - last_received_) / interval : 0;
  double left = static_cast<double>(now_.total_bytes) - static_cast<double>(now_.bytes);
  double overall = std::chrono::duration<double>(time - started_).count();
  double average = overall > 0 ? static_cast<double>(received) / overall : 0;
  now_.eta_seconds = now_.total_bytes && average > 0 ? std::max(left, 0.0) / average : -1;
  last_ = time;
  last_received_ = received;
  options_.on_progress(now_);
}

void Reporter::UpdateMetrics() {
  MetricsRegistry& m = *options_.metrics;
  m.GetGauge("kinglet_storage_model_bytes_present", "Bytes of the model in place")
      .Set(static_cast<double>(counters_.present));
  m.GetGauge("kinglet_storage_model_bytes", "Bytes of the model, 0 while unknown")
      .Set(static_cast<double>(now_.total_bytes));
  m.GetGauge("kinglet_storage_model_files_present", "Files of the model in place")
      .Set(static_cast<double>(counters_.files));
  m.GetGauge("kinglet_storage_model_files", "Files of the model")
      .Set(static_cast<double>(now_.total_files));
  m.GetGauge("kinglet_storage_connections", "Requests for bytes under way")
      .Set(counters_.connections);
  Count("kinglet_storage_received_bytes_total", "Bytes received over the network",
        counters_.received, counted_bytes_);
  Count("kinglet_storage_retries_total", "Requests that were repeated", counters_.retries,
        counted_retries_);
  Count("kinglet_storage_hedged_requests_total", "Second requests beside a silent one",
        counters_.hedges, counted_hedges_);
  Count("kinglet_storage_hedged_bytes_total", "Bytes received by them", counters_.hedged_bytes,
        counted_hedged_);
}

void Reporter::Count(const char* name, const char* help, uint64_t now, uint64_t& counted) {
  options_.metrics->GetCounter(name, help).Add(static_cast<double>(now - counted));
  counted = now;
}

std::string HumanBytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string ProgressLine(const Progress& p) {
  auto bytes = static_cast<double>(p.bytes);
  std::string line;
  if (p.total_bytes) {
    line = fmt::format("{:.0f}% {} of {}", 100 * bytes / static_cast<double>(p.total_bytes),
                       HumanBytes(bytes), HumanBytes(static_cast<double>(p.total_bytes)));
  } else {
    line = HumanBytes(bytes);
  }
  line +=
      fmt::format(", {} of {} files, {}/s", p.files, p.total_files, HumanBytes(p.bytes_per_second));
  if (p.eta_seconds >= 0) {
    auto left = std::chrono::seconds(static_cast<int64_t>(p.eta_seconds));
    line += fmt::format(", {} left", HumanDuration(left));
  }
  return line;
}

}  // namespace kinglet::storage
