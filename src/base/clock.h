// Time: a clock that tests can replace, and deadlines that travel with work.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using namespace std::chrono_literals;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;   // never goes back
  virtual WallTime Wall() const = 0;    // for people and protocols

  static const Clock& System();
};

// A clock that stands still until it is told. Thread-safe.
class FakeClock : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(Duration(offset_.load())); }
  WallTime Wall() const override;
  void Advance(Duration by) { offset_ += by.count(); }

 private:
  std::atomic<int64_t> offset_{3'600'000'000'000};
};

// A point in time by which work must be done.
class Deadline {
 public:
  static Deadline Never() { return Deadline(SteadyTime::max()); }
  static Deadline After(Duration duration) {
    return Deadline(std::chrono::steady_clock::now() + duration);
  }
  explicit Deadline(SteadyTime at) : at_(at) {}

  bool IsNever() const { return at_ == SteadyTime::max(); }
  bool Expired() const { return !IsNever() && std::chrono::steady_clock::now() >= at_; }
  // Zero when expired; a very long time when never.
  Duration Remaining() const;
  SteadyTime at() const { return at_; }
  Deadline Min(Deadline other) const { return at_ < other.at_ ? *this : other; }

 private:
  SteadyTime at_;
};

// metav1.Time: "2026-01-02T03:04:05Z".
std::string FormatRfc3339(WallTime time);
// metav1.MicroTime: "2026-01-02T03:04:05.000000Z".
std::string FormatRfc3339Micro(WallTime time);
Result<WallTime> ParseRfc3339(std::string_view text);
// Go's time.ParseDuration: "1h30m", "250ms".
Result<Duration> ParseDuration(std::string_view text);
// "4m12s", "3d", as kubectl prints ages.
std::string HumanDuration(Duration duration);

}  // namespace kinglet
