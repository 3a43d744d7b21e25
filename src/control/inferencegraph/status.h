// status of an InferenceGraph. Pure: what was observed goes in, the object's status is changed.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::control {

// Standard mode: Ready, with the URL, as soon as the Deployment (may be null) says anything about
// being available, as KServe has it. False while it says nothing: the status is left alone.
bool SetGraphStatusFromDeployment(Json& graph, const Json* deployment, const std::string& url,
                                  const Clock& clock);

// Knative mode: conditions and URL are those of the Knative Service (null where it is not seen
// yet).
void SetGraphStatusFromKnativeService(Json& graph, const Json* service);

// What the annotation serving.kserve.io/stop says.
bool IsGraphStopped(const Json& graph);
// Condition Stopped, where the annotation is used; a stopped graph is not ready and has no URL.
void SetGraphStopped(Json& graph, const Clock& clock);

}  // namespace kinglet::control
