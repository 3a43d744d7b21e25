// The Open Inference Protocol's (V2) inference request over REST: JSON, and JSON followed by raw
// tensors (binary data extension).
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/tensor.h"

namespace kinglet::inference::v2 {

struct RequestedOutput {
  std::string name;
  bool binary_data = false;
};

// Everything of a request but its tensors. Reused between requests.
struct InferHead {
  std::string id;                        // "" when the client gave none
  bool columns = false;                  // parameters.content_type is "pd"
  bool binary_data_output = false;       // parameters.binary_data_output
  std::vector<RequestedOutput> outputs;  // empty: all
};

// Why a request was refused.
struct Rejection {
  Error error;
  // Not empty: a JSON request that breaks the schema; the answer is 422 with this body, in the
  // form FastAPI gives it: {"detail":[{"type","loc","msg","input"}]}.
  std::string schema_errors;
};

// Decodes a body whose first `json_length` bytes are JSON, followed by the binary inputs in order;
// without a length the whole body is JSON and each input must carry "data". `model_name` is for
// messages. Storage in `head` and `inputs` is reused.
//
// A JSON datum may be nested or flat; its values are converted as numpy does, except that numbers
// an integer type cannot hold are refused. One dimension of a shape may be -1.
std::optional<Rejection> DecodeInferRequest(std::string_view body,
                                            std::optional<size_t> json_length,
                                            std::string_view model_name, InferHead* head,
                                            std::vector<Tensor>* inputs);

}  // namespace kinglet::inference::v2
