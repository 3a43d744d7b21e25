// Any bytes as a V1 body; what decodes must encode.
#include "inference/v1/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  using namespace kinglet::inference;
  static std::vector<Tensor> inputs;  // reused, as a server does
  auto decoded = v1::DecodeRequest({reinterpret_cast<const char*>(data), size}, &inputs);
  if (decoded && decoded->has_instances) {
    for (const Tensor& tensor : inputs) {
      KINGLET_CHECK(tensor.datatype == DataType::kBytes
                        ? tensor.strings.size() == tensor.size()
                        : tensor.data.size() == tensor.size() * DataTypeSize(tensor.datatype));
    }
    std::string body;
    KINGLET_CHECK(v1::EncodeResponse(inputs, &body).has_value());
  }
  return 0;
}
