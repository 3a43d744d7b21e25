// Any bytes: reading them as a (possibly compressed) pickle ends in a graph or an error.
#include <cstdint>
#include <string>

#include "runtimes/pickle/file.h"
#include "runtimes/pickle/ndarray.h"
#include "runtimes/pickle/unpickler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace pickle = kinglet::runtimes::pickle;
  // Small bounds keep one run short; the shapes of the errors are the same.
  kinglet::Budget budget({.input = size, .bytes = 1 << 22, .steps = 1 << 22});
  auto plain = pickle::Decompress(std::string(reinterpret_cast<const char*>(data), size), budget);
  if (!plain) return 0;
  auto graph = pickle::Unpickle(std::move(*plain), budget);
  if (!graph) return 0;
  const pickle::Value root = (*graph)->root();
  for (const pickle::Value value : {root, root.Attr("coef_"), root[0], root.state()}) {
    auto array = pickle::ReadArray(value, budget);
    if (!array) continue;
    (void)pickle::CopyNumbers<double>(*array, budget);
    (void)pickle::CopyNumbers<int64_t>(*array, budget);
    (void)pickle::CopyStrings(*array, budget);
  }
  return 0;
}
