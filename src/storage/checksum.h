// Checksums that stores give. file_hash.h computes them, file_check.h compares.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/result.h"
#include "net/http/message.h"

namespace kinglet::storage {

struct Checksum {
  // "" for none, "md5", "sha1", "sha256", "crc32", "crc32c", "crc64nvme", "git-blob",
  // "md5-of-md5" (of an S3 object's parts), "hdfs-crc32", "hdfs-crc32c" (MD5 of blocks' MD5 of
  // cells' CRC).
  std::string algorithm;
  std::string value;       // raw bytes
  uint64_t part_size = 0;  // of a part or block; 0 for one that is the whole object
  uint64_t cell_size = 0;  // of what HDFS makes a CRC of
  // How the object was cut is a guess. When two downloads agree with each other, they are right.
  bool tentative = false;

  explicit operator bool() const { return !algorithm.empty(); }
};

// The strongest checksum of a whole object among the fields of an answer that has all of it:
// x-amz-checksum-* (not composite ones), Repr-Digest/Digest, x-goog-hash, Content-MD5. None when
// there is none that is known.
Checksum ChecksumFromHeaders(const http::Headers& headers);
// Only from Repr-Digest and Digest, which are of the whole object in an answer with a part of it
// too.
Checksum ChecksumFromDigest(const http::Headers& headers);
// An S3 ETag that is the MD5 of the object: 32 hexadecimal digits, and not encrypted with a key of
// the user's (`headers` of a response for the object say so).
Checksum ChecksumFromEtag(std::string_view etag, const http::Headers& headers);

}  // namespace kinglet::storage
