// Which nodes a NodeSelector lets in: the affinity of a volume or of a pod. Pure.
// https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
#pragma once

#include "base/json.h"

namespace kinglet::kube {

// Terms of a NodeSelector: any of them, each with all its requirements. No terms, and a term
// without requirements, let nobody in.
bool MatchesNodeSelector(const Json& selector, const Json& node);

}  // namespace kinglet::kube
