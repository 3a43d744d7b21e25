// Unpacking of model archives (tar, also compressed, and zip), contained beneath a folder: absolute
// names, "..", links that lead out, hard links, devices and clashing names are refused, and the
// size is limited by total, count and ratio.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/path.h"

namespace kinglet::storage {

struct ArchiveLimits {
  uint64_t max_entries = 1'000'000;
  uint64_t max_total_bytes = uint64_t{1} << 41;  // 2 TiB
  // Unpacked over packed size; looked at beyond ratio_free_bytes only, since small texts compress
  // well.
  uint64_t max_ratio = 200;
  uint64_t ratio_free_bytes = uint64_t{256} << 20;
};

// The limits of several archives together, of `packed` bytes in all: what one unpacks to is to be
// taken from max_total_bytes for the next.
ArchiveLimits Together(const ArchiveLimits& limits, uint64_t packed);

// Whether KServe would unpack a file of this name: .tar, .tgz, .tar.gz (and .bz2, .xz), .zip.
bool IsArchiveName(std::string_view name);

// Unpacks the open file into the folder. Gives the files made. kInvalidArgument with KServe's
// "Failed to unpack archive file. The file format is not valid." and why. With `beneath` only what
// lies beneath that folder of the archive, its name cut off, and there may be nothing.
Result<std::vector<StagedFile>> UnpackArchive(int archive, int folder, const ArchiveLimits& limits,
                                              std::stop_token stop = {},
                                              std::string_view beneath = {});

// Whether links (path to target, both relative to one folder) stay in the folder, followed as the
// kernel would: two that are harmless alone can combine to a way out, and one that leads nowhere
// today may lead somewhere tomorrow.
Status CheckLinks(const std::map<std::string, std::string>& targets);

// Decodes the gzip file `packed` into the empty file `unpacked`. Gives the size.
Result<uint64_t> Gunzip(int packed, int unpacked, const ArchiveLimits& limits,
                        std::stop_token stop = {});

}  // namespace kinglet::storage
