#include "storage/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <map>
#include <memory>

#include "storage/limits.h"
#include "storage/path.h"

namespace kinglet::storage {

namespace {

constexpr size_t kReadBlock = 1 << 20;
constexpr int kMaxHops = 40;             // as the kernel's
constexpr size_t kMaxLinkTarget = 4096;  // so is this
// Of all links' paths together: some thousand links that lead through long ones are no model.
constexpr uint64_t kMaxSteps = 5'000'000;

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

Unexpected Invalid(std::string_view why) {
  return Fail(Code::kInvalidArgument,
              "Failed to unpack archive file. The file format is not valid. ({})", why);
}

std::string MessageOf(archive* reader) {
  const char* text = archive_error_string(reader);
  return text ? text : "unreadable";
}

// Writes entries' bytes to files, all together no more than the limits allow for an archive of
// `packed` bytes.
class Content {
 public:
  // `volume`: a descriptor of the volume that is written to.
  Content(archive* reader, uint64_t packed, int volume, const ArchiveLimits& limits,
          std::stop_token stop)
      : reader_(reader),
        stop_(std::move(stop)),
        limit_(Together(limits, packed).max_total_bytes),
        free_space_(volume) {}

  // The current entry; its size.
  Result<uint64_t> Write(int fd, const std::string& path) {
    uint64_t size = 0;
    while (true) {
      const void* block = nullptr;
      size_t length = 0;
      la_int64_t offset = 0;
      int result = archive_read_data_block(reader_, &block, &length, &offset);
      if (result == ARCHIVE_EOF) break;
      // A warning too: so the library calls a checksum or a size that is not the content's.
      if (result != ARCHIVE_OK) return Invalid(fmt::format("{}: {}", path, MessageOf(reader_)));
      if (offset < 0) return Invalid("a negative offset");
      // A sparse entry claims a size without bytes: the end counts, not what was written.
      uint64_t end = static_cast<uint64_t>(offset) + length;
      uint64_t grown = end > size ? end - size : 0;
      if (grown > limit_ || total_ > limit_ - grown) {
        return Fail(Code::kResourceExhausted,
                    "the archive unpacks to over {} bytes: refused as a bomb", limit_);
      }
      total_ += grown;
      size = std::max(size, end);
      KINGLET_RETURN_IF_ERROR(free_space_.Take(length));
      KINGLET_RETURN_IF_ERROR(WriteAll(fd, block, length, offset, path));
      if (stop_.stop_requested()) return Fail(Code::kCancelled, "stopped");
    }
    return size;
  }

 private:
  static Status WriteAll(int fd, const void* block, size_t length, la_int64_t offset,
                         const std::string& path) {
    auto* bytes = static_cast<const char*>(block);
    while (length > 0) {
      ssize_t put = pwrite(fd, bytes, length, offset);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Unexpected(ErrnoError(fmt::format("write {}", path), errno));
      bytes += put;
      length -= static_cast<size_t>(put);
      offset += put;
    }
    return {};
  }

  archive* reader_;
  std::stop_token stop_;
  uint64_t limit_, total_ = 0;
  FreeSpace free_space_;
};

class Unpacker {
 public:
  Unpacker(archive* reader, int folder, uint64_t packed, const ArchiveLimits& limits,
           std::stop_token stop, std::string_view beneath)
      : reader_(reader),
        folder_(folder),
        beneath_(beneath),
        limits_(limits),
        stop_(stop),
        content_(reader, packed, folder, limits, std::move(stop)) {}

  Result<std::vector<StagedFile>> Run() {
    archive_entry* entry = nullptr;
    while (true) {
      int result = archive_read_next_header(reader_, &entry);
      if (result == ARCHIVE_EOF) break;
      if (result < ARCHIVE_WARN) return Invalid(MessageOf(reader_));
      if (++entries_ > limits_.max_entries) {
        return Fail(Code::kResourceExhausted, "the archive has over {} entries",
                    limits_.max_entries);
      }
      if (stop_.stop_requested()) return Fail(Code::kCancelled, "stopped");
      KINGLET_RETURN_IF_ERROR(Entry(entry));
    }
    KINGLET_RETURN_IF_ERROR(MakeLinks());
    if (files_.empty() && beneath_.empty()) return Invalid("it is empty");
    return std::move(files_);
  }

