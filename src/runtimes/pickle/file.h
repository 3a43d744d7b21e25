// A pickle file's bytes: read whole and, where joblib compressed it (zlib, gzip, bz2, lzma, xz,
// lz4), decompressed, with a bound on what a bomb may become.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::runtimes::pickle {

struct DecompressLimits {
  size_t base = size_t{16} << 20;  // allowed whatever the file's size
  size_t ratio = 256;              // and this many times the file's size
  size_t total = size_t{8} << 30;  // and never more than this
};

// The whole file; kNotFound or kInvalidArgument where it cannot be read.
Result<std::string> ReadFileBytes(const std::filesystem::path& file);

// `bytes` as they are where no known compression's magic begins them.
Result<std::string> Decompress(std::string bytes, const DecompressLimits& limits = {});

}  // namespace kinglet::runtimes::pickle
