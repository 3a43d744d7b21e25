#include "storage/file_check.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"

namespace kinglet::storage {

namespace {

constexpr uint64_t kBuffer = 256 << 10;

}  // namespace

FileCheck::FileCheck(uint64_t size, uint64_t chunk_bytes, std::string name,
                     std::function<Checksum()> find)
    : size_(size), chunk_bytes_(chunk_bytes), name_(std::move(name)), find_(std::move(find)) {}

void FileCheck::Add(size_t chunk) {
  std::lock_guard lock(there_mutex_);
  if (there_.size() <= chunk) there_.resize(chunk + 1);
  there_[chunk] = true;
}

uint64_t FileCheck::WithoutGap() {
  std::lock_guard lock(there_mutex_);
  const auto gap = std::find(there_.begin(), there_.end(), false);
  return std::min(size_, static_cast<uint64_t>(gap - there_.begin()) * chunk_bytes_);
}

bool FileCheck::Begin() {
  if (nothing_to_do_ || hash_) return !nothing_to_do_;
  checksum_ = find_();
  nothing_to_do_ = !checksum_;
  if (nothing_to_do_) return false;
  hash_ = FileHash::Make(checksum_, size_);
  read_ = 0;
  return true;
}

Status FileCheck::ReadTo(uint64_t end, int fd, const std::stop_token& stop) {
  auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  while (read_ < end) {
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    const ssize_t got =
        pread(fd, buffer.get(), std::min(kBuffer, end - read_), static_cast<off_t>(read_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unexpected(ErrnoError(fmt::format("read {}", name_), errno));
    if (got == 0) break;
    hash_->Update({buffer.get(), static_cast<size_t>(got)});
    read_ += static_cast<uint64_t>(got);
  }
  return {};
}

void FileCheck::Follow(int fd, const std::stop_token& stop) {
  std::unique_lock lock(reading_, std::try_to_lock);
  if (!lock) return;
  // More comes while this is read.
  for (uint64_t end = WithoutGap(); end > read_; end = WithoutGap()) {
    if (!Begin()) return;
    // What cannot be read is met again at the end, which tells.
    if (!ReadTo(end, fd, stop)) return;
  }
}

FileCheck::Finding FileCheck::Finish(int fd, const std::stop_token& stop) {
  std::lock_guard lock(reading_);
  if (!Begin()) return {};
  // One byte more than there may be.
  if (Status status = ReadTo(size_ + 1, fd, stop); !status) return {std::move(status)};
  Finding finding{.actual = hash_->Finish(), .tentative = checksum_.tentative};
  hash_.reset();
  if (read_ != size_ || finding.actual != checksum_.value) {
    finding.status =
        Fail(Code::kDataLoss, "{}: the {} of the downloaded bytes is {}, the store says {}", name_,
             checksum_.algorithm, HexEncode(finding.actual), HexEncode(checksum_.value));
  }
  return finding;
}

}  // namespace kinglet::storage
