#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/encoding.h"

namespace kinglet {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

// Asks for huge pages for the memory that a large file is about to be read into: most of the time
// of reading one out of the page cache is taken by page faults.
void PreferHugePages(char* data, size_t size) {
  constexpr size_t kPage = 4096, kWorthIt = size_t{8} << 20;
  if (size < kWorthIt) return;
  const auto begin = (reinterpret_cast<uintptr_t>(data) + kPage - 1) & ~(kPage - 1);
  ::madvise(reinterpret_cast<void*>(begin), size - kPage, MADV_HUGEPAGE);
}

}  // namespace

void Fd::Reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Error ErrnoError(std::string_view what, int errno_value) {
  Code code = Code::kInternal;
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      code = Code::kNotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Code::kPermissionDenied;
      break;
    case EEXIST:
      code = Code::kAlreadyExists;
      break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = Code::kResourceExhausted;
      break;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ELOOP:
      code = Code::kInvalidArgument;
      break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
      code = Code::kUnavailable;
      break;
    case ETIMEDOUT:
      code = Code::kDeadlineExceeded;
      break;
    default:
      break;
  }
  return Error(code, fmt::format("{}: {}", what, std::strerror(errno_value)));
}

Result<std::string> ReadFile(const std::filesystem::path& path, size_t limit) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Unexpected(ErrnoError("cannot read " + path.string(), errno));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return Unexpected(ErrnoError(path.string(), errno));
  if (S_ISDIR(info.st_mode)) return Unexpected(ErrnoError(path.string(), EISDIR));
  // A byte more than the size shows the end without growing. Files of /proc say 0 and others may
  // grow: read on until the end whatever the size says.
  size_t room = info.st_size > 0 ? static_cast<size_t>(info.st_size) + 1 : kReadBytes;
  std::string bytes;
  while (true) {
    const size_t size = bytes.size();
    ssize_t n = 0;
    bytes.resize_and_overwrite(size + std::min(room, limit - size + 1),
                               [&](char* data, size_t end) {
                                 PreferHugePages(data + size, end - size);
                                 n = ::read(fd.get(), data + size, end - size);
                                 return size + static_cast<size_t>(std::max<ssize_t>(n, 0));
                               });
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unexpected(ErrnoError("cannot read " + path.string(), errno));
    if (n == 0) break;
    if (bytes.size() > limit) {
      return Fail(Code::kResourceExhausted, "{} is larger than the limit of {} bytes",
                  path.string(), limit);
    }
    room -= std::min(room, static_cast<size_t>(n));
    if (room == 0) room = kReadBytes;
  }
  return bytes;
}

Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes, int mode) {
  std::string temporary = path.string() + "." + RandomSuffix(8) + ".tmp";
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
               static_cast<mode_t>(mode)));
  if (!fd) return Unexpected(ErrnoError("cannot create " + temporary, errno));
  auto fail = [&](std::string_view what) {
    Error error = ErrnoError(what, errno);
    ::unlink(temporary.c_str());
    return Unexpected(error);
  };
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("cannot write " + temporary);
    done += static_cast<size_t>(n);
  }
  if (::fsync(fd.get()) != 0) return fail("cannot sync " + temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return fail("cannot rename to " + path.string());
  std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) ::fsync(directory.get());
  return {};
}

Result<TemporaryFolder> TemporaryFolder::Make(std::string_view prefix) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  // Not in the current folder instead, which may be anybody's.
  if (error) {
    return Fail(Code::kFailedPrecondition, "TMPDIR names no folder for temporary files: {}",
                error.message());
  }
  std::string name = parent / (std::string(prefix) + "-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return Unexpected(ErrnoError("make a temporary folder: " + name, errno));
  }
  return TemporaryFolder(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (path_.empty()) return;
  std::filesystem::remove_all(path_, ignored);
  // remove_all gives up the folder itself where a file at its place must not be removed (Landlock).
  rmdir(path_.c_str());
}

}  // namespace kinglet
