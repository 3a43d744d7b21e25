// The Endpoints of a Service. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace kinglet::workloads {

// The number behind a service port for one pod: a number, or the name of a container port of the
// pod.
std::optional<int64_t> ResolveTargetPort(const Json& service_port, const Json& pod);

// Null for a Service without a selector (somebody else keeps its Endpoints). A pod that is being
// deleted is in neither list, so that nobody sends it anything new.
Json MakeEndpoints(const Json& service, const std::vector<Json>& pods);

// The same as an EndpointSlice, which newer kubectls read: the first subset's ports, all addresses.
Json MakeEndpointSlice(const Json& service, const Json& endpoints);

}  // namespace kinglet::workloads
