// What a node's agent asks of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::control {

std::vector<kube::Access> LocalModelNodeAccess();
// In the namespace of the download jobs only.
std::vector<kube::Access> DownloadJobAccess();

}  // namespace kinglet::control