 private:
  Status Entry(archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    if (!raw) raw = archive_entry_pathname_utf8(entry);
    if (!raw) return Invalid("an entry has no name");
    std::string_view name = raw;
    if (!beneath_.empty() && !CutBeneath(name)) return {};
    auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR) {
      while (name.ends_with('/')) name.remove_suffix(1);
      if (name.empty() || name == ".") return {};
      KINGLET_TRY(std::string path, SafePath(name));
      KINGLET_RETURN_IF_ERROR(paths_.AddFolder(path));
      return MakeFoldersBeneath(folder_, path + "/");
    }
    KINGLET_TRY(std::string path, SafePath(name));
    if (archive_entry_hardlink(entry)) {
      return Fail(Code::kInvalidArgument, "the archive has a hard link ({}): refused", path);
    }
    KINGLET_RETURN_IF_ERROR(paths_.Add(path));
    if (type == AE_IFLNK) {
      const char* target = archive_entry_symlink(entry);
      return RememberLink(path, target ? target : "");
    }
    if (type != AE_IFREG) {
      return Fail(Code::kInvalidArgument,
                  "the archive has something that is not a file, folder or link ({}): refused",
                  path);
    }
    bool executable = archive_entry_perm(entry) & 0100;
    return File(path, executable ? 0755 : 0644);
  }

  // Whether the name lies beneath the wanted folder; cuts the folder off.
  bool CutBeneath(std::string_view& name) const {
    while (name.starts_with("./") || name.starts_with('/'))
      name.remove_prefix(name[0] == '/' ? 1 : 2);
    if (!name.starts_with(beneath_) || name.size() <= beneath_.size() + 1) return false;
    name.remove_prefix(beneath_.size());
    if (name[0] != '/') return false;
    name.remove_prefix(1);
    return true;
  }

  Status File(const std::string& path, int mode) {
    KINGLET_TRY(Fd fd, CreateBeneath(folder_, path, O_WRONLY | O_CREAT | O_EXCL, mode));
    KINGLET_TRY(uint64_t size, content_.Write(fd.get(), path));
    files_.push_back({path, size});
    return {};
  }

  Status RememberLink(const std::string& path, const std::string& target) {
    if (target.empty() || target.starts_with('/') || target.find('\\') != std::string::npos) {
      return Fail(Code::kInvalidArgument, "the archive's link {} leads out of it: refused", path);
    }
    if (target.size() > kMaxLinkTarget) {
      return Fail(Code::kInvalidArgument, "the target of the archive's link {} is too long", path);
    }
    links_.emplace_back(path, target);
    return {};
  }

