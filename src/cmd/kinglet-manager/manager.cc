#include "cmd/kinglet-manager/manager.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>

#include "admission/admitter.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/kinglet-manager/http_endpoints.h"
#include "control/inferencegraph/controller.h"
#include "control/inferenceservice/controller.h"
#include "control/trainedmodel/controller.h"
#include "kube/leader.h"

namespace kinglet {
namespace {

constexpr std::string_view kLeaderLock = "kserve-controller-manager-leader-lock";
constexpr Duration kDrainTime = std::chrono::seconds(5);

std::string EnvOr(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

std::string ControllerNamespace() { return EnvOr("POD_NAMESPACE", "kserve"); }

std::string ClusterDomain() {
  auto text = ReadFile("/etc/resolv.conf", size_t{1} << 16);
  return control::ClusterDomainFromResolvConf(text ? *text : "");
}

class RunningController {
 public:
  virtual ~RunningController() = default;
  virtual void Start(std::stop_token stop) = 0;
  virtual bool WaitForSync(Deadline deadline, std::stop_token stop) = 0;
  virtual void Join() = 0;
};

template <class T>
class Adapter : public RunningController {
 public:
  Adapter(kube::Client& client, typename T::Options options)
      : controller_(client, std::move(options)) {}
  void Start(std::stop_token stop) override { controller_.Start(std::move(stop)); }
  bool WaitForSync(Deadline deadline, std::stop_token stop) override {
    return controller_.WaitForSync(deadline, std::move(stop));
  }
  void Join() override { controller_.Join(); }

 private:
  T controller_;
};

using Controllers = std::vector<std::unique_ptr<RunningController>>;

// `names`: joined by commas; "none" is nobody. An unknown name is an error.
Result<Controllers> MakeControllers(std::string_view names, kube::Client& client,
                                    const std::string& ns, MetricsRegistry& metrics) {
  Controllers out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    if (name == "inferenceservice") {
      using Controller = control::InferenceServiceController;
      Controller::Options options;
      options.config_namespace = ns;
      options.cluster_domain = ClusterDomain();
      options.knative_namespace = EnvOr("SYSTEM_NAMESPACE", "knative-serving");
      options.metrics = &metrics;
      out.push_back(std::make_unique<Adapter<Controller>>(client, std::move(options)));
    } else if (name == "trainedmodel") {
      using Controller = control::TrainedModelController;
      out.push_back(std::make_unique<Adapter<Controller>>(client, Controller::Options{&metrics}));
    } else if (name == "inferencegraph") {
      using Controller = control::InferenceGraphController;
      Controller::Options options;
      options.config_namespace = ns;
      options.metrics = &metrics;
      out.push_back(std::make_unique<Adapter<Controller>>(client, std::move(options)));
    } else if (!name.empty() && name != "none") {
      return Fail(Code::kInvalidArgument,
                  "--controllers: no controller is named \"{}\"; there are inferenceservice, "
                  "trainedmodel, inferencegraph and none",
                  name);
    }
  }
  return out;
}

void RunControllers(const Controllers& controllers, const std::stop_token& stop,
                    std::atomic<bool>& ready) {
  for (auto& controller : controllers) controller->Start(stop);
  const bool synced = std::ranges::all_of(controllers, [&](auto& controller) {
    return controller->WaitForSync(Deadline::Never(), stop);
  });
  if (synced) {
    ready = true;
    LogInfo("the controllers are ready");
  }
  for (auto& controller : controllers) controller->Join();
}

// Waits for a signal or for `ended`, and looks after the certificate meanwhile.
void WaitForEnd(const sigset_t& signals, const std::stop_token& ended, WebhookServer* webhooks) {
  const timespec pause = {.tv_sec = 1, .tv_nsec = 0};
  while (!ended.stop_requested()) {
    if (sigtimedwait(&signals, nullptr, &pause) > 0) return;
    if (webhooks) webhooks->Reload();
  }
}

}  // namespace

void ManagerOptions::AddTo(Flags& flags) {
  kube.AddTo(flags);
  flags.Add("controllers", &controllers, "controllers to run, joined by commas, or none");
  flags.Add("webhooks", &webhooks,
            "serve the webhooks (also when the certificate folder has a certificate)");
  flags.Add("webhook-port", &webhook_port, "port of the webhooks");
  flags.Add("webhook-cert-dir", &webhook_cert_dir, "folder with tls.crt and tls.key");
  flags.Add("health-probe-addr", &health_probe_addr, "address of /healthz and /readyz");
  flags.Add("metrics-addr", &metrics_addr, "address of /metrics; 0 serves none");
  flags.Add("leader-elect", &leader_elect, "let only one of several managers reconcile");
  flags.Add("zap-log-level", &log_level, "debug, info, warning or error");
  flags.Add("zap-encoder", &log_format, "text or json (console is text)");
  flags.AddIgnored("zap-devel", "for the command lines of KServe's manager");
  flags.AddIgnored("zap-stacktrace-level", "for the command lines of KServe's manager");
  flags.AddIgnored("zap-time-encoding", "for the command lines of KServe's manager");
}

Status RunManager(ManagerOptions options, const sigset_t& signals) {
  KINGLET_TRY(auto level, ParseLogLevel(options.log_level));
  KINGLET_TRY(auto format,
              ParseLogFormat(options.log_format == "console" ? "text" : options.log_format));
  ConfigureLog(level, format);
  std::error_code ignored;
  const bool serve_webhooks =
      options.webhooks ||
      std::filesystem::exists(std::filesystem::path(options.webhook_cert_dir) / "tls.crt", ignored);

  std::stop_source stop;
  KINGLET_TRY(auto config, kube::LoadConfig(options.kube));
  config.user_agent = "kinglet-manager";
  config.qps = 200;
  config.burst = 400;
  KINGLET_TRY(auto client, kube::MakeClient(std::move(config), stop.get_token()));

  MetricsRegistry metrics;
  std::atomic<bool> ready = false;
  net::LoopGroup loops(1);
  loops.Start();
  net::Pool pool("webhooks", 8, 256);
  KINGLET_TRY(auto health, StartHealthServer(loops, options.health_probe_addr, ready));
  std::unique_ptr<http::Server> metrics_server;
  if (options.metrics_addr != "0" && !options.metrics_addr.empty()) {
    auto started = StartMetricsServer(loops, options.metrics_addr, metrics);
    // Serving models matters more than being measured.
    if (started) {
      metrics_server = *std::move(started);
    } else {
      LogWarning("metrics are not served", {{"error", started.error().message()}});
    }
  }

  const std::string ns = ControllerNamespace();
  admission::Admitter admitter(*client, ns);
  std::unique_ptr<WebhookServer> webhooks;
  if (serve_webhooks) {
    auto started = WebhookServer::Start(loops, pool, admitter, options.webhook_cert_dir,
                                        static_cast<int>(options.webhook_port));
    if (!started) return Unexpected(started.error().WithContext("cannot serve the webhooks"));
    webhooks = *std::move(started);
    LogInfo("webhooks are served", {{"port", options.webhook_port}});
  }

  KINGLET_TRY(const Controllers controllers,
              MakeControllers(options.controllers, *client, ns, metrics));
  std::stop_source ended;  // the controllers ended by themselves
  Guarded<Status> outcome(Status{});
  std::jthread reconciler;
  if (!controllers.empty()) {
    reconciler = std::jthread([&] {
      Status result;
      if (options.leader_elect) {
        kube::LeaderOptions leader;
        leader.lease = {.ns = ns, .name = std::string(kLeaderLock)};
        // A manager that waits to lead serves its webhooks.
        ready = true;
        result = kube::RunAsLeader(
            *client, leader,
            [&](std::stop_token token) { RunControllers(controllers, token, ready); },
            stop.get_token());
      } else {
        RunControllers(controllers, stop.get_token(), ready);
      }
      outcome.With([&](Status& value) { value = std::move(result); });
      ended.request_stop();
    });
  } else {
    ready = true;
  }

  WaitForEnd(signals, ended.get_token(), webhooks.get());
  ready = false;
  stop.request_stop();
  if (reconciler.joinable()) reconciler.join();
  if (webhooks) webhooks->Drain(Deadline::After(kDrainTime));
  // Servers end while their loops still run.
  webhooks.reset();
  metrics_server.reset();
  health.reset();
  loops.Stop();
  loops.Join();
  return outcome.With([](Status& value) { return std::move(value); });
}

}  // namespace kinglet
