#include "local/gateway/gateway.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "kube/controller.h"
#include "kube/informer.h"
#include "local/gateway/recording_exchange.h"
#include "local/gateway/routes.h"
#include "net/http/server.h"
#include "net/http/upstream.h"

namespace kinglet::gateway {
namespace {

constexpr size_t kMaxTries = 4;

// The guard has let a page in: pods, which know of no origins, need not judge it again.
constexpr std::string_view kOfPages[] = {"origin", "sec-fetch-site", "sec-fetch-mode",
                                         "sec-fetch-dest", "sec-fetch-user"};
// Where all services share an origin, and its cookies with all servers of the machine.
constexpr std::string_view kOfSharedOrigin[] = {"origin",
                                                "sec-fetch-site",
                                                "sec-fetch-mode",
                                                "sec-fetch-dest",
                                                "sec-fetch-user",
                                                "cookie",
                                                "set-cookie",
                                                "clear-site-data",
                                                "service-worker-allowed",
                                                "x-content-type-options"};

const http::Headers& SharedOriginAnswer() {
  static const http::Headers headers = [] {
    http::Headers made;
    made.Add("Content-Security-Policy", "sandbox");
    made.Add("X-Content-Type-Options", "nosniff");
    return made;
  }();
  return headers;
}

class GatewayImpl : public Gateway {
 public:
  GatewayImpl(kube::Client& client, net::LoopGroup& loops, Options options)
      : options_(std::move(options)),
        loops_(loops),
        upstream_(http::Upstream::Make(loops)),
        ingresses_(client, kube::kIngress),
        services_(client, kube::kService),
        endpoints_(client, kube::kEndpoints),
        controller_(
            {.name = "gateway", .workers = 1},
            [this](const kube::ObjectKey&, std::stop_token) -> Result<kube::ReconcileResult> {
              Rebuild();
              return kube::ReconcileResult::Done();
            }) {
    Rebuild();
    // One key for everything: changes that come together make one table.
    auto all = [](const Json&) { return std::vector<kube::ObjectKey>{{"", "routes"}}; };
    for (kube::Informer* informer : {&ingresses_, &services_, &endpoints_}) {
      controller_.Watch(*informer, all, kube::ResourceVersionChanged);
    }
  }

  ~GatewayImpl() override {
    Stop(Deadline::After(Duration::zero()));
    stop_.request_stop();
    controller_.Join();
    server_.reset();
  }

  Status Start() override {
    http::ServerOptions server;
    server.host = options_.host;
    server.port = options_.port;
    server.max_connections = options_.max_connections;
    // Elsewhere the others are whom it is there for.
    if (http::IsLoopbackHost(options_.host)) {
      server.max_connections_of_others = options_.max_connections / 4;
    }
    server.guard = std::make_shared<const http::BrowserGuard>(http::BrowserGuardOptions{
        .check_host = true,
        .hosts = options_.allowed_hosts,
        .origins = options_.allowed_origins,
        .knows_host = [this](std::string_view host) { return table_.load()->KnowsHost(host); }});
    auto listening = http::Server::Listen(
        loops_, server, [this](http::Exchange& exchange) { return Handle(exchange); });
    if (!listening) {
      return Unexpected(listening.error().WithContext(
          fmt::format("the gateway cannot listen on {}:{}", options_.host, options_.port)));
    }
    server_ = std::move(*listening);
    Deadline deadline = Deadline::After(std::chrono::seconds(30));
    for (kube::Informer* informer : {&ingresses_, &services_, &endpoints_}) {
      informer->Start(stop_.get_token());
    }
    for (kube::Informer* informer : {&ingresses_, &services_, &endpoints_}) {
      if (!informer->WaitForSync(deadline)) {
        return Fail(Code::kUnavailable, "the API server does not list {}",
                    informer->type().GroupResource());
      }
    }
    Rebuild();
    controller_.Start(stop_.get_token());
    server_->Start();
    return {};
  }

  void Stop(Deadline deadline) override {
    if (server_ && !stopped_.exchange(true)) server_->Drain(deadline);
  }

  int port() const override { return server_ ? server_->port() : 0; }

  bool Retire(const std::string& pod_ip, Deadline deadline) override {
    std::vector<EndpointPtr> endpoints;
    {
      std::lock_guard lock(build_mutex_);
      endpoints = registry_.OfPod(pod_ip);
    }
    for (const EndpointPtr& endpoint : endpoints) endpoint->retired = true;
    std::unique_lock lock(idle_mutex_);
    return idle_.wait_until(lock, deadline.at(), [&] {
      return std::all_of(endpoints.begin(), endpoints.end(),
                         [](const EndpointPtr& endpoint) { return endpoint->outstanding == 0; });
    });
  }

 private:
  static std::vector<Json> Objects(const kube::Informer& informer) {
    std::vector<Json> objects;
    for (const auto& object : informer.List()) objects.push_back(*object);
    return objects;
  }

  void Rebuild() {
    std::lock_guard lock(build_mutex_);
    auto table = RoutingTable::Build(Objects(ingresses_), Objects(services_), Objects(endpoints_),
                                     options_.cluster_domain, registry_);
    table_.store(std::move(table));
  }

