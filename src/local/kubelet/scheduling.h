// Whether the one node takes a pod: what a cluster's scheduler would look at. Pure but for the
// ObjectSource that looks up claims and volumes.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "local/kubelet/environment.h"

namespace kinglet::kubelet {

// Why not, in a scheduler's words; "" where it does. Looks at nodeSelector and node affinity, at
// extended resources (nvidia.com/gpu), which this node does not have, and at claims: bound, and to
// volumes of this node. CPU and memory are not counted: one machine has what it has. An error where
// the API cannot be asked.
Result<std::string> WhyUnschedulable(const Json& pod, const Json& node,
                                     const ObjectSource& objects);

}  // namespace kinglet::kubelet
