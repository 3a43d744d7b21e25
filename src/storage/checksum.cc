#include "storage/checksum.h"

namespace kinglet::storage {

namespace {

// The Base64 value, when it decodes to `bytes` bytes.
Checksum FromBase64(std::string_view algorithm, std::string_view text, size_t bytes) {
  auto raw = Base64Decode(text);
  if (!raw || raw->size() != bytes) return {};
  return {std::string(algorithm), *raw};
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The value of `key=value` in a comma-separated list; a structured field's colons are removed.
std::string_view ListValue(std::string_view list, std::string_view key) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view item = Trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (item.size() <= key.size() || item[key.size()] != '=') continue;
    if (!http::EqualsIgnoreCase(item.substr(0, key.size()), key)) continue;
    std::string_view value = item.substr(key.size() + 1);
    if (value.starts_with(':') && value.ends_with(':') && value.size() > 1) {
      value = value.substr(1, value.size() - 2);
    }
    return value;
  }
  return {};
}

}  // namespace

Checksum ChecksumFromHeaders(const http::Headers& headers) {
  if (!http::EqualsIgnoreCase(headers.Get("x-amz-checksum-type"), "COMPOSITE")) {
    if (auto c = FromBase64("sha256", headers.Get("x-amz-checksum-sha256"), 32)) return c;
    if (auto c = FromBase64("sha1", headers.Get("x-amz-checksum-sha1"), 20)) return c;
    if (auto c = FromBase64("crc64nvme", headers.Get("x-amz-checksum-crc64nvme"), 8)) return c;
    if (auto c = FromBase64("crc32c", headers.Get("x-amz-checksum-crc32c"), 4)) return c;
    if (auto c = FromBase64("crc32", headers.Get("x-amz-checksum-crc32"), 4)) return c;
  }
  if (auto c = ChecksumFromDigest(headers)) return c;
  for (auto& [name, value] : headers.fields()) {
    if (!http::EqualsIgnoreCase(name, "x-goog-hash")) continue;
    if (auto c = FromBase64("md5", ListValue(value, "md5"), 16)) return c;
    if (auto c = FromBase64("crc32c", ListValue(value, "crc32c"), 4)) return c;
  }
  return FromBase64("md5", headers.Get("content-md5"), 16);
}

Checksum ChecksumFromDigest(const http::Headers& headers) {
  for (std::string_view field : {"repr-digest", "digest"}) {
    if (auto c = FromBase64("sha256", ListValue(headers.Get(field), "sha-256"), 32)) return c;
  }
  return {};
}

Checksum ChecksumFromEtag(std::string_view etag, const http::Headers& headers) {
  std::string_view encryption = headers.Get("x-amz-server-side-encryption");
  if (!(encryption.empty() || encryption == "AES256") ||
      headers.Has("x-amz-server-side-encryption-customer-algorithm")) {
    return {};
  }
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  if (etag.size() != 32) return {};
  auto raw = HexDecode(etag);
  return raw ? Checksum{"md5", *raw} : Checksum{};
}

}  // namespace kinglet::storage
