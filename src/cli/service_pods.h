// The pods of an InferenceService.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::cli {

inline constexpr std::string_view kServiceLabel = "serving.kserve.io/inferenceservice";

// Newest first; with `component` (predictor, transformer, explainer) only its pods.
Result<std::vector<Json>> PodsOf(kube::Client& client, const kube::ObjectKey& service,
                                 std::string_view component = "");

// kserve-container where the pod has one, else its first container.
std::string MainContainer(const Json& pod);

}  // namespace kinglet::cli
