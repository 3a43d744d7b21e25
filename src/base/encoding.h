// Encodings and digests that several modules need.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet {

std::string Base64Encode(std::string_view bytes);
// Standard or URL-safe alphabet, padding optional, no other characters.
Result<std::string> Base64Decode(std::string_view text);
std::string HexEncode(std::string_view bytes);  // lower case
Result<std::string> HexDecode(std::string_view text);

// Percent-encoding. Unreserved characters (RFC 3986) and those in `keep` stay.
std::string UrlEncode(std::string_view text, std::string_view keep = "");
// "+" stays "+".
Result<std::string> UrlDecode(std::string_view text);

std::string Sha256(std::string_view bytes);  // 32 raw bytes
std::string HmacSha256(std::string_view key, std::string_view bytes);
std::string RandomBytes(size_t count);
std::string RandomUuid();  // version 4
// n characters of Kubernetes' safe alphabet (bcdfghjklmnpqrstvwxz2456789).
std::string RandomSuffix(size_t n);

// A running digest: "sha256", "md5", "sha1".
class Digest {
 public:
  explicit Digest(std::string_view algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void Update(std::string_view bytes);
  std::string Finish();  // raw bytes; the object is spent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace kinglet
