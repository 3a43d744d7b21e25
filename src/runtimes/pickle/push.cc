// Opcodes that push a value: numbers, text, and what the memo holds.
#include <bit>
#include <cstring>

#include "runtimes/pickle/machine.h"
#include "runtimes/pickle/opcodes.h"
#include "runtimes/pickle/text.h"

namespace kinglet::runtimes::pickle {

Status Unpickler::Integer(unsigned char op) {
  switch (op) {
    case kOpBinInt1: {
      KINGLET_TRY(const uint64_t value, TakeUint(1));
      return PushInt(static_cast<int64_t>(value));
    }
    case kOpBinInt2: {
      KINGLET_TRY(const uint64_t value, TakeUint(2));
      return PushInt(static_cast<int64_t>(value));
    }
    case kOpBinInt: {
      KINGLET_TRY(const uint64_t value, TakeUint(4));
      return PushInt(static_cast<int32_t>(static_cast<uint32_t>(value)));
    }
    case kOpInt:
    case kOpLong: {
      KINGLET_TRY(std::string_view line, TakeLine());
      if (op == kOpInt && line == "00") return Push(Graph::kFalseRef);
      if (op == kOpInt && line == "01") return Push(Graph::kTrueRef);
      if (line.ends_with('L')) line.remove_suffix(1);
      bool fits = false;
      const auto value = ParseDecimal(line, &fits);
      if (!value) return Bad("an integer is no integer");
      if (fits) return PushInt(*value);
      KINGLET_TRY(const Ref ref, New(Kind::kBigInt, 0));
      return Push(ref);
    }
    case kOpLong1: {
      KINGLET_TRY(const std::string_view bytes, TakeCounted(1));
      return Long(bytes);
    }
    case kOpLong4: {
      KINGLET_TRY(const std::string_view bytes, TakeCounted(4));
      return Long(bytes);
    }
    case kOpFloat: {
      KINGLET_TRY(const std::string_view line, TakeLine());
      const auto value = ParseFloat(line);
      if (!value) return Bad("a float is no float");
      return PushFloat(*value);
    }
    default: {  // kOpBinFloat: big-endian
      KINGLET_TRY(const uint64_t raw, TakeUint(8));
      return PushFloat(std::bit_cast<double>(__builtin_bswap64(raw)));
    }
  }
}

// Little-endian two's complement of any length.
Status Unpickler::Long(std::string_view bytes) {
  if (bytes.size() > 8) {
    KINGLET_TRY(const Ref ref, New(Kind::kBigInt, 0));
    return Push(ref);
  }
  if (bytes.empty()) return PushInt(0);
  uint64_t value = bytes.back() < 0 ? ~uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return PushInt(static_cast<int64_t>(value));
}

Status Unpickler::Text(unsigned char op) {
  size_t length_bytes = 0;
  switch (op) {
    case kOpString:
    case kOpUnicode: {
      KINGLET_TRY(const std::string_view line, TakeLine());
      auto decoded = op == kOpString ? DecodeQuoted(line) : DecodeRawUnicodeEscape(line);
      if (!decoded) return Bad("a string has a bad escape");
      return PushOwnedText(Kind::kStr, std::move(*decoded));
    }
    case kOpShortBinString:
    case kOpShortBinUnicode:
    case kOpShortBinBytes:
      length_bytes = 1;
      break;
    case kOpBinString:
    case kOpBinUnicode:
    case kOpBinBytes:
      length_bytes = 4;
      break;
    default:
      length_bytes = 8;
      break;
  }
  KINGLET_TRY(const std::string_view text, TakeCounted(length_bytes));
  if (op == kOpBinUnicode || op == kOpShortBinUnicode || op == kOpBinUnicode8) {
    if (!IsUtf8(text)) return Bad("a string is not UTF-8");
    return PushText(Kind::kStr, text);
  }
  // Python 2's str is bytes and text at once; readers of either kind take it.
  const bool python2 = op == kOpBinString || op == kOpShortBinString;
  return PushText(python2 ? Kind::kStr : Kind::kBytes, text);
}

Status Unpickler::Memo(unsigned char op) {
  uint64_t index = 0;
  if (op == kOpPut || op == kOpGet) {
    KINGLET_TRY(const std::string_view line, TakeLine());
    bool fits = false;
    const auto value = ParseDecimal(line, &fits);
    if (!value || !fits || *value < 0) return Bad("a memo index is no index");
    index = static_cast<uint64_t>(*value);
  } else if (op == kOpMemoize) {
    index = memo_.size();
  } else {
    KINGLET_TRY(index, TakeUint(op == kOpBinPut || op == kOpBinGet ? 1 : 4));
  }
  if (op == kOpGet || op == kOpBinGet || op == kOpLongBinGet) {
    if (index >= memo_.size() || memo_[index] == Graph::kMissingRef) {
      return Bad("it refers to memo {}, which is not set", index);
    }
    return Push(memo_[index]);
  }
  KINGLET_TRY(const Ref top, Top());
  // Picklers number the memo in order, so that no index is over the number of bytes before it.
  if (index > position_) return Bad("memo index {} is out of order", index);
  if (index >= memo_.size()) {
    if (index >= memo_.capacity()) {
      KINGLET_RETURN_IF_ERROR(PayForGrowth<Ref>(memo_.capacity(), index + 1 - memo_.size()));
    }
    memo_.resize(index + 1, Graph::kMissingRef);
  }
  memo_[index] = top;
  return {};
}

}  // namespace kinglet::runtimes::pickle
