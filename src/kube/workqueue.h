// The queue between watches and workers: a key is in it once, is never given to two workers at a
// time, and comes back after failures with a per-key exponential delay.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "kube/object.h"

namespace kinglet::kube {

struct WorkQueueOptions {
  std::string name;  // label `name` of the metrics
  Duration base_delay = std::chrono::milliseconds(5);
  Duration max_delay = std::chrono::seconds(1000);
  MetricsRegistry* metrics = nullptr;  // workqueue_depth, _adds_total, _queue_duration_seconds, ...
  const Clock* clock = nullptr;        // null: the system's
};

// Thread-safe.
class WorkQueue {
 public:
  explicit WorkQueue(WorkQueueOptions options = {});
  ~WorkQueue();

  static constexpr int kLowPriority = -100;  // for objects of the first list and for resyncs

  // A key being worked on is queued again when it is done. Higher priorities first, but every
  // fourth key taken is the one that waited longest. Adding again can raise a priority, never lower
  // it.
  void Add(const ObjectKey& key, int priority = 0);
  // The earliest of several delays counts.
  void AddAfter(const ObjectKey& key, Duration delay, int priority = 0);
  // After the key's backoff: base, 2 base, 4 base ... max.
  void AddRateLimited(const ObjectKey& key);
  void Forget(const ObjectKey& key);  // the next failure starts at base again
  int Failures(const ObjectKey& key) const;

  // Blocks. Nothing when the queue shut down or stop was requested. Every key got must be Done.
  std::optional<ObjectKey> Get(std::stop_token stop = {});
  void Done(const ObjectKey& key);

  size_t size() const;  // ready, without delayed ones
  size_t delayed() const;
  // Get returns nothing from now on; adds are ignored.
  void ShutDown();
  // Looks at the clock again: for tests that moved it.
  void Wake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet::kube
