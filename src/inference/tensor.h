// The tensor of the Open Inference Protocol: a name, a datatype, a shape and row-major
// little-endian data. One type for V1, V2 REST, V2 binary and gRPC; codecs convert at the edge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::inference {

// https://github.com/kserve/open-inference-protocol, "Tensor Data Types".
enum class DataType : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
};

std::string_view DataTypeName(DataType type);  // "FP32"
std::optional<DataType> ParseDataType(std::string_view name);
size_t DataTypeSize(DataType type);  // bytes an element; 0 for kBytes

// The product of the dimensions; an error where one is negative or the product overflows or is
// over `limit` elements.
Result<size_t> ElementCount(std::span<const int64_t> shape, size_t limit = size_t{1} << 31);

// A value type. Numeric elements live in `data` (elements * DataTypeSize bytes), BYTES elements
// in `strings`; the other one is empty. Not synchronised.
struct Tensor {
  std::string name;
  DataType datatype = DataType::kFp64;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;
  std::vector<std::string> strings;

  // Product of shape; trusts it (codecs have checked it against data).
  size_t size() const;
  // First dimension, or 1 for a scalar; and elements per row.
  size_t rows() const { return shape.empty() ? 1 : static_cast<size_t>(shape[0]); }
  size_t columns() const { return rows() == 0 ? 0 : size() / rows(); }

  // Sets name, type and shape and sizes the storage, keeping its capacity.
  void Reset(std::string_view new_name, DataType type, std::span<const int64_t> new_shape);
  void Reset(std::string_view new_name, DataType type, std::initializer_list<int64_t> new_shape) {
    Reset(new_name, type, std::span<const int64_t>(new_shape.begin(), new_shape.size()));
  }

  // Sizes the storage to datatype and shape, which somebody else has set and checked.
  void ResizeToShape();

  // The elements as T. T must be the C++ type of `datatype` (float for FP32, ...; kBool is
  // uint8_t). The vector's allocation is aligned for every T.
  template <class T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> As() {
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }
};

// Writes the tensor's elements converted to T (float or double) into out[0..size). Integers,
// floats, halves and bools convert as numpy's astype does; BYTES is kInvalidArgument.
Status ConvertTo(const Tensor& tensor, std::span<float> out);
Status ConvertTo(const Tensor& tensor, std::span<double> out);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);

}  // namespace kinglet::inference
