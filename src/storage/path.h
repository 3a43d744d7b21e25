// Names from listings, archives and headers are foreign: they are checked before they become paths,
// and files are opened beneath a folder's descriptor without following links.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::storage {

// A file of a model, where it will lie beneath the destination.
struct StagedFile {
  std::string path;
  uint64_t size = 0;
};

// The name as a relative path of plain components ("a//b/./c" is "a/b/c"). kInvalidArgument for
// absolute names, "..", backslashes, NUL and control characters, components over 255 bytes, paths
// over 4,000 bytes and names that begin with ".kinglet-" (this program's own).
Result<std::string> SafePath(std::string_view name);

// Refuses names that cannot be together in one folder: twice the same, or one that is another's
// folder. Compares exactly: case matters. No more names, folders above them included, than limits.h
// allows.
class PathSet {
 public:
  Status Add(const std::string& path);
  Status AddFolder(const std::string& path);

 private:
  Status AddFoldersOf(const std::string& path);
  Status Count(const std::string& path);

  std::set<std::string> files_, folders_;
  size_t bytes_ = 0;
};

// fnmatch(3) of STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS: a JSON list or words separated
// by commas. Everything is allowed when `allow` is empty.
class PathFilter {
 public:
  static Result<PathFilter> Make(std::string_view allow, std::string_view ignore);
  bool Accepts(const std::string& path) const;

 private:
  std::vector<std::string> allow_, ignore_;
};

// Makes the folders of `path` beneath `root` and opens the file; no component may be a link.
Result<Fd> CreateBeneath(int root, const std::string& path, int flags, int mode = 0644);
Status MakeFoldersBeneath(int root, const std::string& path);
Result<Fd> OpenFolder(const std::string& path);

// Removes a tree without following links.
void RemoveTree(const std::string& path);

}  // namespace kinglet::storage
