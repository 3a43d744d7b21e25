// How a cached model stands on its nodes, and why, in words. Pure: objects in, findings out.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/finding.h"

namespace kinglet::cli {

struct CacheEvidence {
  std::vector<Json> groups;       // LocalModelNodeGroups
  std::vector<Json> nodes;        // Nodes
  std::vector<Json> node_models;  // LocalModelNodes
};

// Of a LocalModelCache or a LocalModelNamespaceCache. Problems first; never empty.
std::vector<Finding> DiagnoseCache(const Json& cache, const CacheEvidence& evidence);

// "1/2 downloaded"
std::string CopiesText(const Json& cache);

}  // namespace kinglet::cli
