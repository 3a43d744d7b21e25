// Whether a component is ready, by the conditions of its Deployments. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"

namespace kinglet::control {

// Null where they are not there yet.
struct Deployments {
  const Json* main = nullptr;
  const Json* worker = nullptr;
  bool multi_node = false;  // a worker belongs to it
};

struct Readiness {
  std::string status;  // "True", "False", "Unknown"
  std::string reason, message;
};

// 0.15: as the condition Available of the Deployments; nothing where they do not have it yet.
std::optional<Readiness> ReadinessOf(const Deployments& deployments);
// Later releases: not ready until told otherwise, and a rollout that is stuck or under way shows.
std::optional<Readiness> LatestReadinessOf(const Deployments& deployments);

}  // namespace kinglet::control
