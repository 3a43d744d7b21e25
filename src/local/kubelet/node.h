// The Node that standalone mode is. Pure.
#pragma once

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

}  // namespace kinglet::kubelet
