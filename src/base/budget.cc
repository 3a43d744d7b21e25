#include "base/budget.h"

#include <algorithm>
#include <limits>

namespace kinglet {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max() / 2;
constexpr uint64_t kClaimFloor = 1024;

uint64_t Scale(uint64_t size, uint64_t ratio, uint64_t floor) {
  return size > (kMost - floor) / ratio ? kMost : floor + ratio * size;
}

}  // namespace

Budget::Limits Budget::LimitsFor(uint64_t size) {
  return {.input = size,
          .bytes = Scale(size, kBytesRatio, kBytesFloor),
          .steps = Scale(size, kStepsRatio, kStepsFloor)};
}

void Budget::Decompressed(uint64_t plain) {
  const Limits raised = LimitsFor(std::min(plain, Scale(limits_.input, kMaxExpansion, 0)));
  limits_.bytes = std::max(limits_.bytes, raised.bytes);
  limits_.steps = std::max(limits_.steps, raised.steps);
  limits_.input = std::max(limits_.input, raised.input);
}

Status Budget::CheckClaim(uint64_t count, std::string_view what) const {
  const uint64_t most = std::max(limits_.input, kClaimFloor);
  if (count <= most) return {};
  return Fail(Code::kInvalidArgument,
              "refused: it claims {} {}, more than {} bytes can describe (limit {})", count, what,
              limits_.input, most);
}

Unexpected Budget::NoMemory(uint64_t bytes) const {
  return Fail(Code::kInvalidArgument,
              "refused: it needs far more memory than its size of {} bytes justifies ({} bytes "
              "were taken and {} more are wanted, the limit is {} bytes)",
              limits_.input, bytes_used_, bytes, limits_.bytes);
}

Unexpected Budget::NoSteps() const {
  return Fail(Code::kInvalidArgument,
              "refused: it needs far more work than its size of {} bytes justifies (the limit is "
              "{} steps)",
              limits_.input, limits_.steps);
}

Unexpected Budget::TooDeep() const {
  return Fail(Code::kInvalidArgument, "refused: it is nested too deeply (the limit is {} levels)",
              limits_.depth);
}

}  // namespace kinglet
