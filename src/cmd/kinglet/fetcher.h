// Joins the model server and storage: --model_dir s3://... is downloaded before it is loaded.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace kinglet {

// Downloads into a temporary folder, which goes with this object. Blocking.
class Fetcher {
 public:
  Fetcher() = default;
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  Result<std::filesystem::path> Fetch(std::string_view uri);

 private:
  std::filesystem::path folder_;  // "" until something was fetched
};

}  // namespace kinglet
