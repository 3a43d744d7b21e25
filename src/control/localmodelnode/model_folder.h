// One model's folder on a node. Download jobs write to it, and so may pods that mount it, so
// nothing in it is trusted: no path is followed through a link, only regular files are read, and
// what is walked is bounded.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "control/localmodelnode/record.h"

namespace kinglet::control {

// Not thread-safe. Blocks. Names are relative to the folder; kInvalidArgument for absolute names
// and for names with "." or "..".
class ModelFolder {
 public:
  struct Content {
    std::vector<FileFacts> files;     // regular files and symbolic links; only links have digests
    std::vector<std::string> others;  // devices, pipes and sockets: no model has them
  };

  // kNotFound if there is no such entry; kFailedPrecondition if it is not a folder (a link is
  // none).
  static Result<ModelFolder> Open(const std::filesystem::path& path);

  // Everything but the entries at the top that are this program's own (".kinglet-..."). Entries in
  // no particular order. kResourceExhausted for over a million entries or over 64 levels.
  Result<Content> Walk() const;
  // The content of a regular file of at most `limit` bytes.
  Result<std::string> Read(const std::string& name, size_t limit) const;
  // Whether the file has that digest, "algorithm:hex". True if the algorithm is unknown.
  Result<bool> HasDigest(const std::string& name, std::string_view digest,
                         const std::stop_token& stop) const;
  // Removes a file, a link or an empty folder. Success if it does not exist.
  Status Remove(const std::string& name) const;
  // Makes `name` here, with the folders above it, a hard link to the same name in `from`, which
  // must be the file that `from.inode` says. Replaces what is there.
  Status Link(const ModelFolder& from, const FileFacts& file) const;
  // Replaces a file at the top.
  Status Write(const std::string& name, std::string_view bytes) const;
  Status SetMode(mode_t mode) const;

 private:
  explicit ModelFolder(Fd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}
  std::string NameOf(const std::string& name) const { return (path_ / name).string(); }

  Fd fd_;
  std::filesystem::path path_;  // for messages
};

}  // namespace kinglet::control
