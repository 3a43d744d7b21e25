#include <cstdint>
#include <string_view>

#include "storage/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)kinglet::storage::ParseXml({reinterpret_cast<const char*>(data), size},
                                   {.max_bytes = 1 << 16, .max_depth = 16, .max_elements = 1000});
  return 0;
}
