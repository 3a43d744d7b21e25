#include "storage/limits.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "storage/progress.h"

namespace kinglet::storage {
namespace {

// Left free: the smaller of a twentieth of the volume and this.
constexpr uint64_t kReserve = uint64_t{256} << 20;
constexpr uint64_t kReserveShare = 20;
constexpr uint64_t kLookEach = uint64_t{1} << 20;

struct Suffix {
  std::string_view text;
  uint64_t factor;
};
constexpr Suffix kSuffixes[] = {
    {"", 1},
    {"Ki", uint64_t{1} << 10},
    {"Mi", uint64_t{1} << 20},
    {"Gi", uint64_t{1} << 30},
    {"Ti", uint64_t{1} << 40},
    {"k", 1'000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"T", 1'000'000'000'000},
};

}  // namespace

Result<uint64_t> ParseBytes(std::string_view text) {
  uint64_t count = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, count);
  const std::string_view suffix(end, static_cast<size_t>(last - end));
  for (const Suffix& known : kSuffixes) {
    if (error != std::errc() || suffix != known.text) continue;
    if (count > std::numeric_limits<uint64_t>::max() / known.factor) break;
    return count * known.factor;
  }
  return Fail(Code::kInvalidArgument,
              "\"{}\" is not a number of bytes: want 500Gi, 2Ti, 1000000000 ...", text);
}

uint64_t AddWithoutWrap(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

Status FreeSpace::Check(uint64_t needed) const {
  struct statvfs info{};
  // Some file systems do not know their size.
  if (fstatvfs(fd_, &info) != 0 || info.f_blocks == 0) return {};
  const uint64_t available = uint64_t{info.f_bavail} * info.f_frsize;
  const uint64_t reserve =
      std::min(kReserve, uint64_t{info.f_blocks} * info.f_frsize / kReserveShare);
  if (AddWithoutWrap(needed, reserve) <= available) return {};
  return Fail(
      Code::kResourceExhausted,
      "the model needs {} more, and of the {} that the volume has free {} are kept free: make "
      "room, or give the volume more",
      HumanBytes(static_cast<double>(needed)), HumanBytes(static_cast<double>(available)),
      HumanBytes(static_cast<double>(reserve)));
}

Status FreeSpace::Take(uint64_t bytes) {
  if (since_.fetch_add(bytes) + bytes < kLookEach) return {};
  since_ = 0;
  return Check(0);
}

}  // namespace kinglet::storage
