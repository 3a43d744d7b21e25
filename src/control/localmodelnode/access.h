// What a node's agent asks of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::control {

std::vector<kube::Access> LocalModelNodeAccess();
// Only in the namespace of the download jobs.
std::vector<kube::Access> DownloadCredentialsAccess();

}  // namespace kinglet::control
