// What KServe's releases after 0.15 add to the status of an InferenceService. Pure. Said only of
// services that use something of these releases, or with `compatibility: latest`.
#pragma once

#include "api/config.h"
#include "api/v1beta1/inference_service.h"
#include "base/clock.h"

namespace kinglet::control {

// Annotation stop: "true" in any case.
bool IsStopped(const api::InferenceService& isvc);
// Nothing of the old status but its mode; not ready, for the reason Stopped.
void SetStopped(Json& object, const api::InferenceService& isvc, const Clock& clock);
// Condition Stopped is False again; there from the first time with `compatibility: latest`.
void SetNotStopped(Json& object, const api::Config& config, const Clock& clock);

// status.deploymentMode, after which the mode cannot change.
void RecordMode(Json& object, const api::InferenceService& isvc, api::Mode mode,
                const api::Config& config);
// status.servingRuntimeName or clusterServingRuntimeName; `cluster`: the runtime has no namespace.
void RecordRuntime(Json& object, const std::string& runtime, bool cluster,
                   const api::Config& config);

}  // namespace kinglet::control
