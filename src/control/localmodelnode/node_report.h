// What the agent says of its models: in the status of the LocalModelNode, and in Events.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"
#include "kube/events.h"

namespace kinglet::control {

struct ModelReport {
  std::string name;    // as status.modelStatus names it
  std::string state;   // ModelDownloaded, ...
  std::string reason;  // for people; "" where all is as it should be
};

// Not thread-safe.
class NodeReport {
 public:
  NodeReport(kube::Client& client, kube::EventRecorder& events)
      : client_(client), events_(events) {}

  // Writes status.modelStatus and status.modelReasons where they differ; an Event for each new
  // reason. `object`: the LocalModelNode as it was seen.
  Status Write(const Json& object, const std::vector<ModelReport>& models);

 private:
  kube::Client& client_;
  kube::EventRecorder& events_;
  std::optional<Json> told_;  // the reasons as last written
};

}  // namespace kinglet::control