  // Links come last, so that no file is ever written through one.
  Status MakeLinks() {
    KINGLET_RETURN_IF_ERROR(CheckLinks({links_.begin(), links_.end()}));
    for (auto& [path, target] : links_) {
      KINGLET_RETURN_IF_ERROR(MakeFoldersBeneath(folder_, path));
      size_t slash = path.rfind('/');
      Fd parent;
      int at = folder_;
      if (slash != std::string::npos) {
        parent.Reset(openat(folder_, path.substr(0, slash).c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (!parent) return Unexpected(ErrnoError(fmt::format("open folder of {}", path), errno));
        at = parent.get();
      }
      const char* leaf = path.c_str() + (slash == std::string::npos ? 0 : slash + 1);
      if (symlinkat(target.c_str(), at, leaf) != 0) {
        return Unexpected(ErrnoError(fmt::format("link {}", path), errno));
      }
      files_.push_back({path, 0});
    }
    return {};
  }

  archive* reader_;
  int folder_;
  std::string_view beneath_;
  const ArchiveLimits& limits_;
  std::stop_token stop_;
  Content content_;
  uint64_t entries_ = 0;
  PathSet paths_;
  std::vector<std::pair<std::string, std::string>> links_;
  std::vector<StagedFile> files_;
};

// Each compression of what is compressed already multiplies the ratio, also of what is skipped.
Status RefuseLayers(archive* reader) {
  if (archive_filter_count(reader) <= 2) return {};  // one, and the file itself
  return Fail(Code::kInvalidArgument, "the archive is compressed more than once: refused");
}

std::deque<std::string> Parts(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

}  // namespace

Status CheckLinks(const std::map<std::string, std::string>& targets) {
  uint64_t steps = 0;
  for (auto& [path, target] : targets) {
    std::string at;  // the path so far
    std::deque<std::string> rest = Parts(path);
    int hops = 0;
    bool out = false;
    while (!rest.empty() && !out) {
      if (++steps > kMaxSteps) {
        return Fail(Code::kResourceExhausted, "the archive's links lead through too many folders");
      }
      std::string part = std::move(rest.front());
      rest.pop_front();
      if (part == "..") {
        out = at.empty();
        const size_t slash = at.rfind('/');
        at.resize(slash == std::string::npos ? 0 : slash);
        continue;
      }
      const size_t before = at.size();
      at.append(at.empty() ? "" : "/").append(part);
      auto link = targets.find(at);
      if (link == targets.end()) continue;
      at.resize(before);
      out = ++hops > kMaxHops;
      auto parts = Parts(link->second);
      rest.insert(rest.begin(), parts.begin(), parts.end());
    }
    if (out) {
      return Fail(Code::kInvalidArgument, "the archive's link {} leads out of it: refused", path);
    }
  }
  return {};
}

ArchiveLimits Together(const ArchiveLimits& limits, uint64_t packed) {
  const bool huge =
      packed > std::numeric_limits<uint64_t>::max() / std::max<uint64_t>(limits.max_ratio, 1);
  const uint64_t by_ratio = huge ? limits.max_total_bytes : packed * limits.max_ratio;
  ArchiveLimits whole = limits;
  whole.max_total_bytes =
      std::min(limits.max_total_bytes, std::max(limits.ratio_free_bytes, by_ratio));
  return whole;
}

bool IsArchiveName(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  for (std::string_view suffix :
       {".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip"}) {
    if (lower.ends_with(suffix)) return true;
  }
  return false;
}

Result<std::vector<StagedFile>> UnpackArchive(int file, int folder, const ArchiveLimits& limits,
                                              std::stop_token stop, std::string_view beneath) {
  struct stat info{};
  if (fstat(file, &info) != 0) return Unexpected(ErrnoError("the archive", errno));
  std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  if (!reader) return Fail(Code::kResourceExhausted, "out of memory");
  archive* a = reader.get();
  // Chosen one by one: "all" would also start foreign programs for filters it lacks.
  archive_read_support_format_tar(a);
  archive_read_support_format_zip(a);
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_zstd(a);
  if (archive_read_open_fd(a, file, kReadBlock) != ARCHIVE_OK) return Invalid(MessageOf(a));
  KINGLET_RETURN_IF_ERROR(RefuseLayers(a));
  return Unpacker(a, folder, static_cast<uint64_t>(info.st_size), limits, std::move(stop), beneath)
      .Run();
}

Result<uint64_t> Gunzip(int packed, int unpacked, const ArchiveLimits& limits,
                        std::stop_token stop) {
  struct stat info{};
  if (fstat(packed, &info) != 0) return Unexpected(ErrnoError("the gzip file", errno));
  std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  if (!reader) return Fail(Code::kResourceExhausted, "out of memory");
  archive* a = reader.get();
  archive_read_support_format_raw(a);
  archive_read_support_filter_gzip(a);
  archive_entry* entry = nullptr;
  if (archive_read_open_fd(a, packed, kReadBlock) != ARCHIVE_OK) return Invalid(MessageOf(a));
  int result = archive_read_next_header(a, &entry);
  if (archive_filter_code(a, 0) != ARCHIVE_FILTER_GZIP) return Invalid("Not a gzipped file");
  if (result == ARCHIVE_EOF) return 0;
  if (result < ARCHIVE_WARN) return Invalid(MessageOf(a));
  return Content(a, static_cast<uint64_t>(info.st_size), unpacked, limits, std::move(stop))
      .Write(unpacked, "the content");
}

}  // namespace kinglet::storage
