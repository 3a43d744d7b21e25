#include "inference/decimal.h"

#include <gtest/gtest.h>

#include <charconv>
#include <random>
#include <string>

#include "inference/json_reader.h"

namespace kinglet::inference {
namespace {

double FromChars(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

TEST(Decimal, EightDigits) {
  uint32_t value = 0;
  EXPECT_TRUE(ReadEightDigits("12345678", &value));
  EXPECT_EQ(value, 12345678u);
  EXPECT_TRUE(ReadEightDigits("00000000", &value));
  EXPECT_EQ(value, 0u);
  EXPECT_TRUE(ReadEightDigits("99999999", &value));
  EXPECT_EQ(value, 99999999u);
  for (size_t at = 0; at < 8; ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string text = "98765432";
      text[at] = static_cast<char>(c);
      EXPECT_EQ(ReadEightDigits(text.data(), &value), c >= '0' && c <= '9') << at << " " << c;
    }
  }
}

TEST(Decimal, DividesWithOneRounding) {
  std::mt19937_64 random(1);
  auto check = [](uint64_t mantissa, int decimals) {
    const std::string text = std::to_string(mantissa) + "e-" + std::to_string(decimals);
    ASSERT_EQ(DivideByPowerOfTen(mantissa, decimals), FromChars(text)) << text;
  };
  for (int decimals = 0; decimals <= kMostDecimals; ++decimals) {
    for (int i = 0; i < 2000; ++i) {
      check(random() >> random() % 64, decimals);
      // Halfway between two doubles, and one beside it.
      const uint64_t half = (random() >> 10 | uint64_t{1} << 53) * 2 + 1;
      check(half, decimals);
      check((half << 9) + random() % 3 - 1, decimals);
    }
    for (uint64_t edge : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, ~uint64_t{0} - 1}) {
      check(edge, decimals);
    }
  }
}

TEST(Decimal, ReaderAgreesWithFromChars) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string text = random() % 2 ? "-" : "";
    text += std::to_string(random() % 3 ? random() % 10 : random() % 100000);
    text += '.';
    for (size_t digits = 1 + random() % 24; digits > 0; --digits) {
      text += static_cast<char>('0' + random() % 10);
    }
    if (random() % 4 == 0) text += "e" + std::to_string(static_cast<int>(random() % 40) - 20);
    JsonReader reader(text);
    JsonReader::Number number;
    ASSERT_TRUE(reader.ReadNumber(&number) && reader.Finish()) << text;
    ASSERT_EQ(number.real, FromChars(text)) << text;
  }
}

}  // namespace
}  // namespace kinglet::inference
