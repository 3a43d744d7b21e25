// What the TrainedModel controller asks of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::control {

std::vector<kube::Access> TrainedModelAccess();

}  // namespace kinglet::control
