#include "inference/decimal.h"

#include <array>

namespace kinglet::inference {
namespace {

__extension__ using Wide = unsigned __int128;

// A divisor with its highest bit moved to the top, and its reciprocal: floor((2^128 - 1) / divisor)
// - 2^64.
struct Divisor {
  uint64_t value;
  uint64_t reciprocal;
  int shift;
};

constexpr std::array<Divisor, kMostDecimals + 1> kPowersOfTen = [] {
  std::array<Divisor, kMostDecimals + 1> powers{};
  uint64_t power = 1;
  for (Divisor& divisor : powers) {
    divisor.shift = std::countl_zero(power);
    divisor.value = power << divisor.shift;
    divisor.reciprocal = static_cast<uint64_t>(~Wide{0} / divisor.value);
    power *= 10;
  }
  return powers;
}();

// (high * 2^64 + low) / divisor for high < divisor, with the lowest bit set where there is a
// remainder. N. Moeller and T. Granlund, "Improved division by invariant integers", algorithm 4.
uint64_t Divide(uint64_t high, uint64_t low, const Divisor& divisor) {
  const Wide estimate = Wide{divisor.reciprocal} * high + (Wide{high} << 64 | low);
  uint64_t quotient = static_cast<uint64_t>(estimate >> 64) + 1;
  uint64_t remainder = low - quotient * divisor.value;
  if (remainder > static_cast<uint64_t>(estimate)) {
    --quotient;
    remainder += divisor.value;
  }
  if (remainder >= divisor.value) {
    ++quotient;
    remainder -= divisor.value;
  }
  return quotient | (remainder != 0);
}

}  // namespace

double DivideByPowerOfTen(uint64_t mantissa, int decimals) {
  if (mantissa == 0) return 0;
  const Divisor& divisor = kPowersOfTen[static_cast<size_t>(decimals)];
  const int shift = std::countl_zero(mantissa);
  const uint64_t normal = mantissa << shift;
  // The quotient has 62 or 63 bits: its lowest one only says "and something more" to the single
  // rounding, which is the conversion to a double.
  const uint64_t quotient = Divide(normal >> 2, normal << 62, divisor);
  const auto exponent = static_cast<uint64_t>(1023 + divisor.shift - shift - 62);
  return static_cast<double>(static_cast<int64_t>(quotient)) *
         std::bit_cast<double>(exponent << 52);
}

}  // namespace kinglet::inference
