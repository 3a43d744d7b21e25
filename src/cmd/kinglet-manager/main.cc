// kinglet-manager: KServe's controllers and webhooks, as a Deployment on Kubernetes.
#include "cmd/kinglet-manager/manager.h"
#include "cmd/kinglet-manager/service.h"

int main(int argc, char** argv) {
  kinglet::ManagerOptions options;
  kinglet::Flags flags("kinglet-manager",
                       "Runs the controllers and webhooks of serving.kserve.io.");
  options.AddTo(flags);
  return kinglet::ServiceMain(argc, argv, flags, [&](const sigset_t& signals) {
    return kinglet::RunManager(options, signals);
  });
}
