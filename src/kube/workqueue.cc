#include "kube/workqueue.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace kinglet::kube {
namespace {

// Every fourth taken key is the oldest, so that a stream of urgent keys starves nobody.
constexpr uint64_t kFairEvery = 4;

struct Waiting {
  int priority;
  uint64_t sequence;
  SteadyTime since;
};

struct Delayed {
  SteadyTime due;
  int priority;
};

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct WorkQueue::State {
  struct Metrics {
    Gauge* depth = nullptr;
    Counter* adds = nullptr;
    Counter* retries = nullptr;
    Histogram* queued = nullptr;
    Histogram* worked = nullptr;
    Gauge* unfinished = nullptr;
    Gauge* longest = nullptr;
  };

  explicit State(WorkQueueOptions options)
      : options(std::move(options)),
        clock(this->options.clock ? *this->options.clock : Clock::System()) {
    if (!this->options.metrics) return;
    MetricsRegistry& registry = *this->options.metrics;
    kinglet::Labels labels = {{"controller", this->options.name}, {"name", this->options.name}};
    std::vector<double> bounds = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000};
    metrics.depth = &registry.GetGauge("workqueue_depth", "Current depth of workqueue", labels);
    metrics.adds = &registry.GetCounter("workqueue_adds_total",
                                        "Total number of adds handled by workqueue", labels);
    metrics.retries = &registry.GetCounter("workqueue_retries_total",
                                           "Total number of retries handled by workqueue", labels);
    metrics.queued = &registry.GetHistogram(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested", labels, bounds);
    metrics.worked = &registry.GetHistogram(
        "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.", labels, bounds);
    metrics.unfinished = &registry.GetGauge(
        "workqueue_unfinished_work_seconds",
        "How many seconds of work are in progress and not yet observed by work_duration", labels);
    metrics.longest = &registry.GetGauge(
        "workqueue_longest_running_processor_seconds",
        "How many seconds the longest running processor of workqueue has been running", labels);
  }

  const WorkQueueOptions options;
  const Clock& clock;
  Metrics metrics;
  std::mutex mutex;
  std::condition_variable_any changed;

  std::map<ObjectKey, Waiting> ready;
  std::set<std::tuple<int, uint64_t, ObjectKey>> by_priority;  // (-priority, sequence, key)
  std::map<uint64_t, ObjectKey> by_age;
  std::map<ObjectKey, SteadyTime> working;
  std::map<ObjectKey, int> again;  // added while being worked on, with the priority
  std::map<ObjectKey, Delayed> delayed;
  std::multimap<SteadyTime, ObjectKey> by_due;
  std::map<ObjectKey, int> failures;
  uint64_t next_sequence = 0, taken = 0;
  bool shut = false;

  void Enqueue(const ObjectKey& key, int priority) {
    if (shut) return;
    if (working.contains(key)) {
      auto [it, added] = again.emplace(key, priority);
      if (!added) it->second = std::max(it->second, priority);
      return;
    }
    auto it = ready.find(key);
    if (it == ready.end()) {
      uint64_t sequence = next_sequence++;
      ready.emplace(key, Waiting{priority, sequence, clock.Now()});
      by_priority.emplace(-priority, sequence, key);
      by_age.emplace(sequence, key);
      if (metrics.adds) metrics.adds->Add();
    } else if (it->second.priority < priority) {
      by_priority.erase({-it->second.priority, it->second.sequence, key});
      it->second.priority = priority;
      by_priority.emplace(-priority, it->second.sequence, key);
    }
    Measure();
    changed.notify_one();
  }

  void EnqueueAfter(const ObjectKey& key, Duration delay, int priority) {
    if (shut) return;
    if (delay <= Duration::zero()) {
      Enqueue(key, priority);
      return;
    }
    SteadyTime due = clock.Now() + delay;
    auto it = delayed.find(key);
    if (it != delayed.end()) {
      priority = std::max(priority, it->second.priority);
      due = std::min(due, it->second.due);
      EraseDue(it->second.due, key);
    }
    delayed.insert_or_assign(key, Delayed{due, priority});
    by_due.emplace(due, key);
    // All: whichever of them stays behind must know when to wake.
    changed.notify_all();
  }

  void EraseDue(SteadyTime due, const ObjectKey& key) {
    auto [begin, end] = by_due.equal_range(due);
    auto it = std::find_if(begin, end, [&](const auto& entry) { return entry.second == key; });
    if (it != end) by_due.erase(it);
  }

  void MoveDue() {
    SteadyTime now = clock.Now();
    while (!by_due.empty() && by_due.begin()->first <= now) {
      ObjectKey key = by_due.begin()->second;
      by_due.erase(by_due.begin());
      int priority = delayed.at(key).priority;
      delayed.erase(key);
      Enqueue(key, priority);
    }
  }

  ObjectKey Take() {
    ObjectKey key =
        ++taken % kFairEvery == 0 ? by_age.begin()->second : std::get<2>(*by_priority.begin());
    auto it = ready.find(key);
    by_priority.erase({-it->second.priority, it->second.sequence, key});
    by_age.erase(it->second.sequence);
    if (metrics.queued) metrics.queued->Observe(Seconds(clock.Now() - it->second.since));
    ready.erase(it);
    working.emplace(key, clock.Now());
    Measure();
    return key;
  }

  void Measure() {
    if (!metrics.depth) return;
    metrics.depth->Set(static_cast<double>(ready.size()));
    double total = 0, longest = 0;
    for (const auto& [key, since] : working) {
      double seconds = Seconds(clock.Now() - since);
      total += seconds;
      longest = std::max(longest, seconds);
    }
    metrics.unfinished->Set(total);
    metrics.longest->Set(longest);
  }
};

WorkQueue::WorkQueue(WorkQueueOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
WorkQueue::~WorkQueue() = default;

void WorkQueue::Add(const ObjectKey& key, int priority) {
  std::lock_guard lock(state_->mutex);
  state_->Enqueue(key, priority);
}

void WorkQueue::AddAfter(const ObjectKey& key, Duration delay, int priority) {
  std::lock_guard lock(state_->mutex);
  state_->EnqueueAfter(key, delay, priority);
}

void WorkQueue::AddRateLimited(const ObjectKey& key) {
  std::lock_guard lock(state_->mutex);
  int failures = state_->failures[key]++;
  Duration delay = state_->options.base_delay;
  for (int i = 0; i < failures && delay < state_->options.max_delay; ++i) delay *= 2;
  if (state_->metrics.retries) state_->metrics.retries->Add();
  state_->EnqueueAfter(key, std::min(delay, state_->options.max_delay), 0);
}

void WorkQueue::Forget(const ObjectKey& key) {
  std::lock_guard lock(state_->mutex);
  state_->failures.erase(key);
}

int WorkQueue::Failures(const ObjectKey& key) const {
  std::lock_guard lock(state_->mutex);
  auto it = state_->failures.find(key);
  return it == state_->failures.end() ? 0 : it->second;
}

std::optional<ObjectKey> WorkQueue::Get(std::stop_token stop) {
  std::unique_lock lock(state_->mutex);
  while (!state_->shut && !stop.stop_requested()) {
    state_->MoveDue();
    if (!state_->ready.empty()) return state_->Take();
    Duration wait = std::chrono::hours(1);
    if (!state_->by_due.empty()) {
      wait = std::clamp<Duration>(state_->by_due.begin()->first - state_->clock.Now(),
                                  Duration::zero(), wait);
    }
    // Only for waking up: the loop looks at everything again.
    state_->changed.wait_for(lock, stop, wait,
                             [woken = false]() mutable { return std::exchange(woken, true); });
  }
  return std::nullopt;
}

void WorkQueue::Done(const ObjectKey& key) {
  std::lock_guard lock(state_->mutex);
  auto it = state_->working.find(key);
  if (it == state_->working.end()) return;
  if (state_->metrics.worked) {
    state_->metrics.worked->Observe(Seconds(state_->clock.Now() - it->second));
  }
  state_->working.erase(it);
  if (auto again = state_->again.find(key); again != state_->again.end()) {
    int priority = again->second;
    state_->again.erase(again);
    state_->Enqueue(key, priority);
  }
  state_->Measure();
}

size_t WorkQueue::size() const {
  std::lock_guard lock(state_->mutex);
  return state_->ready.size() + state_->again.size();
}

size_t WorkQueue::delayed() const {
  std::lock_guard lock(state_->mutex);
  return state_->delayed.size();
}

void WorkQueue::ShutDown() {
  std::lock_guard lock(state_->mutex);
  state_->shut = true;
  state_->changed.notify_all();
}

void WorkQueue::Wake() {
  std::lock_guard lock(state_->mutex);
  state_->changed.notify_all();
}

}  // namespace kinglet::kube
