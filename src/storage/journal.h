// Which chunks of a download lie in the staging folder, surviving kill -9 at any byte: one line is
// appended after a chunk's bytes were written. A half line at the end does not count.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::storage {

class Journal {
 public:
  // Opens the journal in `folder`. `*resumed` is false when there was none, or one of another
  // manifest (`digest`), or of before a reboot (its bytes may not have reached the disk): then it
  // begins empty and what lies in the staging folder is worthless.
  static Result<Journal> Open(const std::string& folder, std::string_view digest, bool* resumed);
  Journal(Journal&& other) noexcept
      : file_(std::move(other.file_)), done_(std::move(other.done_)) {}

  bool Done(size_t file, size_t chunk) const { return done_.contains({file, chunk}); }
  size_t size() const { return done_.size(); }
  Status Add(size_t file, size_t chunk);  // any thread
  Status Forget(size_t file);             // any thread: none of the file's chunks count

 private:
  Journal(Fd file, std::set<std::pair<size_t, size_t>> done)
      : file_(std::move(file)), done_(std::move(done)) {}
  Status Append(const std::string& line);
  std::mutex mutex_;
  Fd file_;
  std::set<std::pair<size_t, size_t>> done_;  // as read by Open
};

}  // namespace kinglet::storage
