#include "storage/pace.h"

#include <algorithm>

namespace kinglet::storage {

namespace {

constexpr int kFirst = 4;
constexpr Duration kPeriod = std::chrono::milliseconds(500);
constexpr Duration kHold = std::chrono::seconds(5);  // after a step down
constexpr double kWorthIt = 1.05;                    // what a raise must bring to be kept

}  // namespace

Pace::Pace(int most) : most_(std::max(most, 1)), allowed_(std::min(most_, kFirst)) {}

int Pace::allowed() const {
  std::lock_guard lock(mutex_);
  return allowed_;
}

void Pace::Hold(SteadyTime now, int allowed) {
  allowed_ = allowed;
  before_ = 0;
  held_until_ = now + kHold;
}

void Pace::Measure(uint64_t received, bool all_used, SteadyTime now) {
  std::lock_guard lock(mutex_);
  bool first = began_ == SteadyTime{};
  if (!first && all_used && now - began_ < kPeriod) return;
  double rate = static_cast<double>(received - received_) /
                std::max(std::chrono::duration<double>(now - began_).count(), 1e-9);
  received_ = received;
  began_ = now;
  if (first || !all_used) return;
  if (before_ > 0 && rate < rate_before_ * kWorthIt) return Hold(now, before_);
  before_ = 0;
  if (allowed_ >= most_ || now < held_until_) return;
  before_ = allowed_;
  rate_before_ = rate;
  allowed_ = std::min(most_, allowed_ + std::max(1, allowed_ / 2));
}

void Pace::Refused(SteadyTime now) {
  std::lock_guard lock(mutex_);
  // Requests that were under way together are refused together: one step down for all of them.
  if (now < held_until_ - kHold + kPeriod) return;
  Hold(now, std::max(1, allowed_ / 2));
}

}  // namespace kinglet::storage
