// Components with files from several places (storageUris).
#include <set>

#include "admission/inference_service.h"
#include "admission/invalid.h"
#include "api/storage_uri.h"

namespace kinglet::admission {
namespace {

Status CheckPlace(const api::StorageUri& place, const std::string& path) {
  if (place.uri.empty()) return Invalid("storage URI cannot be empty");
  if (path == "/") return Invalid("storage path cannot be empty");
  if (!path.starts_with('/')) return Invalid("storage path must be absolute: {}", path);
  if (path.find("..") != std::string::npos) {
    return Invalid("storage path cannot contain '..' for security reasons: {}", path);
  }
  return {};
}

Status CheckPlaces(const std::vector<api::StorageUri>& places,
                   const std::optional<std::string>& storage_uri) {
  if (places.empty()) return {};
  if (storage_uri) return Invalid("Setting both StorageURI and StorageURIs is not supported.");
  std::vector<std::string> downloads;
  std::set<std::string> claims;
  for (const auto& place : places) {
    const std::string path = api::MountPathOf(place);
    KINGLET_RETURN_IF_ERROR(CheckPlace(place, path));
    if (!place.uri.starts_with("pvc://")) {
      downloads.push_back(path);
    } else if (!claims.insert(path).second) {
      return Invalid("PVC storage paths must be unique");
    }
  }
  if (downloads.size() > 1 && api::CommonParent(downloads) == "/") {
    return Invalid(
        "storage paths must have a common parent directory. Current paths: [{}] have no common "
        "parent beyond root",
        fmt::join(downloads, " "));
  }
  return {};
}

std::optional<std::string> EnvStorageUri(const Json& containers) {
  const Json* env = api::FindEnv(containers[0], "STORAGE_URI");
  return env ? std::optional((*env)["value"].AsString()) : std::nullopt;
}

}  // namespace

Status ValidateStorageUris(const api::InferenceService& isvc) {
  const auto& spec = isvc.spec;
  if (spec.transformer) {
    KINGLET_RETURN_IF_ERROR(CheckPlaces(spec.transformer->storage_uris,
                                        EnvStorageUri(spec.transformer->pod["containers"])));
  }
  if (spec.explainer) {
    KINGLET_RETURN_IF_ERROR(CheckPlaces(spec.explainer->storage_uris,
                                        spec.explainer->art
                                            ? spec.explainer->art->storage_uri
                                            : EnvStorageUri(spec.explainer->pod["containers"])));
  }
  return CheckPlaces(spec.predictor.storage_uris, api::StorageUriOf(spec.predictor));
}

}  // namespace kinglet::admission
