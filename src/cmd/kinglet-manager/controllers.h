// The controllers that the manager runs, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet {

struct ControllerSetup {
  kube::Client& client;
  std::string config_namespace;
  int workers = 4;
  std::string node, models_root;  // of localmodelnode
  MetricsRegistry* metrics = nullptr;
};

// `names`: joined by commas; "none" is nobody. kInvalidArgument names what there is.
Result<std::vector<std::unique_ptr<control::Controller>>> MakeControllers(
    std::string_view names, const ControllerSetup& setup);

}  // namespace kinglet
