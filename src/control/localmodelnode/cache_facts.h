// What of a cache its copies on a node depend on, so that other changes wake no agent. Pure.
#pragma once

#include "base/json.h"

namespace kinglet::control {

// Keeps the spec, and as `used` whether services use the model. A transform for informers.
void KeepCacheFacts(Json& cache);
// Either may be null, for a cache that is new or gone.
bool CacheFactsChanged(const Json* before, const Json* after);

}  // namespace kinglet::control
