// The Node that standalone mode is, and which pods fit on it. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "local/kubelet/capabilities.h"

namespace kinglet::kubelet {

struct NodeFacts {
  std::string name, ip;
  int64_t cpu_milli = 0, memory = 0;  // bytes
};

// This machine's CPUs and memory.
NodeFacts ReadNodeFacts(std::string name);

Json MakeNode(const NodeFacts& facts, const Capabilities& capabilities, WallTime now);

// Why the pod cannot run here, in a scheduler's words; nothing when it can. Looks at nodeSelector
// and at extended resources (nvidia.com/gpu), which this node does not have. CPU and memory are not
// counted: one machine has what it has.
std::optional<std::string> WhyUnschedulable(const Json& pod, const Json& node);

}  // namespace kinglet::kubelet
