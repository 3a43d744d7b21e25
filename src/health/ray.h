// What Ray's Global Control Service knows of the nodes of its cluster, asked by gRPC: the head of a
// group runs without the dashboard, and thus without an HTTP API.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace kinglet::health {

// How many nodes are alive. `address`: "host:port" of the GCS, as in RAY_ADDRESS; "auto" and "" are
// this machine's default port.
Result<int> CountAliveNodes(const std::string& address, Deadline deadline);

// The same of the bytes of a GetAllNodeInfoReply. kDataLoss where they are none.
Result<int> CountAliveNodesOf(std::string_view reply);

}  // namespace kinglet::health
