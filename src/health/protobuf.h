// Protocol Buffers' wire format, read field by field:
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace kinglet::health {

// Views into the bytes, which must outlive it.
class MessageReader {
 public:
  struct Field {
    uint32_t number = 0;
    uint64_t value = 0;      // varints and fixed numbers
    std::string_view bytes;  // strings, bytes and messages
  };

  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}
  // Whether there is a field after this.
  bool AtEnd() const { return rest_.empty(); }
  // kDataLoss where the bytes are not a message.
  Result<Field> Next();

 private:
  Result<uint64_t> Varint();
  Result<uint64_t> Fixed(size_t size);

  std::string_view rest_;
};

}  // namespace kinglet::health
