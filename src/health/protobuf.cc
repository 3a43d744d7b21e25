#include "health/protobuf.h"

namespace kinglet::health {
namespace {

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };
constexpr int kWireTypeBits = 3;
constexpr uint64_t kMaxFieldNumber = (1 << 29) - 1;

Unexpected Malformed() { return Fail(Code::kDataLoss, "not a protocol buffer message"); }

}  // namespace

Result<uint64_t> MessageReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return Malformed();
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return Malformed();
}

Result<uint64_t> MessageReader::Fixed(size_t size) {
  if (rest_.size() < size) return Malformed();
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(size);
  return value;
}

Result<MessageReader::Field> MessageReader::Next() {
  KINGLET_TRY(uint64_t key, Varint());
  const uint64_t number = key >> kWireTypeBits;
  if (number == 0 || number > kMaxFieldNumber) return Malformed();
  Field field{.number = static_cast<uint32_t>(number), .value = 0, .bytes = {}};
  switch (key & ((1 << kWireTypeBits) - 1)) {
    case kVarint: {
      KINGLET_TRY(field.value, Varint());
      return field;
    }
    case kFixed64: {
      KINGLET_TRY(field.value, Fixed(8));
      return field;
    }
    case kFixed32: {
      KINGLET_TRY(field.value, Fixed(4));
      return field;
    }
    case kLengthDelimited: {
      KINGLET_TRY(uint64_t length, Varint());
      if (length > rest_.size()) return Malformed();
      field.bytes = rest_.substr(0, length);
      rest_.remove_prefix(length);
      return field;
    }
    default:
      return Malformed();  // groups went with proto2
  }
}

}  // namespace kinglet::health
