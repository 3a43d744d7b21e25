// What a TrainedModel needs to know of its InferenceService, and its status. Pure.
#pragma once

#include <string>

#include "api/v1beta1/inference_service.h"
#include "base/clock.h"
#include "kube/quantity.h"

namespace kinglet::control {

struct ParentService {
  bool ready = false, multi_model = false;
  kube::Quantity memory;  // the limit of the predictor's container; 0 where it has none
  std::string url, address, protocol;

  // Of a watched InferenceService little else is kept: both ways.
  Json ToJson() const;
  static ParentService FromJson(const Json& value);
};

ParentService ParentServiceOf(const api::InferenceService& isvc);

// Sets the conditions, and url and address where all are true. Returns why the model waits, in
// KServe's words; "" where it can be loaded.
std::string SetTrainedModelStatus(Json& model, const ParentService& parent, bool memory_available,
                                  const Clock& clock);

}  // namespace kinglet::control
