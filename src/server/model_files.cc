#include "server/model_files.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace kinglet::server {
namespace {

namespace fs = std::filesystem;

bool HasExtension(const fs::path& file, std::span<const std::string_view> extensions) {
  std::string name = file.filename().string();
  return std::ranges::any_of(extensions,
                             [&](std::string_view extension) { return name.ends_with(extension); });
}

}  // namespace

Result<std::vector<fs::path>> ListModelFiles(const fs::path& model_dir,
                                             std::span<const std::string_view> extensions) {
  std::error_code error;
  std::vector<fs::path> files;
  if (fs::is_regular_file(model_dir, error)) {
    if (HasExtension(model_dir, extensions)) files.push_back(model_dir);
    return files;
  }
  fs::directory_iterator it(model_dir, error);
  if (error) {
    return Fail(Code::kNotFound, "cannot read model_dir {}: {}", model_dir.string(),
                error.message());
  }
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && HasExtension(it->path(), extensions)) {
      files.push_back(it->path());
    }
  }
  if (error) {
    return Fail(Code::kInternal, "cannot list model_dir {}: {}", model_dir.string(),
                error.message());
  }
  std::ranges::sort(files);
  return files;
}

Result<fs::path> FindModelFile(const fs::path& model_dir,
                               std::span<const std::string_view> extensions) {
  KINGLET_TRY(auto files, ListModelFiles(model_dir, extensions));
  if (files.empty()) {
    return Fail(Code::kNotFound, "no model file in {}: expected one of {}", model_dir.string(),
                fmt::join(extensions, " "));
  }
  if (files.size() > 1) {
    std::vector<std::string> quoted;
    for (const fs::path& file : files) quoted.push_back(fmt::format("'{}'", file.string()));
    return Fail(Code::kInvalidArgument,
                "More than one model file is detected, Only one is allowed within model_dir: [{}]",
                fmt::join(quoted, ", "));
  }
  return files[0];
}

}  // namespace kinglet::server
