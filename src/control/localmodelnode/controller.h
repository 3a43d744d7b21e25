// The agent of one node: brings the models that its LocalModelNode names, by Jobs; looks whether
// they are still whole; removes what is not wanted or has no room; reports.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet::control {

class LocalModelNodeController : public Controller {
 public:
  struct Options {
    std::string node;                                          // its name
    std::filesystem::path models_root = "/mnt/models/models";  // as the node's volume is mounted
    std::string config_namespace = "kserve";  // of ConfigMap inferenceservice-config
    MetricsRegistry* metrics = nullptr;       // may be null; must outlive the controller
    const Clock* clock = nullptr;             // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  LocalModelNodeController(kube::Client& client, Options options);
  ~LocalModelNodeController() override;

  void Start(std::stop_token stop) override;
  bool WaitForSync(Deadline deadline, std::stop_token stop) override;
  void Join() override;
  bool Idle() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::control
