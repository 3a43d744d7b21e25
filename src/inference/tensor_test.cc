#include "inference/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace kinglet::inference {
namespace {

TEST(DataType, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DataType::kBytes); ++i) {
    auto type = static_cast<DataType>(i);
    EXPECT_EQ(ParseDataType(DataTypeName(type)), type);
  }
  EXPECT_EQ(DataTypeName(DataType::kFp32), "FP32");
  EXPECT_EQ(DataTypeSize(DataType::kInt16), 2u);
  EXPECT_EQ(DataTypeSize(DataType::kBytes), 0u);
  EXPECT_FALSE(ParseDataType("fp32"));
  EXPECT_FALSE(ParseDataType(""));
}

TEST(ElementCount, ChecksDimensions) {
  auto count = [](std::vector<int64_t> shape) { return ElementCount(shape); };
  EXPECT_EQ(count({}), 1u);
  EXPECT_EQ(count({2, 3}), 6u);
  EXPECT_EQ(count({0, 5}), 0u);
  EXPECT_FALSE(count({-1}));
  EXPECT_FALSE(count({int64_t{1} << 40, int64_t{1} << 40}));
  EXPECT_FALSE(count({0, int64_t{1} << 62, 1 << 20}));
  EXPECT_FALSE(ElementCount(std::vector<int64_t>{11}, 10));
}

TEST(Tensor, ResetKeepsOneStorage) {
  Tensor tensor;
  tensor.Reset("a", DataType::kFp64, {2, 3});
  EXPECT_EQ(tensor.data.size(), 48u);
  EXPECT_EQ(tensor.rows(), 2u);
  EXPECT_EQ(tensor.columns(), 3u);
  tensor.Reset("b", DataType::kBytes, {2});
  EXPECT_TRUE(tensor.data.empty());
  EXPECT_EQ(tensor.strings.size(), 2u);
  tensor.Reset("c", DataType::kInt8, {});
  EXPECT_TRUE(tensor.strings.empty());
  EXPECT_EQ(tensor.size(), 1u);
  tensor.Reset("d", DataType::kFp32, {0, 4});
  EXPECT_EQ(tensor.columns(), 0u);
}

TEST(Tensor, ConvertsAsNumpyAstype) {
  Tensor tensor;
  tensor.Reset("x", DataType::kInt8, {2});
  tensor.As<int8_t>()[0] = -1;
  tensor.As<int8_t>()[1] = 7;
  std::vector<double> out(2);
  ASSERT_TRUE(ConvertTo(tensor, std::span<double>(out)));
  EXPECT_EQ(out, (std::vector<double>{-1, 7}));
  tensor.Reset("x", DataType::kBool, {2});
  tensor.As<uint8_t>()[0] = 2;
  tensor.As<uint8_t>()[1] = 0;
  ASSERT_TRUE(ConvertTo(tensor, std::span<double>(out)));
  EXPECT_EQ(out, (std::vector<double>{1, 0}));
  tensor.Reset("x", DataType::kUint64, {2});
  tensor.As<uint64_t>()[0] = ~uint64_t{0};
  tensor.As<uint64_t>()[1] = 5;
  ASSERT_TRUE(ConvertTo(tensor, std::span<double>(out)));
  EXPECT_EQ(out[0], 18446744073709551616.0);
  tensor.Reset("x", DataType::kBytes, {2});
  EXPECT_EQ(ConvertTo(tensor, std::span<double>(out)).error().code(), Code::kInvalidArgument);
  std::vector<float> wrong(3);
  tensor.Reset("x", DataType::kFp32, {2});
  EXPECT_FALSE(ConvertTo(tensor, std::span<float>(wrong)));
}

TEST(Half, AllValuesRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = HalfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value))));
    } else {
      EXPECT_EQ(FloatToHalf(value), bits) << value;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), 0x3c00);  // tie: to even
  EXPECT_EQ(FloatToHalf(1.0f + 0x3p-11f), 0x3c02);  // tie: to even, up
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0x0000);         // tie below the smallest subnormal
  EXPECT_EQ(FloatToHalf(0x1.000002p-25f), 0x0001);
}

}  // namespace
}  // namespace kinglet::inference
