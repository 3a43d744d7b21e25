// KServe's V1 protocol (TensorFlow Serving's): {"instances": [...]} in, {"predictions": [...]} out.
// https://kserve.github.io/website/0.15/modelserving/data_plane/v1_protocol/
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/tensor.h"

namespace kinglet::inference::v1 {

struct DecodedRequest {
  // `inputs` hold one tensor a column (the instances were objects).
  bool columns = false;
  // False: the object has neither "inputs" nor "instances", and nothing was decoded.
  bool has_instances = false;
};

// Decodes a request's body into `inputs`, reusing its storage. "inputs" wins over "instances".
//  * nested lists of values become one tensor named "instances" (datatypes: CellBuilder);
//  * a list of objects, or of lists of objects, becomes one tensor [rows] a key, in order of first
//    appearance. A value may be a scalar (one row), a list (a row each) or an object of
//    index -> value, as pandas.DataFrame takes them. Keys absent from a row are NaN.
// Other members are checked and passed over. Errors are kInvalidArgument.
Result<DecodedRequest> DecodeRequest(std::string_view body, std::vector<Tensor>* inputs);

// Appends {"predictions": ...}: one output as nested lists of its shape; several as a list of
// objects, one a row, a member an output. kInternal where they cannot be written.
Status EncodeResponse(std::span<const Tensor> outputs, std::string* body);

}  // namespace kinglet::inference::v1
