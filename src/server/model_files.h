// Which file of a model's folder is the model.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::server {

// The regular files directly in `model_dir` whose name ends with one of `extensions` (lower case,
// with the dot), sorted. `model_dir` may be such a file itself. kNotFound where there is neither
// folder nor file.
Result<std::vector<std::filesystem::path>> ListModelFiles(
    const std::filesystem::path& model_dir, std::span<const std::string_view> extensions);

// The only one of them. kNotFound where there is none (KServe's servers then take the folder for a
// repository of models), kInvalidArgument where there are several.
Result<std::filesystem::path> FindModelFile(const std::filesystem::path& model_dir,
                                            std::span<const std::string_view> extensions);

}  // namespace kinglet::server
