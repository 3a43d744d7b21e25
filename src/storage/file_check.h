// Compares a file with the checksum that its store gives. A file that comes in chunks is read
// behind the download, as far as it has no gap, so that little is left to read at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/checksum.h"
#include "storage/file_hash.h"

namespace kinglet::storage {

// Thread-safe.
class FileCheck {
 public:
  // `find` is called when there is something to read, by one thread at a time; where it finds no
  // checksum, every file is right.
  FileCheck(uint64_t size, uint64_t chunk_bytes, std::string name, std::function<Checksum()> find);

  // The chunk of this index is in the file. `Follow` reads what has come, unless another thread is
  // at it.
  void Add(size_t chunk);
  void Follow(int fd, const std::stop_token& stop);

  struct Finding {
    Status status;       // kDataLoss: the bytes do not have the checksum; kCancelled
    std::string actual;  // what they have
    bool tentative = false;
  };
  // Reads what is left. When called again, all.
  Finding Finish(int fd, const std::stop_token& stop);

 private:
  bool Begin();
  // Reads on to `end`, or to the end of the file when that comes first.
  Status ReadTo(uint64_t end, int fd, const std::stop_token& stop);
  uint64_t WithoutGap();

  const uint64_t size_, chunk_bytes_;
  const std::string name_;
  const std::function<Checksum()> find_;

  std::mutex there_mutex_;
  std::vector<bool> there_;  // by chunk

  std::mutex reading_;
  // Under reading_.
  bool nothing_to_do_ = false;  // no checksum
  Checksum checksum_;
  std::unique_ptr<FileHash> hash_;  // null: not begun
  uint64_t read_ = 0;
};

}  // namespace kinglet::storage
