#include "inference/v2/typed_data.h"

#include <cmath>
#include <limits>

#include "inference/nested_list.h"

namespace kinglet::inference::v2 {
namespace {

// "(2, 3)", as numpy writes a shape.
std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ",", shape[i]);
  }
  text += shape.size() == 1 ? ",)" : ")";
  return text;
}

Unexpected WrongCount(const Tensor& tensor, std::span<const int64_t> shape, size_t count) {
  return Fail(Code::kInvalidArgument, "input '{}': cannot reshape array of size {} into shape {}",
              tensor.name, count, ShapeText(shape));
}

// Replaces one -1 so that the shape has `count` elements.
Status InferShape(Tensor* tensor, size_t count) {
  std::vector<int64_t> shape = tensor->shape;
  int64_t* open = nullptr;
  for (int64_t& dimension : shape) {
    if (dimension != -1) continue;
    if (open != nullptr) {
      return Fail(Code::kInvalidArgument, "input '{}': only one dimension may be -1", tensor->name);
    }
    open = &dimension;
  }
  if (open == nullptr) return {};
  *open = 1;
  auto rest = ElementCount(shape);
  if (!rest) return Unexpected(rest.error().WithContext("input '" + tensor->name + "'"));
  if (*rest == 0 || count % *rest != 0) return WrongCount(*tensor, tensor->shape, count);
  *open = static_cast<int64_t>(count / *rest);
  tensor->shape = shape;
  return {};
}

template <class T>
bool StoreNumber(JsonReader& reader, const JsonReader::Number& number, T* out) {
  if constexpr (std::is_floating_point_v<T>) {
    *out = static_cast<T>(number.real);
  } else if (number.is_integer) {
    if (!std::in_range<T>(number.integer)) {
      return reader.Reject("an integer is outside of its datatype's range");
    }
    *out = static_cast<T>(number.integer);
  } else {
    // Truncates as numpy does. The bounds are powers of two and so exact.
    double whole = std::trunc(number.real);
    constexpr double kEnd = std::is_signed_v<T>
                                ? -static_cast<double>(std::numeric_limits<T>::min())
                                : 2.0 * (1ull << (std::numeric_limits<T>::digits - 1));
    constexpr double kBegin = static_cast<double>(std::numeric_limits<T>::min());
    if (!(whole >= kBegin && whole < kEnd)) {
      return reader.Reject("a number is outside of its datatype's range");
    }
    *out = static_cast<T>(whole);
  }
  return true;
}

// Reads one value that begins with `next` as a T.
template <class T>
bool ReadElement(JsonReader& reader, char next, T* out) {
  if (next == 't' || next == 'f') {
    bool value = false;
    if (!reader.ReadBool(&value)) return false;
    *out = static_cast<T>(value);
    return true;
  }
  if (std::is_floating_point_v<T> && next == 'n') {
    *out = std::numeric_limits<T>::quiet_NaN();
    return reader.ReadNull();
  }
  JsonReader::Number number;
  return reader.ReadNumber(&number) && StoreNumber(reader, number, out);
}

// The elements go to out[0..capacity); further ones are counted only.
template <class T, class ReadOne>
bool ReadElements(JsonReader& reader, std::span<T> out, ListShape* list_shape, size_t* count,
                  ReadOne&& read) {
  size_t n = 0;
  T overflow{};
  bool good = ReadNestedList(reader, list_shape, [&](char next) {
    T* slot = n < out.size() ? &out[n] : &overflow;
    ++n;
    return read(next, slot);
  });
  *count = n;
  return good;
}

template <class T>
bool ReadNumbers(JsonReader& reader, Tensor* tensor, ListShape* list_shape, size_t* count) {
  return ReadElements<T>(reader, tensor->As<T>(), list_shape, count,
                         [&](char next, T* out) { return ReadElement<T>(reader, next, out); });
}

bool ReadList(JsonReader& reader, Tensor* tensor, ListShape* list_shape, size_t* count) {
  switch (tensor->datatype) {
    case DataType::kBool:
      return ReadElements<uint8_t>(reader, tensor->As<uint8_t>(), list_shape, count,
                                   [&](char next, uint8_t* out) {
                                     double value = 0;
                                     if (!ReadElement(reader, next, &value)) return false;
                                     *out = value != 0;
                                     return true;
                                   });
    case DataType::kInt8:
      return ReadNumbers<int8_t>(reader, tensor, list_shape, count);
    case DataType::kInt16:
      return ReadNumbers<int16_t>(reader, tensor, list_shape, count);
    case DataType::kInt32:
      return ReadNumbers<int32_t>(reader, tensor, list_shape, count);
    case DataType::kInt64:
      return ReadNumbers<int64_t>(reader, tensor, list_shape, count);
    case DataType::kUint8:
      return ReadNumbers<uint8_t>(reader, tensor, list_shape, count);
    case DataType::kUint16:
      return ReadNumbers<uint16_t>(reader, tensor, list_shape, count);
    case DataType::kUint32:
      return ReadNumbers<uint32_t>(reader, tensor, list_shape, count);
    case DataType::kUint64:
      return ReadNumbers<uint64_t>(reader, tensor, list_shape, count);
    case DataType::kFp16:
      return reader.Reject("FP16 has no JSON form");
    case DataType::kFp32:
      return ReadNumbers<float>(reader, tensor, list_shape, count);
    case DataType::kFp64:
      return ReadNumbers<double>(reader, tensor, list_shape, count);
    case DataType::kBytes:
      return ReadElements<std::string>(
          reader, std::span<std::string>(tensor->strings), list_shape, count,
          [&](char, std::string* out) { return reader.ReadString(out); });
  }
  return false;
}

}  // namespace

