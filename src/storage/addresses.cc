#include "storage/addresses.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace kinglet::storage {

namespace {

struct Range {
  uint32_t network;
  int bits;
};

// https://www.iana.org/assignments/iana-ipv4-special-registry
constexpr Range kSpecial[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
    {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
};

bool IsPublic4(uint32_t address) {
  for (auto [network, bits] : kSpecial) {
    if ((address >> (32 - bits)) == (network >> (32 - bits))) return false;
  }
  return true;
}

using Bytes = std::array<uint8_t, 16>;

uint32_t Word(const Bytes& bytes, size_t at) {
  return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 | uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

// https://www.iana.org/assignments/iana-ipv6-special-registry
bool IsPublic6(const Bytes& b) {
  uint32_t first = Word(b, 0);
  if (first == 0 && Word(b, 4) == 0) return false;          // ::, ::1, mapped and compatible ones
  if (first == 0x0064ff9b) return IsPublic4(Word(b, 12));   // translated to IPv4
  if (first >> 16 == 0x2002) return IsPublic4(Word(b, 2));  // 6to4
  if (first == 0x20010000) return false;                    // Teredo
  return first >> 29 == 1;                                  // 2000::/3 is what is given out
}

}  // namespace

bool IsPublicAddress(std::string_view ip) {
  std::string text(ip);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return IsPublic4(ntohl(v4.s_addr));
  Bytes v6{};
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) != 1) return false;
  bool mapped = Word(v6, 0) == 0 && Word(v6, 4) == 0 && Word(v6, 8) == 0x0000ffff;
  return mapped ? IsPublic4(Word(v6, 12)) : IsPublic6(v6);
}

}  // namespace kinglet::storage
