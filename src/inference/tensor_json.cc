#include "inference/tensor_json.h"

#include <simdjson.h>

#include "base/json.h"
#include "inference/number_text.h"

namespace kinglet::inference {
namespace {

template <class T, class Wide>
void AppendNumbers(const Tensor& tensor, size_t begin, size_t end, std::string* out) {
  auto values = tensor.As<T>().subspan(begin, end - begin);
  bool first = true;
  for (T value : values) {
    if (!first) out->push_back(',');
    first = false;
    AppendNumber(out, static_cast<Wide>(value));
  }
}

}  // namespace

bool AppendElements(const Tensor& tensor, size_t begin, size_t end, std::string* out) {
  switch (tensor.datatype) {
    case DataType::kBool:
      for (size_t i = begin; i < end; ++i) {
        if (i != begin) out->push_back(',');
        out->append(tensor.data[i] == std::byte{0} ? "false" : "true");
      }
      break;
    case DataType::kInt8:
      AppendNumbers<int8_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kInt16:
      AppendNumbers<int16_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kInt32:
      AppendNumbers<int32_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kInt64:
      AppendNumbers<int64_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kUint8:
      AppendNumbers<uint8_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kUint16:
      AppendNumbers<uint16_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kUint32:
      AppendNumbers<uint32_t, int64_t>(tensor, begin, end, out);
      break;
    case DataType::kUint64:
      AppendNumbers<uint64_t, uint64_t>(tensor, begin, end, out);
      break;
    case DataType::kFp16:
      for (size_t i = begin; i < end; ++i) {
        if (i != begin) out->push_back(',');
        AppendNumber(out, static_cast<double>(HalfToFloat(tensor.As<uint16_t>()[i])));
      }
      break;
    case DataType::kFp32:
      AppendNumbers<float, double>(tensor, begin, end, out);
      break;
    case DataType::kFp64:
      AppendNumbers<double, double>(tensor, begin, end, out);
      break;
    case DataType::kBytes:
      for (size_t i = begin; i < end; ++i) {
        if (i != begin) out->push_back(',');
        const std::string& text = tensor.strings[i];
        if (!simdjson::validate_utf8(text)) return false;
        AppendJsonString(*out, text);
      }
      break;
  }
  return true;
}

bool AppendNested(const Tensor& tensor, size_t dimension, size_t* index, std::string* out) {
  size_t dimensions = tensor.shape.size();
  if (dimension >= dimensions) {
    size_t at = (*index)++;
    return AppendElements(tensor, at, at + 1, out);
  }
  auto length = static_cast<size_t>(tensor.shape[dimension]);
  out->push_back('[');
  if (dimension + 1 == dimensions) {
    if (!AppendElements(tensor, *index, *index + length, out)) return false;
    *index += length;
  } else {
    for (size_t i = 0; i < length; ++i) {
      if (i != 0) out->push_back(',');
      if (!AppendNested(tensor, dimension + 1, index, out)) return false;
    }
  }
  out->push_back(']');
  return true;
}

}  // namespace kinglet::inference
