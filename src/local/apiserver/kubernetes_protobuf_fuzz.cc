// Any bytes as a Kubernetes protobuf body of a Pod or a Deployment.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "local/apiserver/protobuf.h"
#include "local/apiserver/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  using namespace kinglet::local;
  static const SchemaTable table = LoadBuiltinSchemas();
  if (size < 1) return 0;
  const char* kind = data[0] % 2 == 0 ? "core.v1.Pod" : "apps.v1.Deployment";
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto object = DecodeKubernetesProtobuf(
      bytes, [&](std::string_view, std::string_view) { return table.at(kind).get(); });
  if (object) (void)object->Dump();
  return 0;
}
