// Computes a Checksum's value over a file's bytes as they are read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/checksum.h"

namespace kinglet::storage {

class FileHash {
 public:
  virtual ~FileHash() = default;
  virtual void Update(std::string_view bytes) = 0;
  virtual std::string Finish() = 0;  // raw bytes; the object is spent

  // For a checksum of a file of that size.
  static std::unique_ptr<FileHash> Make(const Checksum& checksum, uint64_t size);
};

// CRC-64/NVME, which S3 gives to objects whose uploader gave nothing else.
uint64_t Crc64Nvme(std::string_view bytes, uint64_t crc = 0);

}  // namespace kinglet::storage
