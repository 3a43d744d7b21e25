// Checksums that stores give, and computing them over a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/result.h"
#include "net/http/message.h"

namespace kinglet::storage {

struct Checksum {
  std::string algorithm;  // "md5", "sha1", "sha256", "crc32c", "git-blob"; "" for none
  std::string value;      // raw bytes

  explicit operator bool() const { return !algorithm.empty(); }
};

// The strongest whole-object checksum among response fields: x-amz-checksum-* (not composite ones),
// Repr-Digest/Digest, x-goog-hash, Content-MD5. None when there is none that is known.
Checksum ChecksumFromHeaders(const http::Headers& headers);
// An S3 ETag that is the MD5 of the object: 32 hexadecimal digits, and not encrypted with a key of
// the user's (`headers` of a response for the object say so).
Checksum ChecksumFromEtag(std::string_view etag, const http::Headers& headers);

// kDataLoss when the file's bytes do not have it.
Status VerifyFile(int fd, uint64_t size, const Checksum& checksum, std::string_view name);

}  // namespace kinglet::storage
