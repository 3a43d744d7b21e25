#include "cmd/kinglet/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace kinglet::standalone {
namespace {

std::string HolderText(int fd) {
  char text[32] = {};
  ssize_t n = ::pread(fd, text, sizeof(text) - 1, 0);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

}  // namespace

std::filesystem::path DefaultDataDir() {
  if (const char* home = std::getenv("KINGLET_HOME"); home && *home) return home;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home && *home ? home : "/root") / ".kinglet";
}

Result<Fd> LockDataDir(const DataDir& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir.root, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "cannot make {}: {}", dir.root.string(), error.message());
  }
  Fd fd(::open(dir.LockFile().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
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
  Fd fd(::open(dir.LockFile().c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return std::nullopt;
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::nullopt;  // nobody holds it
  std::string text = HolderText(fd.get());
  pid_t pid = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace kinglet::standalone
