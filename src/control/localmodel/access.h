// What the controller of cached models asks of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::control {

std::vector<kube::Access> LocalModelAccess();

}  // namespace kinglet::control
