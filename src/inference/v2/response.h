// The Open Inference Protocol's (V2) inference response over REST.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inference/tensor.h"
#include "inference/v2/request.h"

namespace kinglet::inference::v2 {

// Appends the response to `body`. Returns the length of its JSON where binary tensors follow it
// (the header inference-header-content-length), else nothing: all is JSON.
//
// Without requested outputs all outputs are given, binary where the request's binary_data_output
// says so; with them, each as its own binary_data says. kInvalidArgument for an output that is
// requested and not there, and for FP16 in JSON.
Result<std::optional<size_t>> EncodeInferResponse(std::string_view model_name, std::string_view id,
                                                  const InferHead& request,
                                                  std::span<const Tensor> outputs,
                                                  std::string* body);

}  // namespace kinglet::inference::v2
