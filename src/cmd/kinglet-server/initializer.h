// --model_dir s3://...: the storage initializer beside this binary brings the model before it is
// loaded. A program of its own, so that a server, which seldom downloads, starts without the
// libraries that downloading takes.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace kinglet {

// A temporary folder with what was downloaded, which goes with this object.
class Initializer {
 public:
  // Blocking. The initializer's own messages go to this process' standard error.
  Result<std::filesystem::path> Fetch(std::string_view uri);
  // What goes with this object; "" when nothing was fetched.
  std::filesystem::path folder() const { return folder_ ? folder_->path() : ""; }

 private:
  std::optional<TemporaryFolder> folder_;  // once something was fetched
};

}  // namespace kinglet
