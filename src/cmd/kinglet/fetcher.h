// Joins the model server and storage: --model_dir s3://... is downloaded before it is loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace kinglet {

// Downloads into a temporary folder, which goes with this object. Blocking.
class Fetcher {
 public:
  Result<std::filesystem::path> Fetch(std::string_view uri);
  // What goes with this object; "" when nothing was fetched.
  std::filesystem::path folder() const { return folder_ ? folder_->path() : ""; }

 private:
  std::optional<TemporaryFolder> folder_;  // once something was fetched
};

}  // namespace kinglet
