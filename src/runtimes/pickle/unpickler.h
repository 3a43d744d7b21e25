// Reads a pickle (protocols 0 to 5, plain or written by joblib >= 0.10) into a Graph. The opcodes
// are those of Python's Lib/pickletools.py. The stream is foreign: the graph's memory is paid for
// out of the file's budget, each opcode costs a constant, and no depth of nesting makes anything
// recurse.
//
// Where joblib's pickler left an array's bytes in the stream behind a NumpyArrayWrapper, the
// graph has a kArray node in the wrapper's place.
#pragma once

#include <memory>
#include <string>

#include "base/budget.h"
#include "base/result.h"
#include "runtimes/pickle/graph.h"

namespace kinglet::runtimes::pickle {

// kInvalidArgument for anything malformed, truncated, over the budget or not allowed (see
// allowlist.h).
Result<std::unique_ptr<const Graph>> Unpickle(std::string bytes, Budget& budget);

}  // namespace kinglet::runtimes::pickle
