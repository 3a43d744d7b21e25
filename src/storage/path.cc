#include "storage/path.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/json.h"
#include "base/text.h"
#include "storage/limits.h"

namespace kinglet::storage {

namespace {

constexpr size_t kMaxPath = 4000, kMaxComponent = 255;

// openat2 keeps the lookup beneath the folder whatever links lie there; kernels before 5.6 and
// some sandboxes do not have it, then O_NOFOLLOW on each component says the same.
int OpenBeneath(int root, const char* path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(syscall(SYS_openat2, root, path, &how, sizeof how));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  std::string_view rest = path;
  Fd folder;
  int at = root;
  while (true) {
    size_t slash = rest.find('/');
    std::string part(rest.substr(0, slash));
    if (slash == std::string_view::npos) {
      return openat(at, part.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
    }
    Fd next(openat(at, part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!next) return -1;
    folder = std::move(next);
    at = folder.get();
    rest.remove_prefix(slash + 1);
  }
}

Result<std::vector<std::string>> Patterns(std::string_view text) {
  std::vector<std::string> result;
  if (text.starts_with('[')) {
    KINGLET_TRY(Json list, Json::Parse(text));
    for (auto& item : list.AsArray()) result.push_back(item.AsString());
  } else {
    while (!text.empty()) {
      size_t comma = text.find(',');
      std::string_view word = text.substr(0, comma);
      text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
      while (word.starts_with(' ')) word.remove_prefix(1);
      while (word.ends_with(' ')) word.remove_suffix(1);
      if (!word.empty()) result.emplace_back(word);
    }
  }
  return result;
}

bool MatchesAny(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](auto& pattern) { return fnmatch(pattern.c_str(), path.c_str(), 0) == 0; });
}

}  // namespace

Result<std::string> SafePath(std::string_view name) {
  auto refuse = [&](std::string_view why) {
    std::string shown(name.substr(0, 200));
    for (char& c : shown) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return Fail(Code::kInvalidArgument, "refused file name \"{}\": {}", shown, why);
  };
  if (name.starts_with('/')) return refuse("it is absolute");
  if (name.size() > kMaxPath) return refuse("it is too long");
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return refuse("it has a control character");
    if (c == '\\') return refuse("it has a backslash");
  }
  std::string result;
  while (!name.empty()) {
    size_t slash = name.find('/');
    std::string_view part = name.substr(0, slash);
    name.remove_prefix(slash == std::string_view::npos ? name.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return refuse("it leaves its folder");
    if (part.size() > kMaxComponent) return refuse("a part of it is too long");
    // Some volumes do not tell upper case from lower.
    if (AsciiLower(part).starts_with(".kinglet-")) return refuse("names in .kinglet- are reserved");
    if (!result.empty()) result += '/';
    result += part;
  }
  if (result.empty()) return refuse("it is empty");
  return result;
}

namespace {

Unexpected Clash(std::string_view path, std::string_view other) {
  return Fail(Code::kInvalidArgument, "the names \"{}\" and \"{}\" clash", path, other);
}

}  // namespace

Status PathSet::Count(const std::string& path) {
  bytes_ += path.size();
  if (files_.size() + folders_.size() <= kMaxNames && bytes_ <= kMaxNameBytes) return {};
  return Fail(Code::kResourceExhausted,
              "the model has over {} files and folders, or their names are over {} bytes",
              kMaxNames, kMaxNameBytes);
}

Status PathSet::Add(const std::string& path) {
  if (folders_.contains(path)) return Clash(path, path + "/...");
  if (!files_.insert(path).second) return Clash(path, path);
  KINGLET_RETURN_IF_ERROR(Count(path));
  return AddFoldersOf(path);
}

Status PathSet::AddFolder(const std::string& path) {
  if (files_.contains(path)) return Clash(path, path + "/");
  if (!folders_.insert(path).second) return {};
  KINGLET_RETURN_IF_ERROR(Count(path));
  return AddFoldersOf(path);
}

// From the nearest one up, as long as they are new.
Status PathSet::AddFoldersOf(const std::string& path) {
  for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    const std::string folder = path.substr(0, slash);
    if (files_.contains(folder)) return Clash(path, folder);
    if (!folders_.insert(folder).second) return {};
    KINGLET_RETURN_IF_ERROR(Count(folder));
  }
  return {};
}

Result<PathFilter> PathFilter::Make(std::string_view allow, std::string_view ignore) {
  PathFilter filter;
  auto allowed = Patterns(allow);
  if (!allowed) return Unexpected(allowed.error().WithContext("STORAGE_ALLOW_PATTERNS"));
  auto ignored = Patterns(ignore);
  if (!ignored) return Unexpected(ignored.error().WithContext("STORAGE_IGNORE_PATTERNS"));
  filter.allow_ = std::move(*allowed);
  filter.ignore_ = std::move(*ignored);
  return filter;
}

bool PathFilter::Accepts(const std::string& path) const {
  if (!allow_.empty() && !MatchesAny(allow_, path)) return false;
  return !MatchesAny(ignore_, path);
}

Status MakeFoldersBeneath(int root, const std::string& path) {
  const size_t last = path.rfind('/');
  if (last == std::string::npos) return {};
  // Each is made with a lookup of all above it: not again for every file of a deep folder.
  if (Fd there(OpenBeneath(root, path.substr(0, last).c_str(), O_PATH | O_DIRECTORY, 0)); there) {
    return {};
  }
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    std::string folder = path.substr(0, slash);
    size_t parent_end = folder.rfind('/');
    Fd parent;
    int at = root;
    std::string leaf = folder;
    if (parent_end != std::string::npos) {
      parent.Reset(
          OpenBeneath(root, folder.substr(0, parent_end).c_str(), O_RDONLY | O_DIRECTORY, 0));
      if (!parent) return Unexpected(ErrnoError(fmt::format("open folder of {}", folder), errno));
      at = parent.get();
      leaf = folder.substr(parent_end + 1);
    }
    if (mkdirat(at, leaf.c_str(), 0755) != 0 && errno != EEXIST) {
      return Unexpected(ErrnoError(fmt::format("make folder {}", folder), errno));
    }
  }
  return {};
}

Result<Fd> CreateBeneath(int root, const std::string& path, int flags, int mode) {
  KINGLET_RETURN_IF_ERROR(MakeFoldersBeneath(root, path));
  Fd fd(OpenBeneath(root, path.c_str(), flags, static_cast<mode_t>(mode)));
  if (!fd) return Unexpected(ErrnoError(fmt::format("open {}", path), errno));
  return fd;
}

Result<Fd> OpenFolder(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return Unexpected(ErrnoError(fmt::format("open folder {}", path), errno));
  return fd;
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace kinglet::storage
