// JSON Merge Patch, RFC 7386.
#pragma once

#include "base/json.h"

namespace kinglet::kube {

// target with patch applied. Total: every pair of values has a result.
Json ApplyMergePatch(Json target, const Json& patch);
// The patch that turns `from` into `to`. Cannot express members of `to` that are null.
Json CreateMergePatch(const Json& from, const Json& to);

}  // namespace kinglet::kube
