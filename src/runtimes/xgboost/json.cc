// The JSON reader: RFC 8259, and NaN and Infinity, which XGBoost writes.
#include <cstring>

#include "runtimes/xgboost/value.h"

namespace kinglet::runtimes::xgboost {
namespace {

class Reader {
 public:
  Reader(std::string_view text, Budget& budget) : text_(text), budget_(budget) {}

  Result<Value> Document() {
    KINGLET_TRY(Value value, Read());
    SkipSpace();
    if (at_ != text_.size()) return Wrong("nothing more");
    return value;
  }

 private:
  Unexpected Wrong(std::string_view expected) const {
    return Fail(Code::kInvalidArgument, "malformed JSON at byte {}: expected {}", at_, expected);
  }

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void SkipSpace() {
    while (at_ < text_.size() &&
           (Peek() == ' ' || Peek() == '\n' || Peek() == '\r' || Peek() == '\t')) {
      ++at_;
    }
  }

  bool Skip(char c) {
    SkipSpace();
    if (Peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  Result<Value> Read() {
    KINGLET_TRY(const Budget::Level level, budget_.Enter());
    KINGLET_RETURN_IF_ERROR(budget_.Allocate(kValueBytes));
    SkipSpace();
    switch (Peek()) {
      case '{':
        return ReadObject();
      case '[':
        return ReadArray();
      case '"': {
        KINGLET_TRY(std::string text, ReadString());
        return Value(std::move(text));
      }
      default:
        return ReadScalar();
    }
  }

  Result<Value> ReadObject() {
    ++at_;
    Value::Members members;
    if (Skip('}')) return Value(std::move(members));
    do {
      SkipSpace();
      if (Peek() != '"') return Wrong("a member's name");
      KINGLET_TRY(std::string key, ReadString());
      if (!Skip(':')) return Wrong("':'");
      KINGLET_TRY(Value value, Read());
      members.emplace_back(std::move(key), std::move(value));
    } while (Skip(','));
    if (!Skip('}')) return Wrong("',' or '}'");
    return Value(std::move(members));
  }

  Result<Value> ReadArray() {
    ++at_;
    Value::Items items;
    if (Skip(']')) return Value(std::move(items));
    SkipSpace();
    if (std::strchr("{[\"", Peek()) == nullptr) {
      // Numbers: no string and no bracket can come before the end.
      const void* end = std::memchr(text_.data() + at_, ']', text_.size() - at_);
      if (end == nullptr) return Wrong("']'");
      const size_t length = static_cast<const char*>(end) - text_.data() - at_;
      PackedNumbers numbers{PackedNumbers::Encoding::kJson, 0, text_.substr(at_, length)};
      at_ += length + 1;
      return Value(numbers);
    }
    do {
      KINGLET_TRY(Value value, Read());
      items.push_back(std::move(value));
    } while (Skip(','));
    if (!Skip(']')) return Wrong("',' or ']'");
    return Value(std::move(items));
  }

  // A number or a word stands alone rarely: parameters are strings.
  Result<Value> ReadScalar() {
    const size_t begin = at_;
    while (at_ < text_.size() && std::strchr(",]} \n\r\t", text_[at_]) == nullptr) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word == "null") return Value();
    std::vector<double> one;
    if (Status status = PackedNumbers{.bytes = word}.Decode(one); !status || one.size() != 1) {
      at_ = begin;
      return Wrong("a value");
    }
    return Value(one[0]);
  }

  Result<std::string> ReadString() {
    ++at_;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      const char escaped = Peek();
      ++at_;
      switch (escaped) {
        case '"':
        case '\\':
        case '/':
          out += escaped;
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'n':
          out += '\n';
          break;
        case 'r':
          out += '\r';
          break;
        case 't':
          out += '\t';
          break;
        case 'u': {
          KINGLET_TRY(uint32_t code, ReadHex());
          if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
            at_ += 2;
            KINGLET_TRY(const uint32_t low, ReadHex());
            if (low < 0xdc00 || low > 0xdfff) return Wrong("the second half of a character");
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          }
          AppendUtf8(out, code);
          break;
        }
        default:
          return Wrong("a known escape");
      }
    }
    return Wrong("the end of a string");
  }

  Result<uint32_t> ReadHex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek();
      const char lower = static_cast<char>(c | 32);
      if (c >= '0' && c <= '9') {
        code = code * 16 + (c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        code = code * 16 + (lower - 'a' + 10);
      } else {
        return Wrong("four hexadecimal digits");
      }
    }
    return code;
  }

  static void AppendUtf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | code >> 12);
      out += static_cast<char>(0x80 | (code >> 6 & 63));
      out += static_cast<char>(0x80 | (code & 63));
    } else {
      out += static_cast<char>(0xf0 | code >> 18);
      out += static_cast<char>(0x80 | (code >> 12 & 63));
      out += static_cast<char>(0x80 | (code >> 6 & 63));
      out += static_cast<char>(0x80 | (code & 63));
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
  Budget& budget_;
};

}  // namespace

Result<Value> ParseJson(std::string_view bytes, Budget& budget) {
  return Reader(bytes, budget).Document();
}

}  // namespace kinglet::runtimes::xgboost
