#include "kube/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace kinglet::kube {
namespace {

constexpr __int128 kNano = 1'000'000'000;
constexpr __int128 kCap = static_cast<__int128>(std::numeric_limits<int64_t>::max()) * kNano;

struct Suffix {
  std::string_view text;
  int base;  // 2 or 10
  int exponent;
};
constexpr std::array<Suffix, 16> kSuffixes = {{{"n", 10, -9},
                                               {"u", 10, -6},
                                               {"m", 10, -3},
                                               {"", 10, 0},
                                               {"k", 10, 3},
                                               {"M", 10, 6},
                                               {"G", 10, 9},
                                               {"T", 10, 12},
                                               {"P", 10, 15},
                                               {"E", 10, 18},
                                               {"Ki", 2, 10},
                                               {"Mi", 2, 20},
                                               {"Gi", 2, 30},
                                               {"Ti", 2, 40},
                                               {"Pi", 2, 50},
                                               {"Ei", 2, 60}}};

std::string_view SuffixFor(int base, int exponent) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.base == base && suffix.exponent == exponent) return suffix.text;
  }
  return "";
}

__int128 Capped(__int128 value) { return std::clamp(value, -kCap, kCap); }

// Rounded away from zero.
__int128 DivideUp(__int128 value, __int128 by) {
  __int128 quotient = value / by;
  if (value % by != 0) quotient += value > 0 ? 1 : -1;
  return quotient;
}

// magnitude * 10^power, capped; non-negative.
__int128 Scale(__int128 magnitude, int power) {
  for (; power > 0 && magnitude <= kCap && magnitude; --power) magnitude *= 10;
  if (power < 0) {
    bool rest = false;
    for (; power < 0 && magnitude; ++power) {
      rest = rest || magnitude % 10 != 0;
      magnitude /= 10;
    }
    if (rest) ++magnitude;
  }
  return std::min(magnitude, kCap);
}

std::string Int128Text(__int128 value) {
  if (value == 0) return "0";
  bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) {
    int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

Unexpected BadFormat() {
  return Fail(Code::kInvalidArgument,
              "quantities must match the regular expression "
              "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

}  // namespace

Quantity Quantity::FromInt(int64_t value, Format format) {
  Quantity out;
  out.nano_ = Capped(static_cast<__int128>(value) * kNano);
  out.format_ = format;
  return out;
}

Quantity Quantity::FromMilli(int64_t milli) {
  Quantity out;
  out.nano_ = static_cast<__int128>(milli) * (kNano / 1000);
  return out;
}

Result<Quantity> Quantity::Parse(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  // The digits that count, and the power of ten of the last one.
  std::string digits;
  int power = 0;
  bool dot = false, any = false;
  size_t at = 0;
  for (; at < rest.size() && at < 4096; ++at) {
    char c = rest[at];
    if (c == '.' && !dot) {
      dot = true;
    } else if (c >= '0' && c <= '9') {
      any = true;
      if (dot) --power;
      if (!digits.empty() || c != '0') digits += c;
    } else {
      break;
    }
  }
  rest.remove_prefix(at);
  if (!any) return BadFormat();

  Quantity out;
  int shift = 0;
  auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(),
                             [&](const Suffix& s) { return s.text == rest; });
  if (suffix != kSuffixes.end()) {
    if (suffix->base == 2) {
      out.format_ = Format::kBinarySI;
      shift = suffix->exponent;
    } else {
      power += suffix->exponent;
    }
  } else if (rest.size() > 1 && (rest[0] == 'e' || rest[0] == 'E')) {
    rest.remove_prefix(rest[1] == '+' ? 2 : 1);
    int exponent = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
    if (error != std::errc() || end != rest.data() + rest.size()) return BadFormat();
    out.format_ = Format::kDecimalExponent;
    power += std::clamp(exponent, -5000, 5000);
  } else {
    return BadFormat();
  }

  // Digits beyond what 128 bits hold can only round up.
  size_t room = shift ? 19 : 28;
  bool sticky = false;
  if (digits.size() > room) {
    sticky = digits.find_first_not_of('0', room) != std::string::npos;
    power += static_cast<int>(digits.size() - room);
    digits.resize(room);
  }
  __int128 magnitude = 0;
  for (char c : digits) magnitude = magnitude * 10 + (c - '0');
  magnitude <<= shift;
  __int128 nano = Scale(magnitude, power + 9);
  if (sticky && power + 9 <= 0) nano = std::min(nano + 1, kCap);
  out.nano_ = negative ? -nano : nano;
  return out;
}

Result<Quantity> Quantity::FromJson(const Json& value) {
  if (value.IsString()) return Parse(value.AsString());
  if (value.IsNumber()) return Parse(value.Dump());
  return Fail(Code::kInvalidArgument, "a quantity is a string or a number, not {}",
              value.TypeName());
}

std::strong_ordering Quantity::operator<=>(const Quantity& other) const {
  if (nano_ == other.nano_) return std::strong_ordering::equal;
  return nano_ < other.nano_ ? std::strong_ordering::less : std::strong_ordering::greater;
}

Quantity Quantity::operator+(const Quantity& other) const {
  Quantity out = *this;
  if (IsZero()) out.format_ = other.format_;
  out.nano_ = Capped(nano_ + other.nano_);
  return out;
}

Quantity Quantity::operator-(const Quantity& other) const {
  Quantity out = *this;
  if (IsZero()) out.format_ = other.format_;
  out.nano_ = Capped(nano_ - other.nano_);
  return out;
}

int64_t Quantity::Value() const { return static_cast<int64_t>(DivideUp(nano_, kNano)); }

int64_t Quantity::MilliValue() const {
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(DivideUp(nano_, kNano / 1000), -kMax, kMax));
}

double Quantity::AsDouble() const { return static_cast<double>(nano_) / 1e9; }

std::string Quantity::ToString() const {
  if (nano_ == 0) return "0";
  __int128 limit = 1024 * kNano;
  if (format_ == Format::kBinarySI && nano_ % kNano == 0 && (nano_ >= limit || nano_ <= -limit)) {
    __int128 value = nano_ / kNano;
    int exponent = 0;
    for (; exponent < 60 && value % 1024 == 0; exponent += 10) value /= 1024;
    return Int128Text(value) + std::string(SuffixFor(2, exponent));
  }
  __int128 mantissa = nano_;
  int exponent = -9;
  for (; exponent < 18 && mantissa % 1000 == 0; exponent += 3) mantissa /= 1000;
  if (format_ == Format::kDecimalExponent) {
    return exponent ? fmt::format("{}e{}", Int128Text(mantissa), exponent) : Int128Text(mantissa);
  }
  return Int128Text(mantissa) + std::string(SuffixFor(10, exponent));
}

}  // namespace kinglet::kube
