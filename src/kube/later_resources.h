// Kinds of serving.kserve.io that came after KServe 0.15.
#pragma once

#include "kube/resource.h"

namespace kinglet::kube {

inline const ResourceType kLocalModelNamespaceCache{
    "serving.kserve.io", "v1alpha1", "localmodelnamespacecaches", "LocalModelNamespaceCache"};

}  // namespace kinglet::kube
