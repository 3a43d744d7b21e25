#include "inference/json_reader.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "inference/decimal.h"

namespace kinglet::inference {
namespace {

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void AppendUtf8(std::string* out, uint32_t code) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

}  // namespace

bool JsonReader::Reject(std::string_view what) {
  if (!failed_) {
    failed_ = true;
    error_ = what;
    error_at_ = position();
  }
  return false;
}

Error JsonReader::error() const {
  return Error(Code::kInvalidArgument, fmt::format("{} at byte {}", error_, error_at_));
}

bool JsonReader::Enter(char open, std::string_view what) {
  if (failed_) return false;
  if (!Consume(open)) return Reject(fmt::format("expected {}", what));
  if (depth_left_ == 0) return Reject("the JSON is nested too deeply");
  --depth_left_;
  fresh_ = true;
  return true;
}

bool JsonReader::NextKey(std::string_view* key) {
  if (failed_) return false;
  bool first = fresh_;
  fresh_ = false;
  if (Consume('}')) {
    ++depth_left_;
    return false;
  }
  if (!first && !Consume(',')) return Reject("expected ',' or '}'");
  bool escaped = false;
  if (!ScanString(key, &escaped)) return false;
  if (escaped) {
    if (!Unescape(*key, &key_)) return false;
    *key = key_;
  }
  return Consume(':') || Reject("expected ':'");
}

bool JsonReader::NextElement() {
  if (failed_) return false;
  bool first = fresh_;
  fresh_ = false;
  if (Consume(']')) {
    ++depth_left_;
    return false;
  }
  return first || Consume(',') || Reject("expected ',' or ']'");
}

bool JsonReader::ReadNumber(Number* number) {
  if (failed_) return false;
  SkipSpace();
  const char* start = at_;
  const char* p = start;
  bool negative = p < end_ && *p == '-';
  if (negative) ++p;
  const char* digits = p;
  uint64_t mantissa = 0;
  while (p < end_ && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<uint64_t>(*p++ - '0');
  ptrdiff_t integer_digits = p - digits;
  if (integer_digits == 0) return ReadSpecialNumber(negative, number);
  if (integer_digits > 1 && *digits == '0') return Reject("a number begins with 0");
  if (p == end_ || (*p != '.' && *p != 'e' && *p != 'E')) {
    at_ = p;
    // 18 digits always fit; longer ones are looked at again.
    if (integer_digits > 18) {
      auto parsed = std::from_chars(start, p, number->integer);
      if (parsed.ec != std::errc()) {
        number->is_integer = false;
        if (std::from_chars(start, p, number->real).ec != std::errc()) {
          number->real = negative ? -HUGE_VAL : HUGE_VAL;
        }
        return true;
      }
    } else {
      number->integer = static_cast<int64_t>(negative ? 0 - mantissa : mantissa);
    }
    number->is_integer = true;
    number->real = static_cast<double>(number->integer);
    return true;
  }
  number->is_integer = false;
  ptrdiff_t all_digits = integer_digits;
  int64_t exponent = 0;
  if (*p == '.') {
    const char* fraction = ++p;
    for (uint32_t eight; end_ - p >= 8 && ReadEightDigits(p, &eight); p += 8) {
      mantissa = mantissa * 100'000'000 + eight;
    }
    while (p < end_ && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<uint64_t>(*p++ - '0');
    if (p == fraction) {
      at_ = p;
      return Reject("a number has no digits after its point");
    }
    exponent = fraction - p;
    all_digits += p - fraction;
  }
  bool negative_exponent = false;
  if (p < end_ && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end_ && (*p == '+' || *p == '-')) negative_exponent = *p++ == '-';
    const char* exponent_digits = p;
    int64_t written = 0;
    while (p < end_ && IsDigit(*p)) {
      if (written < 100'000) written = written * 10 + (*p - '0');
      ++p;
    }
    if (p == exponent_digits) {
      at_ = p;
      return Reject("a number has no digits in its exponent");
    }
    exponent += negative_exponent ? -written : written;
  }
  at_ = p;
  // Both factors are exact doubles, so that one operation rounds once (Clinger's fast path).
  if (all_digits <= 19 && mantissa < (uint64_t{1} << 53) && exponent >= -22 && exponent <= 22) {
    double value = static_cast<double>(mantissa);
    value = exponent < 0 ? value / kPowersOfTen[-exponent] : value * kPowersOfTen[exponent];
    number->real = negative ? -value : value;
    return true;
  }
  if (all_digits <= 19 && exponent <= 0 && exponent >= -kMostDecimals) {
    const double value = DivideByPowerOfTen(mantissa, static_cast<int>(-exponent));
    number->real = negative ? -value : value;
    return true;
  }
  if (std::from_chars(start, p, number->real).ec != std::errc()) {
    double limit = negative_exponent || (*digits == '0' && exponent <= 0) ? 0.0 : HUGE_VAL;
    number->real = negative ? -limit : limit;
  }
  return true;
}

bool JsonReader::ReadSpecialNumber(bool negative, Number* number) {
  number->is_integer = false;
  const char* start = at_;
  if (negative) ++at_;
  if (!negative && ReadWord("NaN")) {
    number->real = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (ReadWord("Infinity")) {
    number->real = negative ? -HUGE_VAL : HUGE_VAL;
    return true;
  }
  at_ = start;
  return Reject(at_ == end_ ? "the JSON ends early" : "expected a number");
}

bool JsonReader::ReadWord(std::string_view word) {
  if (static_cast<size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) {
    return false;
  }
  at_ += word.size();
  return true;
}

bool JsonReader::ReadBool(bool* value) {
  if (failed_) return false;
  SkipSpace();
  if (ReadWord("true")) {
    *value = true;
  } else if (ReadWord("false")) {
    *value = false;
  } else {
    return Reject("expected true or false");
  }
  return true;
}

bool JsonReader::ReadNull() {
  if (failed_) return false;
  SkipSpace();
  return ReadWord("null") || Reject("expected null");
}

bool JsonReader::ScanString(std::string_view* raw, bool* escaped) {
  if (failed_) return false;
  if (!Consume('"')) return Reject("expected a string");
  const char* start = at_;
  const char* p = start;
  unsigned char seen = 0;
  *escaped = false;
  for (;; ++p) {
    if (p == end_) return Reject("a string has no end");
    unsigned char c = static_cast<unsigned char>(*p);
    if (c == '"') break;
    if (c < 0x20) {
      at_ = p;
      return Reject("a string holds a control character");
    }
    if (c == '\\') {
      *escaped = true;
      if (++p == end_) return Reject("a string has no end");
    }
    seen |= c;
  }
  *raw = std::string_view(start, static_cast<size_t>(p - start));
  if ((seen & 0x80) && !simdjson::validate_utf8(raw->data(), raw->size())) {
    return Reject("a string is not UTF-8");
  }
  at_ = p + 1;
  return true;
}

bool JsonReader::Unescape(std::string_view raw, std::string* out) {
  out->clear();
  auto hex4 = [&](size_t at) -> int32_t {
    if (at + 4 > raw.size()) return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) {
      int digit = HexValue(raw[i]);
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  };
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out->push_back(raw[i]);
      continue;
    }
    char c = raw[++i];  // ScanString made sure that something follows
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out->push_back(c);
        break;
      case 'b':
        out->push_back('\b');
        break;
      case 'f':
        out->push_back('\f');
        break;
      case 'n':
        out->push_back('\n');
        break;
      case 'r':
        out->push_back('\r');
        break;
      case 't':
        out->push_back('\t');
        break;
      case 'u': {
        int32_t code = hex4(i + 1);
        if (code < 0) return Reject("a string has a bad \\u escape");
        i += 4;
        if (code >= 0xd800 && code < 0xe000) {
          int32_t low =
              code < 0xdc00 && i + 2 < raw.size() && raw[i + 1] == '\\' && raw[i + 2] == 'u'
                  ? hex4(i + 3)
                  : -1;
          if (low < 0xdc00 || low > 0xdfff) return Reject("a string has half a surrogate pair");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        }
        AppendUtf8(out, static_cast<uint32_t>(code));
        break;
      }
      default:
        return Reject("a string has an unknown escape");
    }
  }
  return true;
}

bool JsonReader::ReadString(std::string* value) {
  std::string_view raw;
  bool escaped = false;
  if (!ScanString(&raw, &escaped)) return false;
  if (escaped) return Unescape(raw, value);
  value->assign(raw);
  return true;
}

bool JsonReader::SkipValue(std::string_view* raw) {
  char first = Peek();
  const char* start = at_;
  bool good = false;
  switch (first) {
    case '{': {
      good = EnterObject();
      for (std::string_view key; good && NextKey(&key);) good = SkipValue();
      good = !failed_;
      break;
    }
    case '[': {
      good = EnterArray();
      while (good && NextElement()) good = SkipValue();
      good = !failed_;
      break;
    }
    case '"': {
      std::string_view text;
      bool escaped = false;
      good = ScanString(&text, &escaped) && (!escaped || Unescape(text, &key_));
      break;
    }
    case 't':
    case 'f': {
      bool value = false;
      good = ReadBool(&value);
      break;
    }
    case 'n':
      good = ReadNull();
      break;
    default: {
      Number number;
      good = ReadNumber(&number);
    }
  }
  if (good && raw != nullptr) *raw = std::string_view(start, static_cast<size_t>(at_ - start));
  return good;
}

bool JsonReader::Finish() {
  if (failed_) return false;
  return (Peek() == '\0' && at_ == end_) || Reject("something follows the JSON's end");
}

}  // namespace kinglet::inference
