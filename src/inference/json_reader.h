// A one-pass pull reader of JSON for the prediction path: it hands out numbers and strings where
// they lie, without building a tree and without copying the body into padded memory.
//
// Accepts RFC 8259 plus the NaN, Infinity and -Infinity that Python's json writes. The bytes are
// foreign: depth is limited, every read is bounded, strings must be UTF-8.
//
//   JsonReader reader(body);
//   if (reader.EnterObject()) {
//     for (std::string_view key; reader.NextKey(&key);) { ... read or skip one value ... }
//   }
//   if (!reader.Finish()) return reader.error();
//
// Every method returns false once something was wrong; the first error is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::inference {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text, int max_depth = 64)
      : begin_(text.data()),
        at_(text.data()),
        end_(text.data() + text.size()),
        depth_left_(max_depth) {}

  // The next significant byte; '\0' at the end.
  char Peek() {
    SkipSpace();
    return at_ < end_ ? *at_ : '\0';
  }
  // Consumes `c` where it comes next.
  bool Consume(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }

  bool EnterObject() { return Enter('{', "an object"); }
  bool EnterArray() { return Enter('[', "an array"); }
  // The next member's key, or false at the object's end. The view is valid until the next NextKey.
  bool NextKey(std::string_view* key);
  // True where another element follows, false at the array's end.
  bool NextElement();

  struct Number {
    bool is_integer = false;  // no point, no exponent, and fits int64
    int64_t integer = 0;
    double real = 0;  // always set
  };
  bool ReadNumber(Number* number);
  bool ReadBool(bool* value);
  bool ReadNull();
  bool ReadString(std::string* value);  // decoded
  // Checks and passes over one value of any kind; `raw` (may be null) is its text.
  bool SkipValue(std::string_view* raw = nullptr);

  // Nothing but space is left.
  bool Finish();

  bool ok() const { return !failed_; }
  // Records an error at the current position and returns false.
  bool Reject(std::string_view what);
  // kInvalidArgument, "what at byte N".
  Error error() const;
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  size_t position() const { return static_cast<size_t>(at_ - begin_); }

 private:
  void SkipSpace() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool Enter(char open, std::string_view what);
  bool ReadSpecialNumber(bool negative, Number* number);
  bool ReadWord(std::string_view word);
  // Sets `raw` to the bytes between the quotes; `escaped` where they hold a backslash.
  bool ScanString(std::string_view* raw, bool* escaped);
  bool Unescape(std::string_view raw, std::string* out);

  const char* begin_;
  const char* at_;
  const char* end_;
  int depth_left_;
  bool fresh_ = false;  // a container was entered and nothing read from it yet
  bool failed_ = false;
  size_t error_at_ = 0;
  std::string error_;
  std::string key_;
};

}  // namespace kinglet::inference
