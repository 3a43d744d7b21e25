// Waiting that a stop token ends.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/clock.h"

namespace kinglet::kube {

// True when the whole time passed; false when stop was requested first.
inline bool SleepFor(Duration duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  return !wake.wait_for(lock, stop, duration, [&] { return stop.stop_requested(); }) &&
         !stop.stop_requested();
}

// `duration` and up to `fraction` more, so that many waiters do not come back together.
Duration Jittered(Duration duration, double fraction);

// Doubles from `base` to `cap`; Reset starts over.
class Backoff {
 public:
  Backoff(Duration base, Duration cap) : base_(base), cap_(cap), next_(base) {}
  Duration Next() {
    Duration current = next_;
    next_ = std::min(cap_, next_ * 2);
    return Jittered(current, 1.0);
  }
  void Reset() { next_ = base_; }

 private:
  Duration base_, cap_, next_;
};

}  // namespace kinglet::kube
