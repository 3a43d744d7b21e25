// The short text forms that come from strangers: encodings, URIs, times. What decodes encodes back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto bytes = Base64Decode(text)) KINGLET_CHECK(Base64Decode(Base64Encode(*bytes)) == *bytes);
  if (auto bytes = HexDecode(text)) KINGLET_CHECK(HexDecode(HexEncode(*bytes)) == *bytes);
  if (auto bytes = UrlDecode(text)) KINGLET_CHECK(UrlDecode(UrlEncode(*bytes)) == *bytes);
  if (auto uri = Uri::Parse(text)) (void)Uri::Parse(uri->ToString());
  if (auto time = ParseRfc3339(text)) (void)FormatRfc3339(*time);
  (void)ParseDuration(text);
  return 0;
}
