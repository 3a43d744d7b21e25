// The probes of a predictor that spans nodes with Ray, as KServe's health_check.py has them.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace kinglet::health {

struct ProbeOptions {
  std::string ray_address;
  int64_t nodes = 2;                            // that must be alive
  int64_t retries = 0;                          // of the count of nodes
  Duration interval = std::chrono::seconds(2);  // between tries
  std::string url;                              // of the server, or of its list of models
  std::string model;                            // that the list must name
  Duration timeout = std::chrono::seconds(5);   // of one question
};

// Ok: healthy. The error says what is not.
Status CheckNodes(const ProbeOptions& options);
// The server answers with 200.
Status CheckServer(const ProbeOptions& options);
// Its list of models has the model.
Status CheckModels(const ProbeOptions& options);

}  // namespace kinglet::health