Status ReadJsonData(JsonReader& reader, Tensor* tensor) {
  ListShape list_shape;
  size_t count = 0;
  bool open = false;
  for (int64_t dimension : tensor->shape) open |= dimension == -1;
  if (open) {
    JsonReader ahead = reader;
    if (!ReadNestedList(ahead, &list_shape, [&](char) {
          ++count;
          return ahead.SkipValue();
        })) {
      return Unexpected(ahead.error().WithContext("input '" + tensor->name + "'"));
    }
    KINGLET_RETURN_IF_ERROR(InferShape(tensor, count));
  }
  auto expected = ElementCount(tensor->shape);
  if (!expected) return Unexpected(expected.error().WithContext("input '" + tensor->name + "'"));
  // An element takes two bytes of JSON: a shape that promises more is wrong, and must not allocate.
  if (*expected > reader.remaining()) {
    std::vector<int64_t> shape = tensor->shape;
    tensor->Reset(std::string(tensor->name), tensor->datatype, {0});
    ReadList(reader, tensor, &list_shape, &count);
    if (!reader.ok()) return Unexpected(reader.error().WithContext("input '" + tensor->name + "'"));
    return WrongCount(*tensor, shape, count);
  }
  tensor->ResizeToShape();
  if (!ReadList(reader, tensor, &list_shape, &count)) {
    return Unexpected(reader.error().WithContext("input '" + tensor->name + "'"));
  }
  if (count != *expected) return WrongCount(*tensor, tensor->shape, count);
  return {};
}

Status ReadBinaryData(std::string_view bytes, Tensor* tensor) {
  size_t element = DataTypeSize(tensor->datatype);
  if (element != 0) {
    if (bytes.size() % element != 0) {
      return Fail(Code::kInvalidArgument, "input '{}': {} bytes are no whole number of {} elements",
                  tensor->name, bytes.size(), DataTypeName(tensor->datatype));
    }
    size_t count = bytes.size() / element;
    KINGLET_RETURN_IF_ERROR(InferShape(tensor, count));
    auto expected = ElementCount(tensor->shape);
    if (!expected) return Unexpected(expected.error().WithContext("input '" + tensor->name + "'"));
    if (*expected != count) return WrongCount(*tensor, tensor->shape, count);
    tensor->ResizeToShape();
    if (!bytes.empty()) std::memcpy(tensor->data.data(), bytes.data(), bytes.size());
    return {};
  }
  // Counted first, so that nothing is allocated for lengths that lead nowhere.
  size_t count = 0;
  for (size_t at = 0; at < bytes.size(); ++count) {
    uint32_t length = 0;
    if (bytes.size() - at >= 4) std::memcpy(&length, bytes.data() + at, 4);
    if (bytes.size() - at < 4 || bytes.size() - at - 4 < length) {
      return Fail(Code::kInvalidArgument, "input '{}': its BYTES element {} is cut short",
                  tensor->name, count);
    }
    at += 4 + size_t{length};
  }
  KINGLET_RETURN_IF_ERROR(InferShape(tensor, count));
  auto expected = ElementCount(tensor->shape);
  if (!expected) return Unexpected(expected.error().WithContext("input '" + tensor->name + "'"));
  if (*expected != count) return WrongCount(*tensor, tensor->shape, count);
  tensor->ResizeToShape();
  size_t at = 0;
  for (std::string& text : tensor->strings) {
    uint32_t length = 0;
    std::memcpy(&length, bytes.data() + at, 4);
    text.assign(bytes.substr(at + 4, length));
    at += 4 + size_t{length};
  }
  return {};
}

size_t BinaryDataSize(const Tensor& tensor) {
  if (tensor.datatype != DataType::kBytes) return tensor.data.size();
  size_t size = 0;
  for (const std::string& text : tensor.strings) size += 4 + text.size();
  return size;
}

void AppendBinaryData(const Tensor& tensor, std::string* out) {
  if (tensor.datatype != DataType::kBytes) {
    out->append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    return;
  }
  for (const std::string& text : tensor.strings) {
    uint32_t length = static_cast<uint32_t>(text.size());
    out->append(reinterpret_cast<const char*>(&length), 4);
    out->append(text);
  }
}

}  // namespace kinglet::inference::v2
