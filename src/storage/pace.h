// How many connections a download has: a few at first, more while more bring more, fewer when the
// server asks for less.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace kinglet::storage {

// Thread-safe.
class Pace {
 public:
  // `most`: never more connections than that.
  explicit Pace(int most);

  int allowed() const;
  // To be told often: the bytes received until now, and whether all allowed connections were used,
  // for otherwise nothing is learnt of their number.
  void Measure(uint64_t received, bool all_used, SteadyTime now);
  // The server answered that it is too much: 429 or 503.
  void Refused(SteadyTime now);

 private:
  void Hold(SteadyTime now, int allowed);

  const int most_;
  mutable std::mutex mutex_;
  int allowed_;
  int before_ = 0;          // the number before the last raise, 0 when that was judged
  double rate_before_ = 0;  // and what it brought
  uint64_t received_ = 0;   // when the period began
  SteadyTime began_{};      // of the period
  SteadyTime held_until_{};
};

}  // namespace kinglet::storage
