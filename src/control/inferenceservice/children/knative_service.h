// The Knative Service of a component (Serverless mode). Pure.
// https://knative.dev/docs/serving/reference/serving-api/#serving.knative.dev/v1.Service
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "control/inferenceservice/component.h"
#include "control/knative_merge.h"

namespace kinglet::control {

// `disallowed_labels`: those that do not reach the revision's pods. `status`: what
// status.components.<component> of the InferenceService says so far: a canary needs a revision that
// was rolled out before it.
Json MakeKnativeService(const ComponentPlan& plan, std::string_view ns,
                        const std::vector<std::string>& disallowed_labels, const Json& status);

}  // namespace kinglet::control
