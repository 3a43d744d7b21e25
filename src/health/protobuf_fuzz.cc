// Foreign bytes as an answer of Ray's GCS: read or refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "health/ray.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)kinglet::health::CountAliveNodesOf({reinterpret_cast<const char*>(data), size});
  return 0;
}
