#include "inference/number_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace kinglet::inference {
namespace {

std::string Text(double value) {
  std::string out;
  AppendNumber(&out, value);
  return out;
}

// The right side is what Python's repr gives.
TEST(AppendNumber, FormatsDoublesAsPython) {
  EXPECT_EQ(Text(1), "1.0");
  EXPECT_EQ(Text(-0.0), "-0.0");
  EXPECT_EQ(Text(0.1), "0.1");
  EXPECT_EQ(Text(-1234.5), "-1234.5");
  EXPECT_EQ(Text(1e-4), "0.0001");
  EXPECT_EQ(Text(1e-5), "1e-05");
  EXPECT_EQ(Text(123456789012345.0), "123456789012345.0");
  EXPECT_EQ(Text(9007199254740992.0), "9007199254740992.0");
  EXPECT_EQ(Text(1e16), "1e+16");
  EXPECT_EQ(Text(1.5e300), "1.5e+300");
  EXPECT_EQ(Text(1234567890123456.2), "1234567890123456.2");
  EXPECT_EQ(Text(5e-324), "5e-324");
  EXPECT_EQ(Text(0.10000000149011612), "0.10000000149011612");
  EXPECT_EQ(Text(std::nan("")), "null");
  EXPECT_EQ(Text(HUGE_VAL), "null");
}

TEST(AppendNumber, Integers) {
  std::string out;
  AppendNumber(&out, std::numeric_limits<int64_t>::min());
  out += ' ';
  AppendNumber(&out, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(out, "-9223372036854775808 18446744073709551615");
}

TEST(AppendNumber, ReadsBackEqual) {
  uint64_t state = 88172645463325252u;
  for (int i = 0; i < 20'000; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    double value;
    static_assert(sizeof(value) == sizeof(state));
    std::memcpy(&value, &state, sizeof(value));
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtod(Text(value).c_str(), nullptr), value);
    double small = static_cast<double>(state % 100'000'000) / 1000;
    EXPECT_EQ(std::strtod(Text(small).c_str(), nullptr), small);
  }
}

}  // namespace
}  // namespace kinglet::inference
