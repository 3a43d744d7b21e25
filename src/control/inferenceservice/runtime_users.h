// Which InferenceServices a serving runtime serves, as of their last passes: its changes reach
// them.
#pragma once

#include <map>
#include <vector>

#include "base/guarded.h"
#include "control/inferenceservice/component.h"
#include "kube/object.h"

namespace kinglet::control {

// The key of the runtime of a predictor's plan; its name is empty where there is none.
inline kube::ObjectKey RuntimeOf(const ComponentPlan& plan, const std::string& ns) {
  return {.ns = plan.cluster_runtime ? "" : ns, .name = plan.runtime};
}

// Thread-safe.
class RuntimeUsers {
 public:
  // `runtime`: without namespace where it is the cluster's; with an empty name there is none.
  void Set(const kube::ObjectKey& user, kube::ObjectKey runtime) {
    runtime_of_.With([&](auto& map) {
      if (runtime.name.empty()) {
        map.erase(user);
      } else {
        map[user] = std::move(runtime);
      }
    });
  }
  void Forget(const kube::ObjectKey& user) { Set(user, {}); }
  std::vector<kube::ObjectKey> Of(const kube::ObjectKey& runtime) {
    return runtime_of_.With([&](auto& map) {
      std::vector<kube::ObjectKey> users;
      for (const auto& [user, used] : map) {
        if (used == runtime) users.push_back(user);
      }
      return users;
    });
  }

 private:
  Guarded<std::map<kube::ObjectKey, kube::ObjectKey>> runtime_of_;
};

}  // namespace kinglet::control
