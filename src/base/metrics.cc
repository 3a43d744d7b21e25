#include "base/metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <variant>

#include "base/json.h"
#include "base/result.h"

namespace kinglet {
namespace {

void AtomicAdd(std::atomic<double>& value, double by) {
  double old = value.load(std::memory_order_relaxed);
  while (!value.compare_exchange_weak(old, old + by, std::memory_order_relaxed)) {
  }
}

using Series = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>,
                            std::unique_ptr<Histogram>>;

struct Family {
  std::string help;
  std::map<Labels, Series> series;
};

std::string LabelText(const Labels& labels, std::string_view le = {}) {
  if (labels.empty() && le.empty()) return "";
  std::string text = "{";
  auto add = [&](std::string_view key, std::string_view value) {
    if (text.size() > 1) text += ',';
    text += key;
    text += "=\"";
    for (char c : value) {
      if (c == '\\') text += "\\\\";
      else if (c == '"') text += "\\\"";
      else if (c == '\n') text += "\\n";
      else text += c;
    }
    text += '"';
  };
  for (const auto& [key, value] : labels) add(key, value);
  if (!le.empty()) add("le", le);
  return text + "}";
}

std::string Number(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::string text;
  AppendJsonNumber(text, value);
  return text;
}

void Line(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  out += labels;
  out += ' ';
  out += Number(value);
  out += '\n';
}

void Head(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void ExposeProcess(std::string& out) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  Head(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
       "counter");
  Line(out, "process_cpu_seconds_total", "", seconds(usage.ru_utime) + seconds(usage.ru_stime));
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    unsigned long total = 0, resident = 0;
    if (std::fscanf(file, "%lu %lu", &total, &resident) == 2) {
      double page = static_cast<double>(sysconf(_SC_PAGESIZE));
      Head(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge");
      Line(out, "process_virtual_memory_bytes", "", static_cast<double>(total) * page);
      Head(out, "process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
      Line(out, "process_resident_memory_bytes", "", static_cast<double>(resident) * page);
    }
    std::fclose(file);
  }
  if (DIR* dir = opendir("/proc/self/fd")) {
    int count = -3;  // ".", ".." and this descriptor
    while (readdir(dir)) ++count;
    closedir(dir);
    Head(out, "process_open_fds", "Number of open file descriptors.", "gauge");
    Line(out, "process_open_fds", "", count);
  }
}

}  // namespace

void Counter::Add(double by) { AtomicAdd(value_, by); }
void Gauge::Add(double by) { AtomicAdd(value_, by); }

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(new std::atomic<uint64_t>[bounds_.size() + 1]{}) {}

void Histogram::Observe(double value) {
  size_t bucket = 0;
  while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  AtomicAdd(sum_, value);
}

std::vector<double> Histogram::DefaultBounds() {
  return {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
}

struct MetricsRegistry::State {
  std::map<std::string, Family, std::less<>> families;

  template <class T, class Make>
  T& Get(std::string_view name, std::string_view help, const Labels& labels, Make make) {
    Family& family = families[std::string(name)];
    if (family.series.empty()) family.help = help;
    auto it = family.series.find(labels);
    if (it == family.series.end()) it = family.series.emplace(labels, make()).first;
    auto* series = std::get_if<std::unique_ptr<T>>(&it->second);
    KINGLET_CHECK(series != nullptr);
    return **series;
  }
};

MetricsRegistry::MetricsRegistry() : state_(std::make_unique<Guarded<State>>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter& MetricsRegistry::GetCounter(std::string_view name, std::string_view help,
                                     const Labels& labels) {
  auto state = state_->Acquire();
  return state->Get<Counter>(name, help, labels, [] { return std::make_unique<Counter>(); });
}

Gauge& MetricsRegistry::GetGauge(std::string_view name, std::string_view help,
                                 const Labels& labels) {
  auto state = state_->Acquire();
  return state->Get<Gauge>(name, help, labels, [] { return std::make_unique<Gauge>(); });
}

Histogram& MetricsRegistry::GetHistogram(std::string_view name, std::string_view help,
                                         const Labels& labels, std::vector<double> bounds) {
  auto state = state_->Acquire();
  return state->Get<Histogram>(name, help, labels, [&] {
    return std::make_unique<Histogram>(std::move(bounds));
  });
}

std::string MetricsRegistry::Expose() const {
  std::string out;
  ExposeProcess(out);
  auto state = state_->Acquire();
  for (const auto& [name, family] : state->families) {
    static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
    Head(out, name, family.help, kTypes[family.series.begin()->second.index()]);
    for (const auto& [labels, series] : family.series) {
      if (auto* counter = std::get_if<std::unique_ptr<Counter>>(&series)) {
        Line(out, name, LabelText(labels), (*counter)->value());
      } else if (auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&series)) {
        Line(out, name, LabelText(labels), (*gauge)->value());
      } else {
        const Histogram& histogram = *std::get<std::unique_ptr<Histogram>>(series);
        uint64_t total = 0;
        for (size_t i = 0; i <= histogram.bounds_.size(); ++i) {
          total += histogram.counts_[i].load(std::memory_order_relaxed);
          double bound = i < histogram.bounds_.size() ? histogram.bounds_[i] : INFINITY;
          Line(out, name + "_bucket", LabelText(labels, Number(bound)),
               static_cast<double>(total));
        }
        Line(out, name + "_sum", LabelText(labels), histogram.sum_.load());
        Line(out, name + "_count", LabelText(labels), static_cast<double>(total));
      }
    }
  }
  return out;
}

}  // namespace kinglet
