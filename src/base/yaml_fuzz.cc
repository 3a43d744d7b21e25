// Any bytes as YAML documents; what is read can be written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  auto documents = ParseYamlDocuments({reinterpret_cast<const char*>(data), size});
  if (!documents) return 0;
  for (const Json& document : *documents) (void)DumpYaml(document);
  return 0;
}
