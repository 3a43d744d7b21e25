#include "runtimes/xgboost/value.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

namespace kinglet::runtimes::xgboost {
namespace {

constexpr bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',';
}

// One JSON number, true, false, or what Python and XGBoost write for numbers that JSON has not.
bool ReadNumber(const char*& at, const char* end, double& out) {
  struct Word {
    std::string_view text;
    double value;
  };
  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr Word kWords[] = {{"true", 1},          {"false", 0},
                                    {"NaN", kNan},        {"nan", kNan},
                                    {"-nan", kNan},       {"Infinity", kInfinity},
                                    {"inf", kInfinity},   {"-Infinity", -kInfinity},
                                    {"-inf", -kInfinity}, {"null", kNan}};
  const bool negative = *at == '-';
  const char* first = at + negative;
  if (first == end) return false;
  if (*first < '0' || *first > '9') {
    const std::string_view rest(at, end - at);
    for (const Word& word : kWords) {
      if (rest.starts_with(word.text)) {
        at += word.text.size();
        out = word.value;
        return true;
      }
    }
    return false;
  }
  // Most numbers are small integers: node indices, zeros.
  const char* digit = first;
  int64_t whole = 0;
  while (digit != end && *digit >= '0' && *digit <= '9' && digit - first < 15) {
    whole = whole * 10 + (*digit++ - '0');
  }
  const bool integer =
      digit == end || !((*digit >= '0' && *digit <= '9') || *digit == '.' || (*digit | 32) == 'e');
  if (integer) {
    out = negative ? -static_cast<double>(whole) : static_cast<double>(whole);
    at = digit;
    return true;
  }
  const auto [last, error] = std::from_chars(at, end, out);
  if (error != std::errc()) return false;
  at = last;
  return true;
}

template <class T>
T BigEndian(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
  return value;
}

template <class T, class Convert>
void DecodeEach(std::string_view bytes, std::vector<double>& out, Convert convert) {
  out.resize(bytes.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>(convert(BigEndian<T>(bytes.data() + i * sizeof(T))));
  }
}

}  // namespace

Status PackedNumbers::Decode(std::vector<double>& out) const {
  out.clear();
  if (encoding == Encoding::kJson) {
    const char* at = bytes.data();
    const char* end = at + bytes.size();
    for (;;) {
      while (at != end && IsSpace(*at)) ++at;
      if (at == end) return {};
      double value;
      if (!ReadNumber(at, end, value) || (at != end && !IsSpace(*at))) {
        return Fail(Code::kInvalidArgument, "not a number in an array of numbers: \"{}\"",
                    std::string_view(at, std::min<size_t>(end - at, 24)));
      }
      out.push_back(value);
    }
  }
  switch (type) {
    case 'i':
      DecodeEach<uint8_t>(bytes, out, [](uint8_t x) { return static_cast<int8_t>(x); });
      break;
    case 'U':
      DecodeEach<uint8_t>(bytes, out, [](uint8_t x) { return x; });
      break;
    case 'I':
      DecodeEach<uint16_t>(bytes, out, [](uint16_t x) { return static_cast<int16_t>(x); });
      break;
    case 'l':
      DecodeEach<uint32_t>(bytes, out, [](uint32_t x) { return static_cast<int32_t>(x); });
      break;
    case 'L':
      DecodeEach<uint64_t>(bytes, out, [](uint64_t x) { return static_cast<int64_t>(x); });
      break;
    case 'd':
      DecodeEach<uint32_t>(bytes, out, [](uint32_t x) { return std::bit_cast<float>(x); });
      break;
    case 'D':
      DecodeEach<uint64_t>(bytes, out, [](uint64_t x) { return std::bit_cast<double>(x); });
      break;
    default:
      return Fail(Code::kInvalidArgument, "an array of type '{}', not of numbers", type);
  }
  return {};
}

const Value& Value::operator[](std::string_view key) const {
  static const Value kNull;
  const Members& all = members();
  for (size_t i = all.size(); i-- > 0;) {
    if (all[i].first == key) return all[i].second;
  }
  return kNull;
}

const std::string& Value::text() const {
  static const std::string kEmpty;
  const auto* text = std::get_if<std::string>(&data_);
  return text ? *text : kEmpty;
}

const Value::Items& Value::items() const {
  static const Items kEmpty;
  const auto* items = std::get_if<Items>(&data_);
  return items ? *items : kEmpty;
}

const Value::Members& Value::members() const {
  static const Members kEmpty;
  const auto* members = std::get_if<Members>(&data_);
  return members ? *members : kEmpty;
}

Result<double> Value::Number() const {
  if (const double* number = std::get_if<double>(&data_)) return *number;
  if (IsString()) {
    double value;
    const char* at = text().data();
    const char* end = at + text().size();
    if (at != end && ReadNumber(at, end, value) && at == end) return value;
    return Fail(Code::kInvalidArgument, "\"{}\" is not a number", text().substr(0, 40));
  }
  return Fail(Code::kInvalidArgument, "is missing or not a number");
}

Status Value::Numbers(std::vector<double>& out) const {
  if (const auto* packed = std::get_if<PackedNumbers>(&data_)) return packed->Decode(out);
  if (const auto* numbers = std::get_if<std::vector<double>>(&data_)) {
    out = *numbers;
    return {};
  }
  if (const auto* items = std::get_if<Items>(&data_); items && items->empty()) {
    out.clear();
    return {};
  }
  return Fail(Code::kInvalidArgument, "is missing or not an array of numbers");
}

}  // namespace kinglet::runtimes::xgboost
