#include "cmd/kinglet/standalone.h"

#include <algorithm>

#include "base/descriptors.h"
#include "base/log.h"
#include "cmd/kinglet/admission_hook.h"
#include "cmd/kinglet/earlier_run.h"
#include "cmd/kinglet/pki.h"
#include "cmd/kinglet/seed.h"
#include "control/inferencegraph/controller.h"
#include "control/inferenceservice/controller.h"
#include "control/localmodel/controller.h"
#include "control/localmodelnode/controller.h"
#include "control/trainedmodel/controller.h"
#include "kube/client.h"
#include "kube/config.h"
#include "local/apiserver/apiserver.h"
#include "local/gateway/gateway.h"
#include "local/kubelet/kubelet.h"
#include "local/workloads/workloads.h"
#include "net/http/server.h"
#include "net/loop.h"

namespace kinglet::standalone {
namespace {

constexpr std::string_view kNodeName = "kinglet";
constexpr size_t kMetricsConnections = 64;

// What one controller-side component may ask of the API server: it is on loopback, so no
// client-side limit but a timeout.
Result<std::unique_ptr<kube::Client>> LoopbackClient(const Pki& pki, const std::string& url,
                                                     std::string user_agent) {
  kube::ClientConfig config;
  config.server = url;
  config.http.ca_pem = pki.ca.cert_pem;
  config.http.use_environment_proxy = false;
  config.bearer_token = pki.token;
  config.user_agent = std::move(user_agent);
  config.qps = 0;
  return kube::MakeClient(std::move(config));
}

class StandaloneImpl : public Standalone {
 public:
  explicit StandaloneImpl(Options options) : options_(std::move(options)), loops_(2) {}
  ~StandaloneImpl() override { Stop(Deadline::After(Duration::zero())); }

  Status Begin() {
    KINGLET_TRY(lock_, LockDataDir(options_.data));
    KINGLET_TRY(pki_, LoadOrMakePki(options_.data.Pki()));
    loops_.Start();
    KINGLET_RETURN_IF_ERROR(StartApiServer());
    KINGLET_TRY(client_, LoopbackClient(pki_, api_->url(), "kinglet"));
    admission_.Connect(*client_);
    if (options_.workloads) KINGLET_RETURN_IF_ERROR(ForgetEarlierRun(*client_, kNodeName));
    // The gateway's port is part of every InferenceService's URL: bind it before the configuration
    // that carries it is written.
    KINGLET_RETURN_IF_ERROR(StartGateway());
    KINGLET_RETURN_IF_ERROR(
        SeedObjects(*client_, fmt::format("{}:{}", options_.host, gateway_->port())));
    KINGLET_RETURN_IF_ERROR(
        WriteFileAtomic(options_.data.Kubeconfig(), KubeconfigText(pki_, api_->url()), 0600));
    workloads_ = workloads::Workloads::Make(*client_, {.clock = nullptr, .metrics = &metrics_});
    if (options_.workloads) {
      KINGLET_RETURN_IF_ERROR(workloads_->Start());
      KINGLET_RETURN_IF_ERROR(kubelet_->Start());
    }
    KINGLET_RETURN_IF_ERROR(StartControllers());
    return StartMetrics();
  }

  std::string api_url() const override { return api_->url(); }
  std::string gateway_url() const override {
    return fmt::format("http://{}:{}", options_.host, gateway_->port());
  }
  std::string metrics_url() const override {
    return fmt::format("http://{}:{}/metrics", options_.host, metrics_server_->port());
  }
  const kubelet::Capabilities& capabilities() const override { return kubelet_->capabilities(); }

  void Stop(Deadline deadline) override {
    if (stopped_) return;
    stopped_ = true;
    stop_.request_stop();
    if (gateway_) gateway_->Stop(deadline);
    for (auto& controller : controllers_) controller->Join();
    if (workloads_) workloads_->Stop();
    if (kubelet_) kubelet_->Stop(deadline);
    if (metrics_server_) metrics_server_->Drain(Deadline::After(Duration::zero()));
    if (api_) api_->Stop(deadline);
    loops_.Stop();
    loops_.Join();
  }

 private:
  template <class T>
  void AddController(typename T::Options options = {}) {
    options.metrics = &metrics_;
    controllers_.push_back(std::make_unique<T>(*client_, std::move(options)));
  }

  Status StartControllers() {
    AddController<control::InferenceServiceController>();
    AddController<control::InferenceGraphController>();
    AddController<control::TrainedModelController>();
    AddController<control::LocalModelController>(
        {.volume_path = std::string(DataDir::kModelCache), .claim_after_download = true});
    if (options_.workloads) {
      AddController<control::LocalModelNodeController>(
          {.node = std::string(kNodeName), .models_root = options_.data.ModelCache() / "models"});
    }
    for (auto& controller : controllers_) controller->Start(stop_.get_token());
    const Deadline synced = Deadline::After(30s);
    for (auto& controller : controllers_) {
      if (!controller->WaitForSync(synced, stop_.get_token())) {
        return Fail(Code::kDeadlineExceeded,
                    "the controllers could not list their objects in 30 s");
      }
    }
    return {};
  }

