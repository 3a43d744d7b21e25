// Which serving runtime serves a model, and what it becomes for one InferenceService. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/v1alpha1/serving_runtime.h"
#include "api/v1beta1/inference_service.h"
#include "base/result.h"

namespace kinglet::control {

// Why no pod can be made of a spec: what modelStatus.lastFailureInfo says, and the error.
struct ModelFailure {
  std::string reason;   // "NoSupportingRuntime", ...; "" says nothing about the model
  std::string message;  // for lastFailureInfo
  Error error;          // for the event
  // Where not empty, the component is not ready for this reason.
  std::string condition_reason;
};

template <class T>
using ModelResult = std::expected<T, ModelFailure>;

// The runtime of `isvc.spec.predictor.model`. `runtimes`: those of the namespace, then the
// cluster's. Sets model.runtime where it was chosen, model.protocolVersion where it was open, and
// the defaults that a runtime of that name brings (protocol, environment, arguments, labels in
// metadata).
ModelResult<const api::ServingRuntime*> ResolveRuntime(
    api::InferenceService& isvc, const std::vector<api::ServingRuntime>& runtimes);

// Whether one of the runtime's formats is that of the model; only those it selects automatically
// where `automatic`.
bool SupportsModel(const api::ServingRuntimeSpec& runtime, const api::ModelFormat& format,
                   bool automatic);

// Strategic merge of containers: `over` wins, arguments are joined, an empty name keeps `base`'s.
Result<Json> MergeContainers(const Json& base, const Json& over);

// The scheduling part of a runtime's pod with the predictor's pod spec over it; no containers.
Result<Json> MergePodSpecs(const Json& runtime_pod, const Json& predictor_pod);

// Placeholders in every text of the container.
Result<Json> ReplacePlaceholders(const Json& container, const Json& metadata);

// The image with the tag of runtimeVersion, or with "-gpu" where a GPU is asked for.
void UpdateImageTag(Json& container, const std::optional<std::string>& runtime_version,
                    std::string_view runtime_name);

}  // namespace kinglet::control
