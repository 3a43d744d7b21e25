// Which nodes a LocalModelNodeGroup has: those that the affinity of its volume lets in. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace kinglet::control {

// spec.persistentVolumeSpec.nodeAffinity.required of the group; without it nobody is in.
bool IsInNodeGroup(const Json& group, const Json& node);

bool IsNodeReady(const Json& node);

// What of a Node its groups ask about, so that its heartbeats are no changes. A transform.
void KeepNodeFacts(Json& node);

}  // namespace kinglet::control
