#include "storage/addresses.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
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

// Metadata services outside of 169.254.0.0/16: Azure's host, Alibaba, Equinix.
constexpr uint32_t kMetadata4[] = {0xa83f8110, 0x646464c8, 0xc050087c};
constexpr uint32_t kLinkLocal = 0xa9fe;  // 169.254.0.0/16

bool IsMetadata4(uint32_t address) {
  if (address >> 16 == kLinkLocal) return true;
  return std::ranges::find(kMetadata4, address) != std::end(kMetadata4);
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

// Metadata services of Amazon (also of its containers), Google and Oracle.
constexpr const char* kMetadata6[] = {"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
                                      "fd00:c1::a9fe:a9fe"};

bool IsMetadata6(const Bytes& b) {
  const uint32_t first = Word(b, 0);
  if (first >> 22 == 0xfe80 >> 6) return true;  // fe80::/10
  if (first == 0 && Word(b, 4) == 0 && Word(b, 8) == 0) return IsMetadata4(Word(b, 12));
  if (first == 0x0064ff9b) return IsMetadata4(Word(b, 12));
  if (first >> 16 == 0x2002) return IsMetadata4(Word(b, 2));
  return std::ranges::any_of(kMetadata6, [&](const char* text) {
    Bytes known{};
    return inet_pton(AF_INET6, text, known.data()) == 1 && known == b;
  });
}

struct Address {
  bool valid = false;
  std::optional<uint32_t> v4;  // also of a mapped one
  Bytes v6{};

  explicit Address(std::string_view ip) {
    const std::string text(ip);
    in_addr in{};
    if (inet_pton(AF_INET, text.c_str(), &in) == 1) {
      v4 = ntohl(in.s_addr);
    } else if (inet_pton(AF_INET6, text.c_str(), v6.data()) != 1) {
      return;
    } else if (Word(v6, 0) == 0 && Word(v6, 4) == 0 && Word(v6, 8) == 0x0000ffff) {
      v4 = Word(v6, 12);
    }
    valid = true;
  }
};

}  // namespace

bool IsPublicAddress(std::string_view ip) {
  const Address address(ip);
  if (!address.valid) return false;
  return address.v4 ? IsPublic4(*address.v4) : IsPublic6(address.v6);
}

bool IsMetadataAddress(std::string_view ip) {
  const Address address(ip);
  if (!address.valid) return true;
  return address.v4 ? IsMetadata4(*address.v4) : IsMetadata6(address.v6);
}

}  // namespace kinglet::storage
