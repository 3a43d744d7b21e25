// The patch of a client-side apply: from what was applied before, what is wanted now and what is
// there.
// https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes
#pragma once

#include "base/json.h"

namespace kinglet::cli {

// Removes what `last` had and `wanted` does not have, sets what `wanted` has and `live` differs in,
// leaves everything else alone. With `strategic` for a strategic merge patch, else for a merge
// patch. An empty object when there is nothing to do.
Json ThreeWayPatch(const Json& last, const Json& wanted, const Json& live, bool strategic);

}  // namespace kinglet::cli
