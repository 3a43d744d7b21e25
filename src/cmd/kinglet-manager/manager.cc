#include "cmd/kinglet-manager/manager.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "admission/admitter.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/kinglet-manager/controllers.h"
#include "cmd/kinglet-manager/http_endpoints.h"
#include "cmd/kinglet-manager/webhook_server.h"
#include "kube/leader.h"
#include "kube/lean_client.h"
#include "kube/scoped_client.h"
#include "kube/webhook_certificates.h"

namespace kinglet {
namespace {

constexpr std::string_view kLeaderLock = "kserve-controller-manager-leader-lock";
constexpr std::string_view kWebhookService = "kserve-webhook-server-service";
constexpr std::string_view kWebhookSecret = "kserve-webhook-server-cert";
constexpr Duration kDrainTime = std::chrono::seconds(3);

// As ConfigMaps and flags of controllers give times: "15s".
Result<kube::LeaderOptions> LeaderOptionsFrom(const ManagerOptions& options, const std::string& ns,
                                              const kube::Scope& scope, kube::LeaderTerm& term) {
  kube::LeaderOptions leader;
  leader.lease = {.ns = ns, .name = std::string(kLeaderLock)};
  if (scope.shards > 1) leader.lease.name += fmt::format("-{}-of-{}", scope.shard, scope.shards);
  if (!scope.ns.empty()) leader.lease.name += "-" + scope.ns;
  KINGLET_TRY(leader.lease_duration, ParseDuration(options.leader_lease_duration));
  KINGLET_TRY(leader.renew_deadline, ParseDuration(options.leader_renew_deadline));
  KINGLET_TRY(leader.retry_period, ParseDuration(options.leader_retry_period));
  leader.term = &term;
  return leader;
}

kube::WebhookCertificateOptions CertificateOptions(const ManagerOptions& options,
                                                   const std::string& ns) {
  kube::WebhookCertificateOptions out;
  out.secret = {.ns = ns, .name = EnvironmentOr("SECRET_NAME", kWebhookSecret)};
  for (std::string_view suffix : {".svc", "", ".svc.cluster.local"}) {
    out.names.push_back(fmt::format("{}.{}{}", kWebhookService, ns, suffix));
  }
  for (const std::string& host : options.webhook_hosts) out.names.push_back(host);
  for (const auto& configuration : admission::WebhookConfigurations()) {
    (configuration.mutating ? out.mutating : out.validating).emplace_back(configuration.name);
  }
  return out;
}

// Runs the controllers, as leader where that is asked, until the manager ends or leadership is
// lost.
class Reconcilers {
 public:
  Reconcilers(const ManagerOptions& options, MetricsRegistry& metrics)
      : options_(options), metrics_(metrics) {}

  // Clients are made for `config`; the controllers' own stops with them.
  Status Make(kube::ClientConfig config, const std::string& ns, const kube::Scope& scope) {
    KINGLET_TRY(leader_, LeaderOptionsFrom(options_, ns, scope, term_));
    // Renewing must neither wait behind the controllers' calls nor end with them.
    kube::ClientConfig election = config;
    election.timeout = leader_.renew_deadline / 2;
    KINGLET_TRY(election_client_, kube::MakeClient(std::move(election)));
    if (options_.leader_elect) {
      config.before_write = [this] { return term_.Check(); };
    }
    KINGLET_TRY(client_, kube::MakeLeanClient(std::move(config), calls_.get_token()));
    scoped_ = kube::MakeScopedClient(*client_, scope);
    KINGLET_TRY(controllers_, MakeControllers(options_.controllers,
                                              {.client = *scoped_,
                                               .config_namespace = ns,
                                               .workers = static_cast<int>(options_.workers),
                                               .node = EnvironmentOr("NODE_NAME", ""),
                                               .models_root = options_.models_root,
                                               .metrics = &metrics_}));
    return {};
  }

  bool empty() const { return controllers_.empty(); }
  // Also true of one that waits to lead: its webhooks are wanted meanwhile.
  bool IsReady() const { return ready_.load(); }

