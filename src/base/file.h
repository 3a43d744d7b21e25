// Files: whole reads with a limit, and writes that are there entirely or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

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

Result<std::string> ReadFile(const std::filesystem::path& path, size_t limit = size_t{1} << 32);
// Writes beside, syncs, renames over, syncs the folder.
Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes, int mode = 0644);

// A folder of its own below the system's temporary one, which goes with this object.
class TemporaryFolder {
 public:
  // Its name begins with `prefix`.
  static Result<TemporaryFolder> Make(std::string_view prefix);
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace kinglet
