// Tensors as JSON lists, as numpy's tolist and orjson give them: floats are written as doubles
// (0.1f is 0.10000000149011612), NaN and infinities as null.
#pragma once

#include <string>

#include "inference/tensor.h"

namespace kinglet::inference {

// Appends elements [begin, end), separated by commas. False where a BYTES element is not UTF-8.
bool AppendElements(const Tensor& tensor, size_t begin, size_t end, std::string* out);

// Appends the nested lists of the dimensions from `dimension` on, beginning with element *index,
// which is moved past them. A scalar where no dimension is left.
bool AppendNested(const Tensor& tensor, size_t dimension, size_t* index, std::string* out);

}  // namespace kinglet::inference