  // Counts a request in flight. The count goes up before the flag is read, and Retire sets the flag
  // before it reads the count: one of the two sees the other.
  class Flight {
   public:
    Flight(GatewayImpl& gateway, EndpointPtr endpoint)
        : gateway_(gateway), endpoint_(std::move(endpoint)) {
      ++endpoint_->outstanding;
    }
    ~Flight() {
      if (--endpoint_->outstanding == 0 && endpoint_->retired) {
        std::lock_guard lock(gateway_.idle_mutex_);
        gateway_.idle_.notify_all();
      }
    }
    Flight(const Flight&) = delete;
    bool may_fly() const { return !endpoint_->retired; }

   private:
    GatewayImpl& gateway_;
    EndpointPtr endpoint_;
  };

  static void SendError(http::Exchange& exchange, int status, std::string_view message,
                        const http::Headers* extra = nullptr) {
    Json body = Json::MakeObject({{"error", message}});
    exchange.Send(status, "application/json", body.Dump(), extra);
  }

  net::Task<void> Handle(http::Exchange& inner) {
    RecordingExchange exchange(inner);
    auto start = std::chrono::steady_clock::now();
    std::string service;
    co_await Route(exchange, service);
    if (!options_.metrics) co_return;
    options_.metrics
        ->GetCounter("kinglet_gateway_requests_total", "Requests the gateway answered.",
                     {{"service", service}, {"code", std::to_string(exchange.status())}})
        .Add();
    if (service.empty()) co_return;
    options_.metrics
        ->GetHistogram("kinglet_gateway_request_duration_seconds",
                       "Time from a request's head to the end of its answer.",
                       {{"service", service}})
        .Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  net::Task<void> Route(http::Exchange& exchange, std::string& service) {
    Deadline wait = Deadline::After(options_.ready_wait);
    std::vector<EndpointPtr> tried;
    http::ProxyOptions proxy;
    proxy.set_headers.Set("X-Forwarded-Proto", "http");
    proxy.set_headers.Set("X-Forwarded-Host", exchange.Header("host"));
    std::string peer = exchange.peer();
    proxy.set_headers.Set("X-Forwarded-For", peer.substr(0, peer.rfind(':')));
    Error last(Code::kUnavailable, "");
    Duration pause = std::chrono::milliseconds(5);
    for (;;) {
      auto table = table_.load();
      Match match = table->Find(exchange.Header("host"), exchange.path(), exchange.query());
      if (!match.backend) {
        SendError(exchange, 404, match.hint);
        co_return;
      }
      service = match.backend->ns + "/" + match.backend->service;
      const std::string_view target = match.target.empty() ? exchange.path() : match.target;
      if (IsRepositoryPath(target.substr(0, target.find('?')))) {
        SendError(exchange, 403,
                  "the gateway does not load, unload or list the models of a server: ask the model "
                  "server itself, from its pod or with its admin key");
        co_return;
      }
      proxy.target = match.target;
      const bool shared_origin = !match.target.empty();
      proxy.drop_fields = shared_origin ? std::span<const std::string_view>(kOfSharedOrigin)
                                        : std::span<const std::string_view>(kOfPages);
      proxy.answer_headers = shared_origin ? &SharedOriginAnswer() : nullptr;
      EndpointPtr endpoint =
          tried.size() < kMaxTries ? PickEndpoint(*match.backend, tried, turn_++) : nullptr;
      if (!endpoint) {
        if (tried.empty() && !wait.Expired() && !exchange.stop().stop_requested()) {
          // Only while a service comes up, and only if asked for: the next table may have a pod.
          // Less and less often: requests to what never comes up must not occupy the loops.
          co_await exchange.loop().Sleep(pause, exchange.stop());
          pause = std::min<Duration>(pause * 2, std::chrono::milliseconds(100));
          continue;
        }
        http::Headers retry;
        retry.Set("Retry-After", "1");
        SendError(
            exchange, 503,
            tried.empty()
                ? fmt::format("service {} has no ready pod: see kubectl get pods -n {}, or "
                              "kinglet doctor",
                              service, match.backend->ns)
                : fmt::format("no pod of service {} could be reached: {}", service, last.message()),
            &retry);
        co_return;
      }
      Flight flight(*this, endpoint);
      if (!flight.may_fly()) continue;
      bool replayable = false;
      Status done =
          co_await upstream_->Proxy(exchange, {endpoint->ip, endpoint->port}, proxy, &replayable);
      if (done || exchange.responded()) co_return;
      last = done.error();
      tried.push_back(endpoint);
      if (done.error().code() == Code::kUnavailable && replayable) continue;
      int status = HttpStatus(done.error().code());
      if (done.error().code() == Code::kUnavailable) status = 502;
      SendError(exchange, status, fmt::format("service {}: {}", service, done.error().message()));
      co_return;
    }
  }

  const Options options_;
  net::LoopGroup& loops_;
  std::unique_ptr<http::Upstream> upstream_;
  std::unique_ptr<http::Server> server_;
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> turn_{0};

  std::mutex build_mutex_;
  EndpointRegistry registry_;  // under build_mutex_
  std::atomic<std::shared_ptr<const RoutingTable>> table_;
  std::mutex idle_mutex_;
  std::condition_variable idle_;

  std::stop_source stop_;
  kube::Informer ingresses_, services_, endpoints_;
  kube::Controller controller_;
};

}  // namespace

std::unique_ptr<Gateway> Gateway::Make(kube::Client& client, net::LoopGroup& loops,
                                       Options options) {
  return std::make_unique<GatewayImpl>(client, loops, std::move(options));
}

}  // namespace kinglet::gateway
