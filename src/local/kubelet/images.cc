#include "local/kubelet/images.h"

#include <algorithm>

namespace kinglet::kubelet {

std::vector<ImageRule> BuiltInImages() {
  // All addresses in a network of its own, the pod's address in the host's.
  const std::string host = "--http_host=$(KINGLET_HOST)";
  // A link into the host would lead nowhere in the other containers' roots.
  const std::string copy = "--copy-local";
  return {
      {"kserve/sklearnserver", {"kinglet-server", host, "--model_format=sklearn"}},
      {"kserve/xgbserver", {"kinglet-server", host, "--model_format=xgboost"}},
      {"kserve/lgbserver", {"kinglet-server", host, "--model_format=lightgbm"}},
      {"kinglet/server", {"kinglet-server", host}},
      {"kserve/storage-initializer", {"kinglet-storage-initializer", copy}, true},
      {"kinglet/storage-initializer", {"kinglet-storage-initializer", copy}, true},
  };
}

std::string ImageRepository(std::string_view image) {
  image = image.substr(0, image.find('@'));
  size_t slash = image.rfind('/');
  size_t colon = image.rfind(':');
  if (colon != image.npos && (slash == image.npos || colon > slash)) image = image.substr(0, colon);
  // The first part is a registry when it looks like a host, as Docker reads it.
  size_t first = image.find('/');
  if (first != image.npos) {
    std::string_view host = image.substr(0, first);
    if (host.find_first_of(".:") != host.npos || host == "localhost") {
      image = image.substr(first + 1);
    }
  }
  return std::string(image);
}

ImageTable::ImageTable(std::filesystem::path bin_dir, std::vector<ImageRule> extra)
    : bin_dir_(std::move(bin_dir)), rules_(std::move(extra)) {
  for (ImageRule& rule : BuiltInImages()) rules_.push_back(std::move(rule));
}

Result<ResolvedImage> ImageTable::Resolve(std::string_view image) const {
  const std::string repository = ImageRepository(image);
  auto matches = [&](const ImageRule& rule) {
    // Mirrors put folders before the name: "mirror/kserve/sklearnserver".
    return repository == rule.repository || repository.ends_with("/" + rule.repository);
  };
  auto rule = std::find_if(rules_.begin(), rules_.end(), matches);
  if (rule == rules_.end()) {
    std::string known;
    for (const ImageRule& each : rules_) {
      if (known.find(each.repository) == known.npos) {
        known += (known.empty() ? "" : ", ") + each.repository;
      }
    }
    return Fail(Code::kFailedPrecondition,
                "image \"{}\" is not run in standalone mode: Kinglet runs its own programs without "
                "a container runtime and has none for this image. Use a runtime with one of these "
                "images (any registry and tag): {}; or run this InferenceService on a Kubernetes "
                "cluster",
                image, known);
  }
  ResolvedImage resolved{rule->entrypoint, rule->downloads};
  std::string& program = resolved.entrypoint.front();
  if (program.find('/') == program.npos) {
    std::filesystem::path path = bin_dir_ / program;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      return Fail(Code::kNotFound,
                  "image \"{}\" stands for the program {}, which is not in {}: build or install it "
                  "beside kinglet",
                  image, program, bin_dir_.string());
    }
    program = path.string();
  }
  return resolved;
}

}  // namespace kinglet::kubelet
