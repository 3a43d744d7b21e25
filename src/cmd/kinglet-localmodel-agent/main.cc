// kinglet-localmodel-agent: keeps the models of one node, as a DaemonSet.
#include "cmd/kinglet-manager/http_endpoints.h"
#include "cmd/kinglet-manager/service.h"
#include "control/localmodelnode/controller.h"
#include "control/localmodelnode/model_store.h"
#include "kube/config.h"

namespace kinglet {
namespace {

struct AgentOptions {
  kube::ConfigOptions kube;
  std::string node, models_root = "/mnt/models/models";
  std::string health_probe_addr = ":8081", metrics_addr = ":8080";
  LogOptions log;
  bool leader_elect = false;
  int64_t give_to = -1;

  void AddTo(Flags& flags) {
    kube.AddTo(flags);
    flags.Add("node-name", &node, "the node whose models these are; default: $NODE_NAME");
    flags.Add("models-root", &models_root, "the folder of models on the node's volume");
    flags.Add(
        "give-models-root-to", &give_to,
        "only make models-root and give it to this user and group: for an init container that "
        "is root, before an agent that is none");
    flags.Add("health-probe-addr", &health_probe_addr, "address of /healthz and /readyz");
    flags.Add("metrics-addr", &metrics_addr, "address of /metrics; 0 serves none");
    flags.Add("leader-elect", &leader_elect,
              "for the command lines of KServe's agent: every node has an agent of its own");
    log.AddTo(flags);
  }
};

Status Run(const AgentOptions& options, const sigset_t& signals) {
  KINGLET_RETURN_IF_ERROR(options.log.Apply());
  if (options.give_to >= 0) {
    return control::ModelStore(options.models_root).GiveTo(static_cast<uid_t>(options.give_to));
  }
  const std::string node = options.node.empty() ? EnvironmentOr("NODE_NAME", "") : options.node;
  if (node.empty()) {
    return Fail(Code::kInvalidArgument, "the node's name is not known: set NODE_NAME");
  }
  std::stop_source stop;
  MetricsRegistry metrics;
  KINGLET_TRY(auto config, kube::LoadConfig(options.kube));
  config.user_agent = "kinglet-localmodel-agent";
  config.metrics = &metrics;
  KINGLET_TRY(auto client, kube::MakeClient(std::move(config), stop.get_token()));
  control::LocalModelNodeController controller(
      *client, {.node = node,
                .models_root = options.models_root,
                .config_namespace = EnvironmentOr("POD_NAMESPACE", "kserve"),
                .metrics = &metrics});
  net::LoopGroup loops(1);
  loops.Start();
  KINGLET_TRY(auto health, StartHealthServer(loops, options.health_probe_addr, [&] {
                return controller.WaitForSync(Deadline::After(Duration::zero()), {}) &&
                       !stop.stop_requested();
              }));
  std::unique_ptr<http::Server> metrics_server;
  if (options.metrics_addr != "0" && !options.metrics_addr.empty()) {
    KINGLET_TRY(metrics_server, StartMetricsServer(loops, options.metrics_addr, metrics));
  }
  controller.Start(stop.get_token());
  int signal = 0;
  sigwait(&signals, &signal);
  stop.request_stop();
  controller.Join();
  // Servers end while their loops still run.
  metrics_server.reset();
  health.reset();
  loops.Stop();
  loops.Join();
  return {};
}

}  // namespace
}  // namespace kinglet

int main(int argc, char** argv) {
  kinglet::AgentOptions options;
  kinglet::Flags flags("kinglet-localmodel-agent",
                       "Keeps the models that this node's LocalModelNode names.");
  options.AddTo(flags);
  return kinglet::ServiceMain(
      argc, argv, flags, [&](const sigset_t& signals) { return kinglet::Run(options, signals); });
}
