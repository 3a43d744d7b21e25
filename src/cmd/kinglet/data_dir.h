// The folder that holds everything of one standalone installation, who may see it, and the lock
// that keeps two processes from running on it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::standalone {

struct DataDir {
  std::filesystem::path root;

  std::filesystem::path Database() const { return root / "kinglet.db"; }
  std::filesystem::path Pki() const { return root / "pki"; }
  std::filesystem::path Kubeconfig() const { return root / "kubeconfig"; }
  std::filesystem::path Log() const { return root / "kinglet.log"; }
  std::filesystem::path LockFile() const { return root / "lock"; }
  // Cached models: beneath models/ in it, as on the volume of a node.
  std::filesystem::path ModelCache() const { return root / kModelCache; }
  static constexpr std::string_view kModelCache = "model-cache";
  // What the running process says of itself (JSON: pid, api, gateway, metrics).
  std::filesystem::path State() const { return root / "state.json"; }
};

// $KINGLET_HOME, or ~/.kinglet. kFailedPrecondition names --data-dir and KINGLET_HOME if HOME is no
// folder of this user: unset, "/", missing or owned by somebody else.
Result<std::filesystem::path> DefaultDataDir();

// Makes the folder if it is missing, and sees to it that no other user can look into it or put
// another in its place: it belongs to this user and has mode 0700 (a wider mode is narrowed, and
// *notice says so; if others could write, what lies in it must be this user's, too), and each
// folder and symbolic link on the way to it belongs to this user or root and is not writable by
// everybody, except folders with the sticky bit. Returns it with a path without symbolic links.
// kPermissionDenied names the part that is unsafe.
Result<DataDir> PrepareDataDir(const std::filesystem::path& path, std::string* notice);
// The same for a folder that must exist already; nothing is changed. kNotFound if it does not
// exist.
Result<DataDir> CheckDataDir(const std::filesystem::path& path);

// Takes the lock of a prepared folder for the life of the returned descriptor. The kernel releases
// it however the process ends. kAlreadyExists names the process that has it.
Result<Fd> LockDataDir(const DataDir& dir);
// The process that holds the lock, if any.
std::optional<pid_t> RunningPid(const DataDir& dir);

}  // namespace kinglet::standalone
