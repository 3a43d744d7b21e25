#include "server/inline_limits.h"

#include <algorithm>

#include "base/seeded_hash.h"

namespace kinglet::server {
namespace {

constexpr size_t kFirst = size_t{16} << 10;
constexpr std::chrono::milliseconds kQuick(5), kLong(50);

}  // namespace

InlineLimits::InlineLimits(size_t most) : most_(most) { limits_.fill(std::min(kFirst, most)); }

size_t InlineLimits::Place(std::string_view model) const { return SeededHash()(model) % kPlaces; }

void InlineLimits::Note(std::string_view model, size_t body_bytes, bool answered,
                        std::chrono::nanoseconds took) {
  size_t& limit = limits_[Place(model)];
  if (took > kLong) {
    // What would have been quick.
    const double share = std::chrono::duration<double>(kQuick) / took;
    limit = std::min(limit, static_cast<size_t>(static_cast<double>(body_bytes) * share));
  } else if (answered && took < kQuick && body_bytes >= limit / 2) {
    // The body's own size matters where the limit was zero.
    limit = std::min(most_, std::max(2 * limit, body_bytes));
  }
}

}  // namespace kinglet::server
