// A token bucket that makes its callers wait.
#pragma once

#include <mutex>
#include <stop_token>

#include "base/clock.h"
#include "kube/wait.h"

namespace kinglet::kube {

// Thread-safe. Callers are served in the order in which they came.
class RateLimiter {
 public:
  // qps 0: no limit.
  RateLimiter(double qps, int burst) : qps_(qps), burst_(burst < 1 ? 1 : burst) {}

  // False when stop was requested first.
  bool Wait(const std::stop_token& stop) {
    if (qps_ <= 0) return !stop.stop_requested();
    Duration delay = Take(std::chrono::steady_clock::now());
    return delay <= Duration::zero() ? !stop.stop_requested() : SleepFor(delay, stop);
  }

  // Takes a token and tells how long to wait for it.
  Duration Take(SteadyTime now) {
    std::lock_guard lock(mutex_);
    Duration interval =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / qps_));
    // `full_` is when the bucket would be full again if nobody took more.
    if (full_ < now) full_ = now;
    full_ += interval;
    return full_ - now - interval * burst_;
  }

 private:
  const double qps_;
  const int burst_;
  std::mutex mutex_;
  SteadyTime full_{};
};

}  // namespace kinglet::kube
