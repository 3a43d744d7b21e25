// The controllers that the manager runs, by name.
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet {

class RunningController {
 public:
  virtual ~RunningController() = default;
  virtual void Start(std::stop_token stop) = 0;
  virtual bool WaitForSync(Deadline deadline, std::stop_token stop) = 0;
  virtual void Join() = 0;
};

struct ControllerSetup {
  kube::Client& client;
  std::string config_namespace;
  int workers = 4;
  MetricsRegistry* metrics = nullptr;
};

// `names`: joined by commas; "none" is nobody. kInvalidArgument names what there is.
Result<std::vector<std::unique_ptr<RunningController>>> MakeControllers(
    std::string_view names, const ControllerSetup& setup);

}  // namespace kinglet
