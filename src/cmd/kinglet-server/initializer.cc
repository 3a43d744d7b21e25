#include "cmd/kinglet-server/initializer.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "base/file.h"
#include "base/uri.h"

extern char** environ;

namespace kinglet {
namespace {

constexpr char kProgram[] = "kinglet-storage-initializer";

// Beside this binary, else anywhere in PATH.
std::string ProgramPath() {
  std::error_code error;
  const auto beside =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / kProgram;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : kProgram;
}

Result<pid_t> Spawn(std::string program, std::string uri, std::string folder) {
  // The server blocks the signals that end it; the initializer handles them itself.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  char* arguments[] = {program.data(), uri.data(), folder.data(), nullptr};
  pid_t child = -1;
  const int rc = posix_spawnp(&child, program.c_str(), nullptr, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) return Unexpected(ErrnoError("start " + program, rc));
  return child;
}

}  // namespace

Result<std::filesystem::path> Initializer::Fetch(std::string_view uri) {
  if (!folder_) {
    KINGLET_TRY(auto made, TemporaryFolder::Make("kinglet-model"));
    folder_.emplace(std::move(made));
  }
  // A folder of its own in there, so that nothing else of the temporary folder need be writable.
  const std::filesystem::path model = folder_->path() / "model";
  KINGLET_TRY(const pid_t child, Spawn(ProgramPath(), std::string(uri), model.string()));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Unexpected(ErrnoError("wait for the storage initializer", errno));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(Code::kUnavailable,
                "{} was not downloaded: the storage initializer's last message says why",
                RedactUri(uri));
  }
  return model;
}

}  // namespace kinglet
