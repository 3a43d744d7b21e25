// Any bytes: reading them as a (possibly compressed) pickle ends in a graph or an error.
#include <cstdint>
#include <string>

#include "runtimes/pickle/file.h"
#include "runtimes/pickle/ndarray.h"
#include "runtimes/pickle/unpickler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace pickle = kinglet::runtimes::pickle;
  // Small bounds keep one run short; the shapes of the errors are the same.
  auto plain = pickle::Decompress(std::string(reinterpret_cast<const char*>(data), size),
                                  {.base = 1 << 16, .ratio = 64, .total = 1 << 20});
  if (!plain) return 0;
  auto graph = pickle::Unpickle(std::move(*plain), {.max_nodes = 1 << 16, .max_stack = 1 << 16});
  if (!graph) return 0;
  pickle::Budget budget(1 << 20);
  const pickle::Value root = (*graph)->root();
  for (const pickle::Value value : {root, root.Attr("coef_"), root[0], root.state()}) {
    auto array = pickle::ReadArray(value);
    if (!array) continue;
    (void)pickle::CopyNumbers<double>(*array, budget);
    (void)pickle::CopyNumbers<int64_t>(*array, budget);
    (void)pickle::CopyStrings(*array, budget);
  }
  return 0;
}