  // kAborted when leadership was lost.
  Status Run(const std::stop_token& stop) {
    if (!options_.leader_elect) {
      Lead(stop);
      return {};
    }
    ready_ = true;
    Gauge& leading = metrics_.GetGauge(
        "leader_election_master_status",
        "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 "
        "indicates master.",
        {{"name", leader_.lease.name}});
    return kube::RunAsLeader(
        *election_client_, leader_,
        [&](const std::stop_token& token) {
          leading.Set(1);
          Lead(token);
          leading.Set(0);
        },
        stop);
  }

 private:
  void Lead(const std::stop_token& stop) {
    // What is under way when it ends is not waited for.
    std::stop_callback cancel(stop, [this] { calls_.request_stop(); });
    for (auto& controller : controllers_) controller->Start(stop);
    const bool synced = std::ranges::all_of(controllers_, [&](auto& controller) {
      return controller->WaitForSync(Deadline::Never(), stop);
    });
    if (synced) {
      ready_ = true;
      LogInfo("the controllers are ready");
    }
    for (auto& controller : controllers_) controller->Join();
  }

  const ManagerOptions& options_;
  MetricsRegistry& metrics_;
  std::atomic<bool> ready_ = false;
  kube::LeaderTerm term_;
  kube::LeaderOptions leader_;
  std::stop_source calls_;
  std::unique_ptr<kube::Client> election_client_, client_, scoped_;
  std::vector<std::unique_ptr<control::Controller>> controllers_;
};

}  // namespace

void ManagerOptions::AddTo(Flags& flags) {
  kube.AddTo(flags);
  flags.Add("controllers", &controllers, "controllers to run, joined by commas, or none");
  flags.Add("models-root", &models_root,
            "of controller localmodelnode: the folder of this node's models ($NODE_NAME)");
  flags.Add("kube-api-qps", &kube_api_qps, "calls to the API server a second; 0: no limit");
  flags.Add("kube-api-burst", &kube_api_burst, "calls that may come at once");
  flags.Add("shard", &shard,
            "INDEX/COUNT: take the namespaces that hash to INDEX (from 0) of COUNT managers");
  flags.Add("workers", &workers, "objects of one kind that are reconciled at a time");
  flags.Add("webhooks", &webhooks,
            "serve the webhooks (also when the certificate folder has a certificate)");
  flags.Add("webhook-port", &webhook_addr, "port or address (host:port) of the webhooks");
  flags.Add("webhook-certs", &webhook_certs,
            "mounted: from --webhook-cert-dir; self-issued: made and renewed here, kept in Secret "
            "$SECRET_NAME and announced in the webhook configurations");
  flags.Add("webhook-cert-dir", &webhook_cert_dir, "folder with tls.crt and tls.key");
  flags.Add("webhook-certs-period", &webhook_certs_period,
            "how often self-issued certificates are looked after");
  flags.Add("webhook-host", &webhook_hosts,
            "further name or address for a self-issued certificate");
  flags.Add(
      "webhook-client-ca-file", &webhook_client_ca_file,
      "PEM file of the authorities of the API server's client certificate; connections without a "
      "certificate of them are refused. Not set: none is asked for. The API server presents one if "
      "its "
      "--admission-control-config-file gives MutatingAdmissionWebhook and "
      "ValidatingAdmissionWebhook a "
      "kubeConfigFile");
  flags.Add("webhook-client-name", &webhook_client_names,
            "with --webhook-client-ca-file: common name or DNS name that the client certificate "
            "must have; not "
            "set: any");
  flags.Add("health-probe-addr", &health_probe_addr,
            "port or address (host:port) of /healthz and /readyz");
  flags.Add("metrics-addr", &metrics_addr,
            "port or address (host:port) of /metrics; 0 serves none");
  flags.Add("leader-elect", &leader_elect, "let only one of several managers reconcile");
  flags.Add("leader-elect-lease-duration", &leader_lease_duration,
            "a leader that says nothing this long is replaced");
  flags.Add("leader-elect-renew-deadline", &leader_renew_deadline,
            "a leader that could not renew this long stops writing and ends");
  flags.Add("leader-elect-retry-period", &leader_retry_period, "between two tries");
  log.AddTo(flags);
}

Status RunManager(ManagerOptions options, const sigset_t& signals) {
  KINGLET_RETURN_IF_ERROR(options.log.Apply());
  const bool self_issued = options.webhook_certs == "self-issued";
  if (!self_issued && options.webhook_certs != "mounted") {
    return Fail(Code::kInvalidArgument, "--webhook-certs is \"{}\": want mounted or self-issued",
                options.webhook_certs);
  }
  KINGLET_TRY(Duration certificate_period, ParseDuration(options.webhook_certs_period));
  auto webhook_address = ListenAt(options.webhook_addr);
  if (!webhook_address) return Unexpected(webhook_address.error().WithContext("--webhook-port"));
  if (!options.webhook_client_names.empty() && options.webhook_client_ca_file.empty()) {
    return Fail(Code::kInvalidArgument, "--webhook-client-name needs --webhook-client-ca-file");
  }
  const std::filesystem::path cert_dir = options.webhook_cert_dir;
  std::error_code ignored;
  const bool serve_webhooks =
      options.webhooks || std::filesystem::exists(cert_dir / "tls.crt", ignored);
  const std::string ns = EnvironmentOr("POD_NAMESPACE", "kserve");
  // --namespace is the scope here; objects name their namespaces themselves.
  KINGLET_TRY(auto scope,
              kube::ParseScope(
                  options.kube.ns.empty() ? EnvironmentOr("WATCH_NAMESPACE", "") : options.kube.ns,
                  options.shard));

  std::stop_source stop;
  MetricsRegistry metrics;
  KINGLET_TRY(auto config, kube::LoadConfig(options.kube));
  config.user_agent = "kinglet-manager";
  config.qps = options.kube_api_qps;
  config.burst = static_cast<int>(options.kube_api_burst);
  config.metrics = &metrics;
  // Webhooks do not wait behind the controllers' calls.
  KINGLET_TRY(auto webhook_client, kube::MakeClient(config, stop.get_token()));
  Reconcilers reconcilers(options, metrics);
  KINGLET_RETURN_IF_ERROR(reconcilers.Make(std::move(config), ns, scope));

  // Probes and metrics are answered whatever the clients of the webhooks do.
  net::LoopGroup loops(1), webhook_loops(1);
  loops.Start();
  webhook_loops.Start();
  net::Pool pool("webhooks", 8, 256);
  admission::Admitter admitter(*webhook_client, ns);
  WebhookServer webhooks(webhook_loops, pool, admitter, *std::move(webhook_address),
                         {options.webhook_client_ca_file, options.webhook_client_names});
  KINGLET_TRY(auto health, StartHealthServer(loops, options.health_probe_addr, [&] {
                return (!serve_webhooks || webhooks.IsServing()) &&
                       (reconcilers.empty() || reconcilers.IsReady()) && !stop.stop_requested();
              }));
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
  kube::WebhookCertificateIssuer issuer(*webhook_client, CertificateOptions(options, ns));
  if (serve_webhooks) {
    webhooks.Start(self_issued
                       ? CertificateSource{[&] { return issuer.Step(); }, certificate_period}
                       : MountedCertificate(cert_dir),
                   stop.get_token());
  }

  Status outcome;
  std::stop_source ended;  // the controllers ended by themselves
  std::jthread reconciler;
  if (!reconcilers.empty()) {
    reconciler = std::jthread([&] {
      outcome = reconcilers.Run(stop.get_token());
      ended.request_stop();
    });
  }
  const timespec pause = {.tv_sec = 0, .tv_nsec = 200'000'000};
  while (!ended.stop_requested() && sigtimedwait(&signals, nullptr, &pause) < 0) {
  }
  stop.request_stop();
  if (reconciler.joinable()) reconciler.join();
  webhooks.Drain(Deadline::After(kDrainTime));
  // Servers end while their loops still run.
  metrics_server.reset();
  health.reset();
  for (auto* group : {&loops, &webhook_loops}) {
    group->Stop();
    group->Join();
  }
  return outcome;
}

}  // namespace kinglet
