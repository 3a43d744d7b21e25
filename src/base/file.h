// Files: whole reads with a limit, and writes that are there entirely or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet {

// Owns a descriptor; -1 means none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~Fd() { Reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The error for errno: kNotFound, kPermissionDenied, kResourceExhausted (disk full) ... with
// strerror's text.
Error ErrnoError(std::string_view what, int errno_value);

Result<std::string> ReadFile(const std::filesystem::path& path,
                             size_t limit = size_t{1} << 32);
// Writes beside, syncs, renames over, syncs the folder.
Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes, int mode = 0644);

}  // namespace kinglet
