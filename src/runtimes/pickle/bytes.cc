#include "runtimes/pickle/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/file.h"

namespace kinglet::runtimes::pickle {
namespace {

constexpr off_t kWorthMapping = off_t{256} << 10;

}  // namespace

Bytes& Bytes::operator=(Bytes&& other) noexcept {
  std::swap(text_, other.text_);
  std::swap(mapped_, other.mapped_);
  std::swap(size_, other.size_);
  return *this;
}

Bytes::~Bytes() {
  if (mapped_ != nullptr) munmap(const_cast<char*>(mapped_), size_);
}

Result<Bytes> Bytes::OfFile(const std::filesystem::path& file) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Unexpected(ErrnoError(file.string() + " cannot be opened", errno));
  struct stat info;
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Fail(Code::kInvalidArgument, "{} is no file", file.string());
  }
  if (info.st_size >= kWorthMapping) {
    const size_t size = static_cast<size_t>(info.st_size);
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd.get(), 0);
    if (at != MAP_FAILED) {
      Bytes bytes;
      bytes.mapped_ = static_cast<const char*>(at);
      bytes.size_ = size;
      return bytes;
    }
    // Some file systems cannot map.
  }
  KINGLET_TRY(std::string text, ReadFile(file));
  return Bytes(std::move(text));
}

}  // namespace kinglet::runtimes::pickle
