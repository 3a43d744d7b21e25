// Reconciles LocalModelCaches and LocalModelNamespaceCaches: which nodes keep which model
// (LocalModelNodes, which the agents of the nodes act on), the volumes for downloads and for
// serving, and what the agents report. Everything is watched; nothing is polled. A cluster that
// caches no model pays for one watch a kind of cache.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/metrics.h"
#include "control/controller.h"
#include "kube/client.h"

namespace kinglet::control {

class LocalModelController : public Controller {
 public:
  struct Options {
    std::string config_namespace = "kserve";  // of ConfigMap inferenceservice-config
    // A folder of the one node that there is: the volumes are there, whatever source their groups
    // have. "": as the groups say.
    std::string volume_path;
    // The claim that a server mounts comes with the first whole copy, so that none starts on an
    // empty folder. KServe makes it at once.
    bool claim_after_download = false;
    int workers = 1;
    MetricsRegistry* metrics = nullptr;  // may be null; must outlive the controller
    const Clock* clock = nullptr;        // null: the system's
  };

  // The client must outlive the controller; it is used from several threads.
  LocalModelController(kube::Client& client, Options options);
  ~LocalModelController() override;

  void Start(std::stop_token stop) override;
  bool WaitForSync(Deadline deadline, std::stop_token stop) override;
  void Join() override;
  bool Idle() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::control
