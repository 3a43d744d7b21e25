#include "cmd/kinglet-manager/manager.h"

#include <cstdlib>
#include <memory>
#include <thread>

#include "admission/admitter.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/kinglet-manager/http_endpoints.h"
#include "control/inferenceservice/controller.h"
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

// Which controllers run. An unknown name is an error; one that this build lacks is a warning.
Result<bool> WantsInferenceServices(const std::string& list) {
  bool wanted = false;
  size_t begin = 0;
  while (begin <= list.size()) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string_view name = std::string_view(list).substr(begin, end - begin);
    begin = end + 1;
    if (name == "inferenceservice") {
      wanted = true;
    } else if (name == "trainedmodel" || name == "inferencegraph") {
      LogWarning("this build has no such controller yet", {{"controller", name}});
    } else if (!name.empty() && name != "none") {
      return Fail(Code::kInvalidArgument,
                  "--controllers: no controller is named \"{}\"; there are inferenceservice, "
                  "trainedmodel, inferencegraph and none",
                  name);
    }
  }
  return wanted;
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
  KINGLET_TRY(bool reconcile, WantsInferenceServices(options.controllers));
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

  std::unique_ptr<control::InferenceServiceController> controller;
  std::stop_source ended;  // the controllers ended by themselves
  Guarded<Status> outcome(Status{});
  std::jthread reconciler;
  if (reconcile) {
    control::InferenceServiceController::Options wanted;
    wanted.config_namespace = ns;
    wanted.cluster_domain = ClusterDomain();
    wanted.knative_namespace = EnvOr("SYSTEM_NAMESPACE", "knative-serving");
    wanted.metrics = &metrics;
    controller = std::make_unique<control::InferenceServiceController>(*client, std::move(wanted));
    reconciler = std::jthread([&] {
      Status result;
      if (options.leader_elect) {
        kube::LeaderOptions leader;
        leader.lease = {.ns = ns, .name = std::string(kLeaderLock)};
        // A manager that waits to lead serves its webhooks.
        ready = true;
        result = kube::RunAsLeader(
            *client, leader, [&](std::stop_token token) { controller->Run(token); },
            stop.get_token());
      } else {
        controller->Start(stop.get_token());
        if (controller->WaitForSync(Deadline::Never(), stop.get_token())) {
          ready = true;
          LogInfo("the controllers are ready");
        }
        controller->Join();
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
