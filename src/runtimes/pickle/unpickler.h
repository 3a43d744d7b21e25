// Reads a pickle (protocols 0 to 5, plain or written by joblib >= 0.10) into a Graph. The opcodes
// are those of Python's Lib/pickletools.py. The stream is foreign: memory stays within about forty
// times its size whatever it says, and no depth of nesting makes anything recurse.
//
// Where joblib's pickler left an array's bytes in the stream behind a NumpyArrayWrapper, the
// graph has a kArray node in the wrapper's place.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "runtimes/pickle/graph.h"

namespace kinglet::runtimes::pickle {

struct UnpickleLimits {
  size_t max_nodes = size_t{1} << 27;
  size_t max_stack = size_t{1} << 26;
};

// kInvalidArgument for anything malformed, truncated or not allowed (see allowlist.h).
Result<std::unique_ptr<const Graph>> Unpickle(Bytes bytes, const UnpickleLimits& limits = {});

}  // namespace kinglet::runtimes::pickle
