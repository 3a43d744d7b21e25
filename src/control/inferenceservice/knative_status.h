// What Knative Services say, in the status of an InferenceService in Serverless mode. Pure.
#pragma once

#include <span>

#include "base/clock.h"
#include "base/json.h"
#include "control/inferenceservice/component.h"

namespace kinglet::control {

// A component from the status of its Knative Service (null where there is none yet): revisions,
// traffic, URL, and the conditions of service, route and configuration.
void SetKnativeComponentStatus(Json& object, ComponentKind kind, const Json& service_status,
                               const Clock& clock);

// RoutesReady and LatestDeploymentReady: whether those of all components are.
void SetCrossComponentStatus(Json& object, std::span<const ComponentKind> components,
                             const Clock& clock);

// Whether any condition of a Knative Service is False.
bool HasFailed(const Json& service_status);

}  // namespace kinglet::control
