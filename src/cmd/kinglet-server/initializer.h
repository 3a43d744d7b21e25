// --model_dir s3://...: the storage initializer beside this binary brings the model before it is
// loaded. A program of its own, so that a server, which seldom downloads, starts without the
// libraries that downloading takes.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace kinglet {

// A temporary folder with what was downloaded, which goes with this object.
class Initializer {
 public:
  Initializer() = default;
  ~Initializer();
  Initializer(const Initializer&) = delete;
  Initializer& operator=(const Initializer&) = delete;

  // Blocking. The initializer's own messages go to this process' standard error.
  Result<std::filesystem::path> Fetch(std::string_view uri);

 private:
  std::filesystem::path folder_;  // "" until something was fetched
};

}  // namespace kinglet
