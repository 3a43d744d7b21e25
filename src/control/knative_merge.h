// How a Knative Service that is there follows the one that is wished. Pure.
#pragma once

#include <array>
#include <string_view>

#include "api/constants.h"
#include "base/json.h"

namespace kinglet::control {

// The annotations of a Knative Service that we write (its revisions have their own); the others
// belong to Knative.
inline constexpr std::array<std::string_view, 2> kKnativeServiceAnnotations = {
    "serving.knative.dev/rollout-duration", api::annotation::kKnativePassthrough};

// `existing` with labels, revision template, traffic and our annotations as wished. Its other
// annotations (serving.knative.dev/creator must not change) and its owner stay.
Json MergeKnativeService(const Json& existing, const Json& desired);

}  // namespace kinglet::control
