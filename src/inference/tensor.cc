#include "inference/tensor.h"

#include <array>
#include <bit>

namespace kinglet::inference {
namespace {

struct TypeInfo {
  std::string_view name;
  size_t size;
};

// In the order of DataType.
constexpr std::array<TypeInfo, 13> kTypes = {{{"BOOL", 1},
                                              {"INT8", 1},
                                              {"INT16", 2},
                                              {"INT32", 4},
                                              {"INT64", 8},
                                              {"UINT8", 1},
                                              {"UINT16", 2},
                                              {"UINT32", 4},
                                              {"UINT64", 8},
                                              {"FP16", 2},
                                              {"FP32", 4},
                                              {"FP64", 8},
                                              {"BYTES", 0}}};

template <class From, class To>
void Cast(const Tensor& tensor, std::span<To> out) {
  const From* in = reinterpret_cast<const From*>(tensor.data.data());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<To>(in[i]);
}

template <class To>
Status Convert(const Tensor& tensor, std::span<To> out) {
  if (tensor.datatype == DataType::kBytes) {
    return Fail(Code::kInvalidArgument, "input '{}' is text (BYTES) where numbers are needed",
                tensor.name);
  }
  if (tensor.data.size() != out.size() * DataTypeSize(tensor.datatype)) {
    return Fail(Code::kInvalidArgument, "input '{}' has {} bytes where {} {} elements are needed",
                tensor.name, tensor.data.size(), out.size(), DataTypeName(tensor.datatype));
  }
  switch (tensor.datatype) {
    case DataType::kBool:
      // Any non-zero byte is true.
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = tensor.data[i] == std::byte{0} ? To{0} : To{1};
      }
      break;
    case DataType::kInt8:
      Cast<int8_t>(tensor, out);
      break;
    case DataType::kInt16:
      Cast<int16_t>(tensor, out);
      break;
    case DataType::kInt32:
      Cast<int32_t>(tensor, out);
      break;
    case DataType::kInt64:
      Cast<int64_t>(tensor, out);
      break;
    case DataType::kUint8:
      Cast<uint8_t>(tensor, out);
      break;
    case DataType::kUint16:
      Cast<uint16_t>(tensor, out);
      break;
    case DataType::kUint32:
      Cast<uint32_t>(tensor, out);
      break;
    case DataType::kUint64:
      Cast<uint64_t>(tensor, out);
      break;
    case DataType::kFp16: {
      auto in = tensor.As<uint16_t>();
      for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<To>(HalfToFloat(in[i]));
      break;
    }
    case DataType::kFp32:
      Cast<float>(tensor, out);
      break;
    case DataType::kFp64:
      Cast<double>(tensor, out);
      break;
    case DataType::kBytes:
      break;
  }
  return {};
}

}  // namespace

std::string_view DataTypeName(DataType type) { return kTypes[static_cast<size_t>(type)].name; }

std::optional<DataType> ParseDataType(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  }
  return std::nullopt;
}

size_t DataTypeSize(DataType type) { return kTypes[static_cast<size_t>(type)].size; }

Result<size_t> ElementCount(std::span<const int64_t> shape, size_t limit) {
  size_t count = 1;
  bool zero = false;
  for (int64_t dimension : shape) {
    if (dimension < 0) {
      return Fail(Code::kInvalidArgument, "a shape has the negative dimension {}", dimension);
    }
    if (dimension == 0) {
      zero = true;
    } else if (__builtin_mul_overflow(count, static_cast<size_t>(dimension), &count) ||
               count > limit) {
      // Checked even beside a zero, so that no product of some of the dimensions overflows later.
      return Fail(Code::kInvalidArgument, "a shape of {} dimensions has more than {} elements",
                  shape.size(), limit);
    }
  }
  return zero ? 0 : count;
}

size_t Tensor::size() const {
  size_t count = 1;
  for (int64_t dimension : shape) count *= static_cast<size_t>(dimension);
  return count;
}

void Tensor::Reset(std::string_view new_name, DataType type, std::span<const int64_t> new_shape) {
  name.assign(new_name);
  datatype = type;
  shape.assign(new_shape.begin(), new_shape.end());
  ResizeToShape();
}

void Tensor::ResizeToShape() {
  if (datatype == DataType::kBytes) {
    data.clear();
    strings.resize(size());
  } else {
    strings.clear();
    data.resize(size() * DataTypeSize(datatype));
  }
}

Status ConvertTo(const Tensor& tensor, std::span<float> out) { return Convert(tensor, out); }
Status ConvertTo(const Tensor& tensor, std::span<double> out) { return Convert(tensor, out); }

// IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits.
float HalfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1f;
  uint32_t fraction = half & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000 | (fraction << 13));
  if (exponent == 0) {
    // Zero and subnormals are exact multiples of 2^-24.
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

uint16_t FloatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {  // NaN: keep the payload's top bits, stay quiet
    return static_cast<uint16_t>(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to infinity (>= 65520)
  if (magnitude < 0x38800000) {
    // Below 2^-14: adding 2^-1 lines the fraction's last bit up with 2^-24 and rounds to even.
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  uint32_t odd = (magnitude >> 13) & 1;
  uint32_t rounded = magnitude + 0xfff + odd - (112u << 23);
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

}  // namespace kinglet::inference
