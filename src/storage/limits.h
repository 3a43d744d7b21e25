// How much one download may take of this machine, whatever a server, a listing or an archive says.
// (How far archives unpack: ArchiveLimits in archive.h.)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::storage {

// Objects of a listing; files and folders that are made.
inline constexpr size_t kMaxNames = 1'000'000;
// Their names, all together.
inline constexpr size_t kMaxNameBytes = size_t{256} << 20;
// JSON values of a listing's answer: several for each object, each far larger than its text.
inline constexpr size_t kMaxListingValues = 20 * kMaxNames;
// Of a model, unless STORAGE_MAX_BYTES says otherwise.
inline constexpr uint64_t kMaxModelBytes = uint64_t{1} << 41;  // 2 TiB

// "2199023255552", or with a suffix of Kubernetes quantities: Ki, Mi, Gi, Ti, k, M, G, T.
Result<uint64_t> ParseBytes(std::string_view text);

// The sum, or the largest number where it would be larger.
uint64_t AddWithoutWrap(uint64_t a, uint64_t b);

// Leaves other users of a volume some of it. Thread-safe.
class FreeSpace {
 public:
  // Of the volume of this open file or folder, which is used in the constructor and in Take only.
  explicit FreeSpace(int fd) : fd_(fd) {}

  // kResourceExhausted when `needed` more bytes would leave less than the reserve.
  Status Check(uint64_t needed) const;
  // So many bytes were written: looks at the volume now and then.
  Status Take(uint64_t bytes);

 private:
  int fd_;
  std::atomic<uint64_t> since_{0};  // bytes written after the last look
};

}  // namespace kinglet::storage
