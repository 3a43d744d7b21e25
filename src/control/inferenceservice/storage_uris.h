// Files of a component from several places (storageUris). Pure.
#pragma once

#include <span>
#include <vector>

#include "api/config.h"
#include "api/storage_uri.h"
#include "api/v1beta1/inference_service.h"
#include "base/result.h"

namespace kinglet::control {

// Puts into `pod` what brings the files: claims (pvc://) are mounted as they are, all others are
// downloaded by one init container into a volume at their common parent. The pod's webhook adds
// credentials to that container.
Status AddStorageUris(const std::vector<api::StorageUri>& places, const Json& annotations,
                      const api::Config& config,
                      std::span<const api::ClusterStorageContainer> containers, Json& pod);

}  // namespace kinglet::control
