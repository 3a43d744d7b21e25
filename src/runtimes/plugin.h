// A model format: which files it takes and how one becomes a server::Model. One format is one
// file src/runtimes/<name>.cc that defines `Plugin Plugin_<name>()`; CMake collects them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "server/model.h"

namespace kinglet::runtimes {

struct LoadOptions {
  bool predict_proba = false;  // env PREDICT_PROBA: scikit-learn classifiers give probabilities
  int nthread = 1;             // --nthread: threads one prediction may use
};

struct Plugin {
  // KServe's modelFormat name: "sklearn".
  std::string_view format;
  // Extensions with the dot, lower case, in KServe's order: {".joblib", ".pkl", ".pickle"}.
  std::vector<std::string_view> extensions;
  // True where the file's first bytes look like this format (up to 4 KiB of the head are given).
  // Decides between formats that share an extension when no format is named.
  bool (*matches)(std::string_view head);
  // Builds the model from the file's bytes. They are foreign: any malformed, truncated or hostile
  // file gives kInvalidArgument with what is wrong, never a crash. Memory and work that the bytes
  // do not pay for themselves (one pass over the file, memory of a few times its size) are paid for
  // out of `budget`. A valid model of a kind that is not supported is kUnimplemented and names it.
  Result<std::unique_ptr<server::Model>> (*load)(std::string bytes, const LoadOptions& options,
                                                 Budget& budget);
};

// Reads the file and loads it within the budget of its size. Errors name the file. The file is
// read into memory, not mapped: shortening a mapped file ends the process that uses it.
Result<std::unique_ptr<server::Model>> LoadModelFile(const Plugin& plugin,
                                                     const std::filesystem::path& file,
                                                     const LoadOptions& options);

struct PluginEntry {
  std::string_view name;  // the file's name
  Plugin (*make)();
};

// All formats, from the file names in this folder (generated).
std::span<const PluginEntry> Plugins();

}  // namespace kinglet::runtimes
