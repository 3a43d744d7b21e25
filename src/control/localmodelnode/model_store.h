// The models on a node's disk: one folder each beneath a root, as their download jobs and the
// servers' volumes see them. Folders whose names begin with ".kinglet-" are the agent's own.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "control/localmodelnode/record.h"

namespace kinglet::control {

enum class Health {
  kMissing,  // no folder
  kUnknown,  // a folder of which nothing says that it is whole
  kWhole,
  kDamaged,
};

struct FolderState {
  Health health = Health::kMissing;
  std::string problem;               // of kDamaged: a sentence
  std::vector<std::string> damaged;  // files to throw away
  std::vector<FileFacts> files;      // of kWhole and kUnknown: what is there
  int64_t bytes = 0;
};

// Not thread-safe. Blocks: file systems, and reading files to check their digests.
class ModelStore {
 public:
  // `root` must lie below the top level: its folders are deleted.
  explicit ModelStore(std::filesystem::path root) : root_(std::move(root)) {}

  // Makes the root where it is missing.
  Status Open() const;
  // As root, before an agent that is none: makes the root and gives it to this user and group.
  Status GiveTo(uid_t owner) const;
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path PathOf(const std::string& folder) const { return root_ / folder; }

  // Compares a folder with what it was when it was last whole, which the record says; the
  // completion marker in the folder, as our storage initializer leaves it, counts only until then,
  // since pods may write to the folder. A file whose facts changed must have its digest; a file
  // that was added is damage.
  Result<FolderState> Inspect(const std::string& folder, const std::string& uri,
                              const ModelRecord& record, const std::stop_token& stop) const;
  // Removes the marker and the damaged files, so that nobody takes the rest for the model.
  Status Invalidate(const std::string& folder, const FolderState& state) const;
  // For a download job: kubelet would make it, as root, where the job may not write.
  Status MakeFolder(const std::string& folder) const;
  // Makes `to` the same model as the whole one in `from` by hard links.
  Status Share(const std::string& from, const FolderState& state, const std::string& to,
               const std::string& uri) const;

  // Of models, sorted; also of those that are only staged yet.
  Result<std::vector<std::string>> Folders() const;
  // With what is staged of it.
  Status Remove(const std::string& folder) const;
  // Removes all other folders and records. One that cannot be removed does not keep the others.
  Status RemoveExcept(const std::vector<std::string>& folders) const;

  ModelRecord ReadRecord(const std::string& folder) const;
  Status WriteRecord(const std::string& folder, const ModelRecord& record) const;

 private:
  Status DropRecordsExcept(const std::vector<std::string>& folders) const;
  std::filesystem::path RecordPath(const std::string& folder) const;
  std::filesystem::path root_;
};

}  // namespace kinglet::control
