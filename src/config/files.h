// The manifests of config/ that travel inside the binaries: CRDs, serving runtimes, storage
// containers, the default configuration.
#pragma once

#include <span>
#include <string_view>

namespace kinglet::config {

struct File {
  std::string_view path;  // below config/: "crd/serving.kserve.io_inferenceservices.yaml"
  std::string_view text;
};

// Sorted by path.
std::span<const File> Files();

}  // namespace kinglet::config
