// A pickle file's bytes, decompressed where joblib compressed them (zlib, gzip, bz2, lzma, xz,
// lz4), with a bound on what a bomb may become.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "runtimes/pickle/bytes.h"

namespace kinglet::runtimes::pickle {

struct DecompressLimits {
  size_t base = size_t{16} << 20;  // allowed whatever the file's size
  size_t ratio = 256;              // and this many times the file's size
  size_t total = size_t{8} << 30;  // and never more than this
};

// `bytes` as they are where no known compression's magic begins them.
Result<Bytes> Decompress(Bytes bytes, const DecompressLimits& limits = {});

}  // namespace kinglet::runtimes::pickle
