// The folder that holds everything of one standalone installation, and the lock that keeps two
// processes from running on it.
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

// ~/.kinglet, or $KINGLET_HOME.
std::filesystem::path DefaultDataDir();

// Makes the folder and takes the lock for the life of the returned descriptor. The kernel releases
// it however the process ends. kAlreadyExists names the process that has it.
Result<Fd> LockDataDir(const DataDir& dir);
// The process that holds the lock, if any.
std::optional<pid_t> RunningPid(const DataDir& dir);

}  // namespace kinglet::standalone
