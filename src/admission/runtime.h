// Validation of ServingRuntimes and ClusterServingRuntimes, InferenceGraphs, TrainedModels and
// LocalModelCaches. Pure; errors are kInvalidArgument with KServe's messages.
#pragma once

#include <vector>

#include "api/config.h"
#include "api/v1alpha1/inference_graph.h"
#include "api/v1alpha1/serving_runtime.h"
#include "api/v1alpha1/trained_model.h"

namespace kinglet::admission {

// `existing`: all runtimes of the same scope, itself included where it exists.
Status ValidateServingRuntime(const api::ServingRuntime& runtime,
                              const std::vector<api::ServingRuntime>& existing,
                              const api::Config& config);

Status ValidateInferenceGraph(const std::string& name, const api::InferenceGraphSpec& spec);

// `old_spec`: null for a creation.
Status ValidateTrainedModel(const std::string& name, const api::TrainedModelSpec& spec,
                            const api::TrainedModelSpec* old_spec);

}  // namespace kinglet::admission
