// ConfigMap modelconfig-<InferenceService>-0, from which a multi-model server's agent learns what
// to load. Pure.
#pragma once

#include <string>
#include <string_view>

#include "api/v1alpha1/trained_model.h"
#include "base/result.h"

namespace kinglet::control {

// Every InferenceService has one shard.
std::string ModelConfigName(std::string_view inference_service);

// Whether the InferenceService controls the ConfigMap: another one with that name is not written.
bool IsModelConfigOf(const Json& config_map, std::string_view inference_service);

// {"modelName", "modelSpec": {storageUri, framework, memory}}
Json ModelConfigEntry(const api::TrainedModel& model);

// Both change `data` of the ConfigMap and return whether anything differs. The entries of other
// models stay as they are. kInvalidArgument for a models.json that is no list.
Result<bool> PutModelConfig(Json& config_map, const api::TrainedModel& model);
Result<bool> DropModelConfig(Json& config_map, std::string_view model);

}  // namespace kinglet::control
