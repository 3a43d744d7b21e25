// Any bytes as a V2 JSON body.
#include "inference/v2/request.h"
#include "inference/v2/response.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  using namespace kinglet::inference;
  static std::vector<Tensor> inputs;  // reused, as a server does
  static v2::InferHead head;
  auto rejection = v2::DecodeInferRequest({reinterpret_cast<const char*>(data), size}, std::nullopt,
                                          "m", &head, &inputs);
  if (!rejection) {
    for (const Tensor& tensor : inputs) {
      KINGLET_CHECK(tensor.datatype == DataType::kBytes
                        ? tensor.strings.size() == tensor.size()
                        : tensor.data.size() == tensor.size() * DataTypeSize(tensor.datatype));
    }
    std::string body;
    (void)v2::EncodeInferResponse("m", head.id, head, inputs, &body);
  }
  return 0;
}
