// Defaulting and validation of InferenceServices. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "api/config.h"
#include "api/v1alpha1/others.h"
#include "api/v1beta1/inference_service.h"

namespace kinglet::admission {

struct NamedCache {
  std::string name;
  api::LocalModelCacheSpec spec;
  std::string ns = "";  // of a LocalModelNamespaceCache
};

// The object with its defaults; of the caches the first that has the model counts, so those of the
// namespace come before those of the cluster. kInternal where the configuration cannot be read.
Result<Json> DefaultInferenceService(const Json& object, const api::Config& config,
                                     std::span<const NamedCache> caches);

// kInvalidArgument with KServe's message. Errors of the configuration are kInternal.
Status ValidateInferenceService(const api::InferenceService& isvc, const api::Config& config);

// What an update may not change, where the above does not tell.
Status ValidateInferenceServiceUpdate(const api::InferenceService& isvc,
                                      const api::InferenceService& old_isvc);

// Parts of the above.
Status ValidatePredictor(const api::PredictorSpec& spec);
Status ValidateStorageUris(const api::InferenceService& isvc);
Status ValidateCanaries(const api::InferenceService& isvc);
Status ValidateMultiNode(const api::InferenceService& isvc, const api::Config& config);
Status ValidateScaling(const api::InferenceService& isvc, const api::ComponentExtension& extension);

// GPU resource names that `resources` uses and the lists do not have.
bool HasUnknownGpu(const Json& resources, const std::vector<std::string>& known);
// The names of annotation gpu-resource-types; an error where it is malformed.
Result<std::vector<std::string>> CustomGpuTypes(const Json& annotations);

}  // namespace kinglet::admission
