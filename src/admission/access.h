// What the webhooks ask of the API server.
#pragma once

#include <vector>

#include "kube/access.h"

namespace kinglet::admission {

std::vector<kube::Access> WebhookAccess();

}  // namespace kinglet::admission