  Status StartApiServer() {
    net::TlsOptions credentials;
    credentials.cert_pem = pki_.server.cert_pem;
    credentials.key_pem = pki_.server.key_pem;
    KINGLET_TRY(auto tls, net::TlsContext::Make(credentials));
    KINGLET_TRY(auto crds, EmbeddedCrds());
    local::ApiServerOptions options;
    options.database = options_.data.Database();
    options.host = options_.host;
    options.port = options_.api_port;
    options.tls = std::move(tls);
    options.bearer_token = pki_.token;
    options.allowed_hosts = options_.allowed_hosts;
    options.metrics = &metrics_;
    options.limits.connections = std::min(options.limits.connections, descriptors_ / 4);
    options.crds = std::move(crds);
    options.admission = [this](const local::AdmissionRequest& request) {
      return admission_.Review(request);
    };
    options.pod_logs = [this](const local::PodLogRequest& request, const local::LogSink& sink) {
      return ReadPodLogs(request, sink);
    };
    auto opened = local::ApiServer::Open(std::move(options));
    if (!opened) {
      return Unexpected(opened.error().WithContext("cannot start the API server"));
    }
    api_ = std::move(*opened);
    api_->Start();
    return {};
  }

  Status StartGateway() {
    gateway_ = gateway::Gateway::Make(
        *client_, loops_,
        {.host = options_.host,
         .port = options_.gateway_port,
         // Ready in the API is seen here a moment later; nobody should get a 503 for that.
         .ready_wait = 1s,
         .allowed_hosts = options_.allowed_hosts,
         .allowed_origins = options_.allowed_origins,
         // Each may need a connection to a pod besides.
         .max_connections = descriptors_ / 8,
         .metrics = &metrics_});
    kubelet::Options options;
    options.data_dir = options_.data.root;
    options.node_name = kNodeName;
    options.node_labels = options_.node_labels;
    options.isolation = options_.isolation;
    options.first_host_id = options_.first_pod_user;
    options.max_relayed = descriptors_ / 16;
    options.metrics = &metrics_;
    options.before_stop = [this](const std::string& pod_ip, Deadline deadline) {
      gateway_->Retire(pod_ip, deadline);
    };
    kubelet_ = kubelet::Kubelet::Make(*client_, std::move(options));
    if (auto started = gateway_->Start(); !started) {
      return Unexpected(started.error().WithContext(
          fmt::format("cannot start the gateway on port {} (--gateway-port chooses another)",
                      options_.gateway_port)));
    }
    return {};
  }

  Status StartMetrics() {
    http::ServerOptions options;
    options.host = options_.host;
    options.port = options_.metrics_port;
    options.max_connections = kMetricsConnections;
    options.max_body_bytes = 0;
    options.guard = std::make_shared<const http::BrowserGuard>(
        http::BrowserGuardOptions{.check_host = true, .hosts = options_.allowed_hosts});
    auto handler = [this](http::Exchange& exchange) -> net::Task<void> {
      if (exchange.path() == "/metrics") {
        exchange.Send(200, MetricsRegistry::kContentType, metrics_.Expose());
      } else if (exchange.path() == "/healthz" || exchange.path() == "/readyz") {
        exchange.Send(200, "text/plain", "ok");
      } else {
        exchange.Send(404, "text/plain", "404 page not found\n");
      }
      co_return;
    };
    auto server = http::Server::Listen(loops_, std::move(options), std::move(handler));
    if (!server) {
      return Unexpected(server.error().WithContext(
          fmt::format("cannot serve metrics on port {} (--metrics-port chooses another)",
                      options_.metrics_port)));
    }
    metrics_server_ = std::move(*server);
    metrics_server_->Start();
    return {};
  }

  Status ReadPodLogs(const local::PodLogRequest& request, const local::LogSink& sink) {
    kubelet::LogOptions options{
        .follow = request.follow,
        .previous = request.previous,
        .timestamps = request.timestamps,
        .tail_lines = request.tail_lines,
        .limit_bytes = request.limit_bytes,
        .since_seconds = std::nullopt,
        .since_time = request.since,
    };
    const Json& metadata = request.pod["metadata"];
    return kubelet_->ReadLogs(metadata["namespace"].AsString(), metadata["name"].AsString(),
                              request.container, options, sink, request.stop);
  }

  Options options_;
  // Each server gets a part: connections to one of them, which any user of the machine can make,
  // must not cost the others theirs.
  const size_t descriptors_ = RaiseDescriptorLimit();
  MetricsRegistry metrics_;
  Fd lock_;
  Pki pki_;
  net::LoopGroup loops_;
  AdmissionHook admission_;
  std::stop_source stop_;
  bool stopped_ = false;
  std::unique_ptr<local::ApiServer> api_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<kubelet::Kubelet> kubelet_;
  std::unique_ptr<workloads::Workloads> workloads_;
  std::vector<std::unique_ptr<control::Controller>> controllers_;
  std::unique_ptr<http::Server> metrics_server_;
};

}  // namespace

Result<std::unique_ptr<Standalone>> Standalone::Start(Options options) {
  auto standalone = std::make_unique<StandaloneImpl>(std::move(options));
  KINGLET_RETURN_IF_ERROR(standalone->Begin());
  return std::unique_ptr<Standalone>(std::move(standalone));
}

}  // namespace kinglet::standalone
