// What the API still says of pods whose processes ended with an earlier run of kinglet.
#pragma once

#include <string_view>

#include "base/result.h"
#include "kube/client.h"

namespace kinglet::standalone {

// Marks the pods of `node` as not ready, in their status and in Endpoints. To be called before
// anything sends requests to addresses that the API calls ready: until the pods listen there again,
// the ports are free, and any user of the machine may take them.
Status ForgetEarlierRun(kube::Client& client, std::string_view node);

}  // namespace kinglet::standalone
