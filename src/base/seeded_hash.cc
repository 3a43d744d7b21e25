#include "base/seeded_hash.h"

#include "base/encoding.h"

namespace kinglet {

uint64_t HashSecret() {
  static const uint64_t secret = [] {
    const std::string random = RandomBytes(sizeof(uint64_t));
    uint64_t value;
    std::memcpy(&value, random.data(), sizeof(value));
    return value | 1;
  }();
  return secret;
}

}  // namespace kinglet
