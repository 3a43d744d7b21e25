// kinglet-localmodel-agent: keeps the models of one node, as a DaemonSet.
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/flags.h"
#include "base/log.h"
#include "cmd/kinglet-manager/http_endpoints.h"
#include "control/localmodelnode/controller.h"
#include "control/localmodelnode/model_store.h"
#include "kube/config.h"

namespace kinglet {
namespace {

struct AgentOptions {
  kube::ConfigOptions kube;
  std::string node, models_root = "/mnt/models/models";
  std::string health_probe_addr = ":8081", metrics_addr = ":8080";
  std::string log_level = "info", log_format = "text";
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
    flags.Add("zap-log-level", &log_level, "debug, info, warning or error");
    flags.Add("zap-encoder", &log_format, "text or json (console is text)");
    flags.AddIgnored("zap-devel", "for the command lines of KServe's agent");
    flags.AddIgnored("zap-stacktrace-level", "for the command lines of KServe's agent");
    flags.AddIgnored("zap-time-encoding", "for the command lines of KServe's agent");
  }
};

std::string FromEnvironment(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return std::string(value && *value ? value : otherwise);
}

Status Run(const AgentOptions& options, const sigset_t& signals) {
  KINGLET_TRY(auto level, ParseLogLevel(options.log_level));
  KINGLET_TRY(auto format,
              ParseLogFormat(options.log_format == "console" ? "text" : options.log_format));
  ConfigureLog(level, format);
  if (options.give_to >= 0) {
    return control::ModelStore(options.models_root).GiveTo(static_cast<uid_t>(options.give_to));
  }
  const std::string node = options.node.empty() ? FromEnvironment("NODE_NAME", "") : options.node;
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
                .config_namespace = FromEnvironment("POD_NAMESPACE", "kserve"),
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
  auto rest = flags.Parse(argc, argv);
  if (!rest || !rest->empty()) {
    std::fprintf(stderr, "kinglet-localmodel-agent: %s\n",
                 rest ? "takes no arguments besides flags" : rest.error().message().c_str());
    return 2;
  }
  if (flags.help_requested()) {
    std::fputs(flags.Help().c_str(), stdout);
    return 0;
  }
  if (flags.version_requested()) {
    std::printf("%s\n", std::string(kinglet::VersionText()).c_str());
    return 0;
  }
  // Before any thread starts, so that all inherit the mask and sigwait gets the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  mallopt(M_ARENA_MAX, 1);  // threads that mostly wait share one heap

  auto ended = kinglet::Run(options, signals);
  if (!ended) {
    kinglet::LogError("kinglet-localmodel-agent ends", {{"error", ended.error().message()}});
    return 1;
  }
  return 0;
}
