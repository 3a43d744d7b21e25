// What the InferenceGraph controller asks of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::control {

std::vector<kube::Access> InferenceGraphAccess();

}  // namespace kinglet::control
