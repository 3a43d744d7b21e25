// How a wished child and the one that is there become one object. Pure, by kind.
#pragma once

#include <string>

#include "base/json.h"

namespace kinglet::control {

// A digest of what of a child is its controller's: all but its status, what the server counts and
// what autoscalers and the Deployment controller write.
std::string ChildFingerprint(const Json& object);

// Which parts of an existing child give way to the wish; the rest belongs to others.
Json MergeChild(const Json& existing, const Json& desired);

}  // namespace kinglet::control
