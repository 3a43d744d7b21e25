// What a cache's status says of its copies. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/localmodel/model.h"

namespace kinglet::control {

struct NodeCopy {
  bool ready = false;  // the node
  std::string state;   // ModelDownloaded and so on, as the node's agent reports it; "" nothing yet
};

// Sets status.nodeStatus and status.copies from the nodes that the model's groups have now. A node
// that is not ready keeps what it last was.
void SetCopies(Json& cache, const std::map<std::string, NodeCopy>& nodes);

// Sets status.inferenceServices, and status.llmInferenceServices where there are any.
void SetUsers(Json& cache, const std::vector<Json>& services,
              const std::vector<Json>& llm_services);

}  // namespace kinglet::control
