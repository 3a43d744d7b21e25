#include "cmd/kinglet/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <deque>

namespace kinglet::standalone {
namespace {

namespace fs = std::filesystem;
constexpr int kMaxLinks = 40;

std::string HolderText(int fd) {
  char text[32] = {};
  ssize_t n = ::pread(fd, text, sizeof(text) - 1, 0);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

Unexpected Unsafe(const fs::path& folder, const fs::path& part, std::string_view why) {
  return Fail(
      Code::kPermissionDenied,
      "the data folder {} is not safe: {} {}; choose another with --data-dir or KINGLET_HOME",
      folder.string(), part.string(), why);
}

bool IsTrusted(uid_t owner) { return owner == ::geteuid() || owner == 0; }

// Whoever can rename a folder on the way can put another in the place of what lies below it.
Status CheckWay(const fs::path& folder, const fs::path& part, const struct stat& info) {
  if (!IsTrusted(info.st_uid)) {
    return Unsafe(folder, part, fmt::format("belongs to another user (uid {})", info.st_uid));
  }
  if (S_ISDIR(info.st_mode) && (info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX)) {
    return Unsafe(folder, part, "is writable by every user of the machine and has no sticky bit");
  }
  return {};
}

// Follows `path` part by part, checks what it goes through, and returns it without links, dots and
// the parts that do not exist yet (which *missing gets).
Result<fs::path> FollowSafely(const fs::path& path, fs::path* missing) {
  std::deque<fs::path> left(path.begin(), path.end());
  std::erase(left, fs::path());  // of a "/" at the end
  fs::path at;
  int links = 0;
  while (!left.empty()) {
    const fs::path name = left.front();
    left.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    const fs::path next = at / name;
    struct stat info{};
    if (::lstat(next.c_str(), &info) != 0) {
      if (errno != ENOENT) return Unexpected(ErrnoError(next.string(), errno));
      *missing = name;
      for (const fs::path& part : left) *missing /= part;
      return at;
    }
    if (S_ISLNK(info.st_mode)) {
      KINGLET_RETURN_IF_ERROR(CheckWay(path, next, info));
      if (++links > kMaxLinks) return Unexpected(ErrnoError(next.string(), ELOOP));
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error) return Unexpected(ErrnoError(next.string(), error.value()));
      left.insert(left.begin(), target.begin(), target.end());
      std::erase(left, fs::path());
      if (target.is_absolute()) at.clear();
      continue;
    }
    if (!S_ISDIR(info.st_mode)) return Unexpected(ErrnoError(next.string(), ENOTDIR));
    // The folder itself has stricter rules.
    if (!left.empty()) KINGLET_RETURN_IF_ERROR(CheckWay(path, next, info));
    at = next;
  }
  return at;
}

// That all that lies in `part` belongs to this user. A data folder that others could write to may
// hold a token, a key or a database that they made and know.
Status CheckContents(const fs::path& folder, const fs::path& part) {
  std::error_code error;
  if (!fs::exists(part, error)) return {};
  for (fs::directory_iterator entry(part, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat info{};
    if (::lstat(entry->path().c_str(), &info) != 0) continue;
    if (info.st_uid != ::geteuid()) {
      return Unsafe(
          folder, entry->path(),
          fmt::format("belongs to another user (uid {}), who could write to the folder: if it is "
                      "nothing that you know, remove the folder with all that lies in it",
                      info.st_uid));
    }
  }
  if (error) return Unexpected(ErrnoError("cannot list " + part.string(), error.value()));
  return {};
}

Result<DataDir> Examine(const fs::path& path, bool make, std::string* notice) {
  fs::path missing;
  KINGLET_TRY(fs::path root, FollowSafely(fs::absolute(path), &missing));
  if (!missing.empty()) {
    if (!make) return Fail(Code::kNotFound, "{} does not exist", path.string());
    // The parent of what is missing was the last part that was followed.
    struct stat info{};
    if (::lstat(root.c_str(), &info) != 0) return Unexpected(ErrnoError(root.string(), errno));
    KINGLET_RETURN_IF_ERROR(CheckWay(path, root, info));
    for (const fs::path& part : missing) {
      if (part.empty()) continue;
      root /= part;
      if (::mkdir(root.c_str(), 0700) != 0) {
        return Unexpected(ErrnoError("cannot make " + root.string(), errno));
      }
    }
  }
  Fd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return Unexpected(ErrnoError("cannot open " + root.string(), errno));
  }
  if (info.st_uid != ::geteuid()) {
    return Unsafe(
        path, root,
        fmt::format("belongs to another user (uid {}, this is {})", info.st_uid, ::geteuid()));
  }
  if (info.st_mode & 077) {
    // Closed before it is looked at: nothing can be put there in between.
    if (make && ::fchmod(fd.get(), 0700) != 0) {
      return Unexpected(ErrnoError("cannot close " + root.string() + " to other users", errno));
    }
    if (info.st_mode & 022) {
      KINGLET_RETURN_IF_ERROR(CheckContents(path, root));
      std::error_code none;
      if (make) fs::permissions(root / "pki", fs::perms::owner_all, none);
      KINGLET_RETURN_IF_ERROR(CheckContents(path, root / "pki"));
    }
    if (!make) return DataDir{std::move(root)};
    *notice = fmt::format(
        "the data folder {} was open to other users (mode {:04o}) and is closed to them now (0700)",
        root.string(), info.st_mode & 07777);
  }
  return DataDir{std::move(root)};
}

}  // namespace

Result<fs::path> DefaultDataDir() {
  if (const char* home = std::getenv("KINGLET_HOME"); home && *home) return home;
  const char* home = std::getenv("HOME");
  auto refuse = [](std::string_view why) {
    return Fail(Code::kFailedPrecondition,
                "{}, so there is no default data folder: name one with --data-dir or KINGLET_HOME",
                why);
  };
  if (!home || !*home) return refuse("HOME is not set");
  const fs::path path(home);
  if (!path.is_absolute() || path.lexically_normal() == "/") {
    return refuse(fmt::format("HOME is \"{}\"", home));
  }
  struct stat info{};
  if (::stat(home, &info) != 0 || !S_ISDIR(info.st_mode)) {
    return refuse(fmt::format("HOME ({}) is not a folder", home));
  }
  if (info.st_uid != ::geteuid()) {
    return refuse(fmt::format("HOME ({}) belongs to another user", home));
  }
  return path / ".kinglet";
}

Result<DataDir> PrepareDataDir(const fs::path& path, std::string* notice) {
  return Examine(path, true, notice);
}

Result<DataDir> CheckDataDir(const fs::path& path) { return Examine(path, false, nullptr); }

Result<Fd> LockDataDir(const DataDir& dir) {
  Fd fd(::open(dir.LockFile().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Unexpected(ErrnoError("cannot open " + dir.LockFile().string(), errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Fail(Code::kAlreadyExists,
                "Kinglet already runs on {} (process {}): `kinglet down` stops it, --data-dir runs "
                "another beside it",
                dir.root.string(), HolderText(fd.get()));
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Unexpected(ErrnoError("cannot write " + dir.LockFile().string(), errno));
  }
  return fd;
}

std::optional<pid_t> RunningPid(const DataDir& dir) {
  Fd fd(::open(dir.LockFile().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  // Of a folder that others can write to it may have been exchanged.
  if (!fd || ::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid()) return std::nullopt;
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::nullopt;  // nobody holds it
  std::string text = HolderText(fd.get());
  pid_t pid = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace kinglet::standalone
