// Where clients send predictions of a model: paths and URLs as graphs and trained models need them.
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "api/v1beta1/inference_service.h"
#include "base/result.h"

namespace kinglet::control {

// "/v1/models/iris:predict", "/v2/models/iris/infer"; "" for gRPC.
std::string PredictPath(std::string_view model, std::string_view protocol);

// The model's name as the servers were told, by arguments or environment; else the
// InferenceService's.
std::string ModelNameOf(const api::InferenceService& isvc);

// status.address.url with the path of whoever answers first, transformer or predictor; without a
// path where TrainedModels bring the models. kUnavailable while there is no address.
Result<std::string> PredictorEndpoint(const api::InferenceService& isvc);

}  // namespace kinglet::control
