// Decimal digits to numbers, for the many short fractions in a request's JSON.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

namespace kinglet::inference {

// The value of eight digits at p, of which at least eight bytes can be read; false where one is no
// digit.
inline bool ReadEightDigits(const char* p, uint32_t* value) {
  if constexpr (std::endian::native != std::endian::little) return false;
  uint64_t bytes;
  std::memcpy(&bytes, p, 8);
  // Upper halves are 3, and stay so when 6 is added: '0' to '9'.
  constexpr uint64_t kUpper = 0xf0f0f0f0f0f0f0f0, kZeros = 0x3030303030303030;
  if ((bytes & kUpper) != kZeros || ((bytes + 0x0606060606060606) & kUpper) != kZeros) return false;
  bytes &= ~kUpper;
  // Neighbours are joined to numbers of two, four and eight digits, all pairs at once.
  bytes = (bytes * (1 + (10 << 8)) >> 8) & 0x00ff00ff00ff00ff;
  bytes = (bytes * (1 + (100 << 16)) >> 16) & 0x0000ffff0000ffff;
  *value = static_cast<uint32_t>(bytes * (1 + (uint64_t{10000} << 32)) >> 32);
  return true;
}

inline constexpr int kMostDecimals = 19;  // 10^19 still fits 64 bits

// mantissa / 10^decimals, correctly rounded. decimals is 0 to kMostDecimals.
double DivideByPowerOfTen(uint64_t mantissa, int decimals);

}  // namespace kinglet::inference
