// Any bytes as JSON: what is read and written reads back equal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  auto value = Json::Parse({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  auto again = Json::Parse(value->Dump());
  KINGLET_CHECK(again && *again == *value);
  (void)value->DumpPretty();
  return 0;
}
