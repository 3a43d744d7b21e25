// A pickle file's bytes, decompressed where joblib compressed them (zlib, gzip, bz2, lzma, xz,
// lz4), with a bound on what a bomb may become: the smallest of 16 MiB plus 256 times the file's
// size, and 8 GiB.
#pragma once

#include <string>

#include "base/budget.h"
#include "base/result.h"

namespace kinglet::runtimes::pickle {

// Returns `bytes` unchanged if they do not begin with the magic of a known compression. Otherwise
// raises the limits of the file's budget to those of what it holds.
Result<std::string> Decompress(std::string bytes, Budget& budget);

}  // namespace kinglet::runtimes::pickle
