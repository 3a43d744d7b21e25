// JSON lists and raw bytes as tensors of a given datatype.
#pragma once

#include <string_view>

#include "base/result.h"
#include "inference/json_reader.h"
#include "inference/tensor.h"

namespace kinglet::inference::v2 {

// Fills `tensor`, whose name, datatype and shape are set (one dimension may be -1 and is found
// here), from the list that `reader` stands before. kInvalidArgument says which input is wrong.
Status ReadJsonData(JsonReader& reader, Tensor* tensor);

// The same from row-major little-endian bytes; BYTES elements are a uint32 length and the bytes.
Status ReadBinaryData(std::string_view bytes, Tensor* tensor);

// Appends the elements as raw bytes.
void AppendBinaryData(const Tensor& tensor, std::string* out);
size_t BinaryDataSize(const Tensor& tensor);

}  // namespace kinglet::inference::v2
