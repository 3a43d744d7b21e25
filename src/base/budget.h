// What reading one piece of foreign bytes (a model file, a request's body) may cost.
//
// A short file can describe something huge: it can refer to one array a million times, claim a
// thousand million outputs, or nest without end. Every reader of foreign bytes therefore takes the
// Budget of what it reads and pays for memory before it allocates, and for work that the bytes do
// not pay for themselves (passing once over the input needs no payment). The limits are
// proportional to the size of the input, with a floor for small inputs; they are far above what
// real files need, and a file that exceeds one is refused with kInvalidArgument and a message that
// names the limit.
//
// Not synchronised: a budget belongs to the one thread that reads.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace kinglet {

class Budget {
 public:
  struct Limits {
    uint64_t input = 0;  // bytes of the input
    uint64_t bytes = 0;  // memory
    uint64_t steps = 0;  // work; a step is about as much as reading one byte
    int depth = 64;      // nesting
  };

  // The limits for an input of `size` bytes.
  static Limits LimitsFor(uint64_t size);

  explicit Budget(const Limits& limits) : limits_(limits) {}
  static Budget ForInput(uint64_t size) { return Budget(LimitsFor(size)); }
  Budget(const Budget&) = delete;  // a copy would be a second budget for the same input
  Budget& operator=(const Budget&) = delete;

  // The input proved to be compressed and holds `plain` bytes: raises the limits as for an input
  // of that size, but of at most kMaxExpansion times the compressed one.
  void Decompressed(uint64_t plain);

  // Pays for memory. What is freed later is not given back.
  Status Allocate(uint64_t bytes) {
    if (bytes > limits_.bytes - bytes_used_) [[unlikely]]
      return NoMemory(bytes);
    bytes_used_ += bytes;
    return {};
  }
  // For `count` items of `size` bytes each, which may overflow.
  Status Allocate(uint64_t count, uint64_t size) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) [[unlikely]]
      return NoMemory(UINT64_MAX);
    return Allocate(bytes);
  }

  // Pays for work.
  Status Spend(uint64_t steps) {
    if (steps > limits_.steps - steps_used_) [[unlikely]]
      return NoSteps();
    steps_used_ += steps;
    return {};
  }
  Status Spend(uint64_t count, uint64_t steps) {
    uint64_t total = 0;
    if (__builtin_mul_overflow(count, steps, &total)) [[unlikely]]
      return NoSteps();
    return Spend(total);
  }

  // A count that the input states without listing what it counts ("outputs"): refused if it is
  // over the number of the input's bytes (or over 1024, if the input is shorter).
  Status CheckClaim(uint64_t count, std::string_view what) const;

  // One more level of nesting, until the Level is destroyed.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(&budget) { ++budget.depth_; }
    Level(Level&& other) noexcept : budget_(other.budget_) { other.budget_ = nullptr; }
    Level& operator=(Level&&) = delete;
    ~Level() {
      if (budget_ != nullptr) --budget_->depth_;
    }

   private:
    Budget* budget_;
  };
  Result<Level> Enter() {
    if (depth_ >= limits_.depth) [[unlikely]]
      return TooDeep();
    return Level(*this);
  }

  const Limits& limits() const { return limits_; }
  uint64_t bytes_used() const { return bytes_used_; }
  uint64_t steps_used() const { return steps_used_; }

  static constexpr uint64_t kBytesFloor = uint64_t{64} << 20, kBytesRatio = 32;
  static constexpr uint64_t kStepsFloor = uint64_t{64} << 20, kStepsRatio = 64;
  static constexpr uint64_t kMaxExpansion = 16;

 private:
  Unexpected NoMemory(uint64_t bytes) const;
  Unexpected NoSteps() const;
  Unexpected TooDeep() const;

  Limits limits_;
  uint64_t bytes_used_ = 0;
  uint64_t steps_used_ = 0;
  int depth_ = 0;
};

}  // namespace kinglet
