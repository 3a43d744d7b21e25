// A secret that ends: fetched when it is first needed, and again some minutes before its end.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "storage/scheme.h"

namespace kinglet::storage {

template <class T>
struct Expiring {
  T value;
  std::optional<WallTime> expires;  // never, when absent
};

// Thread-safe. One thread fetches while the others wait for it.
template <class T>
class Renewed {
 public:
  using Fetch = std::function<Result<Expiring<T>>(const Context&)>;
  explicit Renewed(Fetch fetch) : fetch_(std::move(fetch)) {}

  Result<T> Get(const Context& context) {
    std::lock_guard lock(mutex_);
    WallTime now = std::chrono::system_clock::now();
    if (Fresh(now)) return current_->value;
    auto next = fetch_(context);
    if (next) {
      current_ = std::move(*next);
      fetched_ = std::chrono::steady_clock::now();
      if (current_->expires) {
        // Short-lived ones serve for most of their life.
        margin_ = std::clamp<Duration>((*current_->expires - now) / 4, Duration::zero(), kMargin);
      }
      return current_->value;
    }
    // A value that is not over yet is better than none.
    if (current_ && now < *current_->expires) return current_->value;
    return Unexpected(next.error());
  }

  // Called when a server refused the value. True when the next Get fetches a new one: not when this
  // one is so young that another would be the same.
  bool Drop() {
    std::lock_guard lock(mutex_);
    if (!Fresh(std::chrono::system_clock::now())) return true;
    if (!current_->expires || std::chrono::steady_clock::now() - fetched_ < kYoung) return false;
    current_.reset();
    return true;
  }

 private:
  static constexpr Duration kMargin = std::chrono::minutes(5);
  static constexpr Duration kYoung = std::chrono::seconds(30);

  bool Fresh(WallTime now) const {
    return current_ && (!current_->expires || now + margin_ < *current_->expires);
  }

  Fetch fetch_;
  std::mutex mutex_;
  std::optional<Expiring<T>> current_;
  SteadyTime fetched_;
  Duration margin_ = kMargin;
};

}  // namespace kinglet::storage
