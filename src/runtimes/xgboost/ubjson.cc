// The UBJSON reader: https://ubjson.org, draft 12.
#include <bit>
#include <cstring>

#include "runtimes/xgboost/value.h"

namespace kinglet::runtimes::xgboost {
namespace {

// Bytes of a number type; 0: not a number.
constexpr size_t NumberSize(char type) {
  switch (type) {
    case 'i':
    case 'U':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0;
  }
}

class Reader {
 public:
  Reader(std::string_view bytes, Budget& budget) : bytes_(bytes), budget_(budget) {}

  Result<Value> Document() {
    KINGLET_TRY(const char type, Type());
    KINGLET_TRY(Value value, Read(type));
    if (at_ != bytes_.size()) return Wrong("nothing more");
    return value;
  }

 private:
  Unexpected Wrong(std::string_view expected) const {
    return Fail(Code::kInvalidArgument, "malformed UBJSON at byte {}: expected {}", at_, expected);
  }

  Result<std::string_view> Take(uint64_t size) {
    if (size > bytes_.size() - at_) return Wrong(fmt::format("{} more bytes", size));
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  // The next marker that is not a no-op.
  Result<char> Type() {
    for (;;) {
      KINGLET_TRY(const std::string_view one, Take(1));
      if (one[0] != 'N') return one[0];
    }
  }

  bool Skip(char c) {
    if (at_ == bytes_.size() || bytes_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<double> ReadNumber(char type) {
    const size_t size = NumberSize(type);
    if (size == 0) return Wrong("a number");
    KINGLET_TRY(const std::string_view raw, Take(size));
    KINGLET_RETURN_IF_ERROR(
        PackedNumbers({PackedNumbers::Encoding::kUbjson, type, raw}).Decode(scratch_));
    return scratch_[0];
  }

  Result<uint64_t> Length() {
    KINGLET_TRY(const char type, Type());
    if (type == 'd' || type == 'D') return Wrong("an integer for a length");
    KINGLET_TRY(const double length, ReadNumber(type));
    if (length < 0 || length > static_cast<double>(bytes_.size())) {
      return Wrong("a length within the file");
    }
    return static_cast<uint64_t>(length);
  }

  Result<std::string> ReadString() {
    KINGLET_TRY(const uint64_t length, Length());
    KINGLET_TRY(const std::string_view raw, Take(length));
    return std::string(raw);
  }

  Result<Value> Read(char type) {
    KINGLET_TRY(const Budget::Level level, budget_.Enter());
    KINGLET_RETURN_IF_ERROR(budget_.Allocate(kValueBytes));
    switch (type) {
      case 'Z':
        return Value();
      case 'T':
        return Value(1.0);
      case 'F':
        return Value(0.0);
      case 'C': {
        KINGLET_TRY(const std::string_view one, Take(1));
        return Value(std::string(one));
      }
      case 'S': {
        KINGLET_TRY(std::string text, ReadString());
        return Value(std::move(text));
      }
      case '[':
        return ReadArray();
      case '{':
        return ReadObject();
      default: {
        KINGLET_TRY(const double number, ReadNumber(type));
        return Value(number);
      }
    }
  }

  // What may follow '[' or '{': a type and a count, a count, or neither.
  struct Header {
    char type = 0;
    bool counted = false;
    uint64_t count = 0;
  };
  Result<Header> ReadHeader() {
    Header header;
    if (Skip('$')) {
      KINGLET_TRY(header.type, Type());
      // Elements without bytes would let a short file claim any number of them.
      if (std::strchr("TFZ", header.type) != nullptr) return Wrong("a type with a size");
      if (at_ == bytes_.size() || bytes_[at_] != '#') return Wrong("'#' after a type");
    }
    if (Skip('#')) {
      header.counted = true;
      KINGLET_TRY(header.count, Length());
    }
    return header;
  }

  Result<Value> ReadArray() {
    KINGLET_TRY(const Header header, ReadHeader());
    if (const size_t size = NumberSize(header.type)) {
      KINGLET_TRY(const std::string_view raw, Take(header.count * size));
      return Value(PackedNumbers{PackedNumbers::Encoding::kUbjson, header.type, raw});
    }
    Value::Items items;
    std::vector<double> numbers;
    for (uint64_t i = 0; !header.counted || i < header.count; ++i) {
      if (!header.counted && Skip(']')) break;
      char type = header.type;
      if (type == 0) {
        KINGLET_TRY(type, Type());
      }
      const bool number = NumberSize(type) != 0 || type == 'T' || type == 'F';
      if (i > 0 && number != items.empty()) return Wrong("an array of one kind of values");
      if (number) KINGLET_RETURN_IF_ERROR(budget_.Allocate(sizeof(double)));
      if (type == 'T' || type == 'F') {
        numbers.push_back(type == 'T');
      } else if (number) {
        KINGLET_TRY(const double value, ReadNumber(type));
        numbers.push_back(value);
      } else {
        KINGLET_TRY(Value value, Read(type));
        items.push_back(std::move(value));
      }
    }
    if (!numbers.empty()) return Value(std::move(numbers));
    return Value(std::move(items));
  }

  Result<Value> ReadObject() {
    KINGLET_TRY(const Header header, ReadHeader());
    Value::Members members;
    for (uint64_t i = 0; !header.counted || i < header.count; ++i) {
      if (!header.counted && Skip('}')) break;
      KINGLET_TRY(std::string key, ReadString());
      char type = header.type;
      if (type == 0) {
        KINGLET_TRY(type, Type());
      }
      KINGLET_TRY(Value value, Read(type));
      members.emplace_back(std::move(key), std::move(value));
    }
    return Value(std::move(members));
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  Budget& budget_;
  std::vector<double> scratch_;
};

}  // namespace

Result<Value> ParseUbjson(std::string_view bytes, Budget& budget) {
  return Reader(bytes, budget).Document();
}

}  // namespace kinglet::runtimes::xgboost
