// The server around the verbs: loops, pool, HTTP, and the order of beginning and ending.
#include <fmt/format.h>

#include <atomic>

#include "base/log.h"
#include "local/apiserver/api.h"
#include "local/apiserver/apiserver.h"
#include "local/apiserver/collector.h"
#include "local/apiserver/logs.h"
#include "local/apiserver/watch.h"
#include "net/http/server.h"
#include "net/loop.h"

namespace kinglet::local {
namespace {

constexpr size_t kMaxBody = 3 << 20;  // as the API server's limit on requests
constexpr size_t kWriteQueue = 1024;
// Lists of a store larger than this are made on a pool, so that health and watches need not wait
// for them.
constexpr size_t kInlineStoreBytes = size_t{4} << 20;
constexpr size_t kListThreads = 2, kListQueue = 256;
constexpr Duration kHeaderTimeout = std::chrono::seconds(10);

class ServerImpl : public ApiServer {
 public:
  ServerImpl(ApiServerOptions options, std::unique_ptr<Store> store)
      : options_(std::move(options)),
        store_(std::move(store)),
        registry_(LoadBuiltinSchemas()),
        api_(*store_, registry_, options_),
        loops_(std::max<size_t>(options_.loops, 1)),
        pool_(std::make_unique<net::Pool>("apiserver", std::max<size_t>(options_.write_threads, 1),
                                          kWriteQueue)),
        list_pool_(std::make_unique<net::Pool>("apiserver-list", kListThreads, kListQueue)),
        collector_(api_) {}

  ~ServerImpl() override { Stop(Deadline::After(std::chrono::milliseconds(0))); }

  Status Prepare();
  int port() const override { return server_->port(); }
  std::string url() const override {
    return fmt::format("{}://{}:{}", options_.tls ? "https" : "http", options_.host, port());
  }
  void Start() override;
  void Stop(Deadline deadline) override;
  http::Response Do(const http::Request& request) override { return api_.Handle(request); }
  int64_t resource_version() const override { return store_->version(); }

 private:
  Status Bootstrap();
  net::Task<void> Serve(http::Exchange& exchange);
  net::Task<void> ServeLong(Call call, http::Exchange& exchange, bool log);
  // Answers on a thread of the pool; 429 when it is full.
  net::Task<void> HandleOn(net::Pool& pool, const http::Request& request, http::Exchange& exchange);
  void SendResponse(http::Exchange& exchange, const http::Response& response);
  void CountBytes() {
    if (options_.metrics) {
      options_.metrics->GetGauge("apiserver_store_bytes", "JSON bytes of all stored objects.")
          .Set(static_cast<double>(store_->bytes()));
    }
  }

  const ApiServerOptions options_;
  std::unique_ptr<Store> store_;
  RegistryHolder registry_;
  Api api_;
  net::LoopGroup loops_;
  std::unique_ptr<net::Pool> pool_, list_pool_;
  std::unique_ptr<http::Server> server_;
  LogStreams logs_;
  std::atomic<size_t> watches_{0};
  Collector collector_;
  std::stop_source stop_;
  bool started_ = false, stopped_ = false;
};

http::Request JsonRequest(std::string_view method, std::string_view target, const Json& body) {
  http::Request request;
  request.method = method;
  request.target = target;
  request.headers.Set("Content-Type", "application/json");
  request.headers.Set("User-Agent", "kinglet-apiserver/1");
  request.body = body.Dump();
  return request;
}

Status ServerImpl::Prepare() {
  // CRD objects that were stored before, then those that always exist (which win).
  for (const RecordPtr& record :
       store_->List("customresourcedefinitions.apiextensions.k8s.io", "").records) {
    CrdStored(api_, record->object);
  }
  KINGLET_RETURN_IF_ERROR(Bootstrap());
  http::ServerOptions http;
  http.host = options_.host;
  http.port = options_.port;
  http.tls = options_.tls;
  http.max_body_bytes = kMaxBody;
  http.max_connections = options_.limits.connections;
  if (http::IsLoopbackHost(options_.host)) {
    http.max_connections_of_others = options_.limits.connections / 2;
  }
  http.header_timeout = kHeaderTimeout;
  // A page cannot know the token; but health, versions and errors are not its business either.
  std::vector<std::string> names = options_.allowed_hosts;
  for (const char* name : {"kubernetes", "kubernetes.default", "kubernetes.default.svc",
                           "kubernetes.default.svc.cluster.local"}) {
    names.push_back(name);
  }
  http.guard = std::make_shared<const http::BrowserGuard>(
      http::BrowserGuardOptions{.check_host = true, .hosts = std::move(names)});
  auto server = http::Server::Listen(loops_, std::move(http),
                                     [this](http::Exchange& exchange) { return Serve(exchange); });
  if (!server) return Unexpected(server.error().WithContext("the API server cannot listen"));
  server_ = std::move(*server);
  return {};
}

Status ServerImpl::Bootstrap() {
  auto ensure = [&](std::string_view collection, const Json& object) -> Status {
    std::string target = fmt::format("{}/{}", collection, object["metadata"]["name"].AsString());
    http::Response there = Do(JsonRequest("GET", target, Json()));
    if (there.status == 200) {
      if (object["kind"].AsString() != "CustomResourceDefinition") return {};
      // This program's version of the definition holds.
      Json updated = object;
      auto old = Json::Parse(there.body);
      if (!old) return Fail(Code::kInternal, "a stored definition is not JSON");
      updated.Path({"metadata", "resourceVersion"}) = (*old)["metadata"]["resourceVersion"];
      http::Response put = Do(JsonRequest("PUT", target, updated));
      if (put.status >= 300) return Fail(Code::kInvalidArgument, "{}: {}", target, put.body);
      return {};
    }
    http::Response made = Do(JsonRequest("POST", collection, object));
    if (made.status >= 300) return Fail(Code::kInvalidArgument, "{}: {}", target, made.body);
    return {};
  };
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    KINGLET_RETURN_IF_ERROR(
        ensure("/api/v1/namespaces",
               Json::MakeObject({{"apiVersion", "v1"},
                                 {"kind", "Namespace"},
                                 {"metadata", Json::MakeObject({{"name", name}})}})));
  }
  for (const RecordPtr& record : store_->List("namespaces", "").records) {
    MakeDefaultAccount(api_, record->ref.name);
  }
  for (const Json& crd : options_.crds) {
    KINGLET_RETURN_IF_ERROR(ensure("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd));
  }
  Json port = Json::MakeObject({{"name", "https"}, {"port", 443}, {"protocol", "TCP"}});
  return ensure(
      "/api/v1/namespaces/default/services",
      Json::MakeObject({{"apiVersion", "v1"},
                        {"kind", "Service"},
                        {"metadata", Json::MakeObject({{"name", "kubernetes"}})},
                        {"spec", Json::MakeObject({{"ports", Json::MakeArray({port})}})}}));
}

void ServerImpl::Start() {
  if (started_) return;
  started_ = true;
  loops_.Start();
  server_->Start();
  collector_.Start();
}

void ServerImpl::Stop(Deadline deadline) {
  if (stopped_) return;
  stopped_ = true;
  stop_.request_stop();  // ends watches and logs
  collector_.Stop();
  if (server_ && started_) server_->Drain(deadline);
  // Log sources have been told to stop; they use this object until they return.
  for (int running = logs_.running.load(); running > 0; running = logs_.running.load()) {
    logs_.running.wait(running);
  }
  if (started_) {
    loops_.Stop();
    loops_.Join();
  }
  pool_.reset();
  list_pool_.reset();
  server_.reset();
}

void ServerImpl::SendResponse(http::Exchange& exchange, const http::Response& response) {
  std::string_view type = response.headers.Get("Content-Type");
  http::Headers extra;
  for (const auto& [name, value] : response.headers.fields()) {
    if (!http::EqualsIgnoreCase(name, "Content-Type")) extra.Add(name, value);
  }
  // Whoever has no token gets no connection to keep.
  if (response.status == 401) extra.Set("Connection", "close");
  if (options_.metrics) {
    options_.metrics
        ->GetCounter("apiserver_request_total", "Requests answered, watches and logs apart.",
                     {{"code", std::to_string(response.status)}})
        .Add();
  }
  exchange.Send(response.status, type, response.body, &extra);
}

// A watch or a log: it lasts, so there is a limit to how many there are.
net::Task<void> ServerImpl::ServeLong(Call call, http::Exchange& exchange, bool log) {
  Gauge* gauge = nullptr;
  if (options_.metrics) {
    gauge = &options_.metrics->GetGauge("apiserver_longrunning_requests",
                                        "Watches and logs being served.",
                                        {{"verb", log ? "LOG" : "WATCH"}});
    gauge->Add(1);
  }
  if (log) {
    co_await ServeLogs(api_, std::move(call), exchange, logs_, stop_.get_token());
  } else if (watches_.fetch_add(1) < options_.limits.watches) {
    co_await ServeWatch(api_, std::move(call), exchange, stop_.get_token());
    watches_.fetch_sub(1);
  } else {
    watches_.fetch_sub(1);
    SendResponse(exchange, RenderError(MakeApiError(
                               429, "TooManyRequests",
                               fmt::format("there are {} watches already: try again later",
                                           options_.limits.watches))));
  }
  if (gauge) gauge->Add(-1);
}

net::Task<void> ServerImpl::Serve(http::Exchange& exchange) {
  http::Request request;
  request.method = exchange.method();
  request.target = exchange.target();
  request.headers = exchange.headers();
  std::string_view path = exchange.path();
  bool open = path == "/healthz" || path == "/livez" || path == "/readyz" || path == "/version";
  if (!open) {
    if (auto allowed = api_.Authenticate(request.headers); !allowed) {
      SendResponse(exchange, RenderError(allowed.error()));
      co_return;
    }
  }
  if (Api::ReadsOnly(request.method)) {
    auto call = ParseCall(request, registry_.Get());
    bool log = call && call->resource && call->subresource == "log" &&
               call->resource->StorageKey() == "pods";
    if (log || (call && call->watch)) {
      co_await ServeLong(std::move(*call), exchange, log);
      co_return;
    }
    const bool list = call && call->resource && call->name.empty();
    if (!list || store_->bytes() <= kInlineStoreBytes) {
      SendResponse(exchange, api_.Handle(request));
      co_return;
    }
    co_await HandleOn(*list_pool_, request, exchange);
    co_return;
  }
  auto body = co_await exchange.ReadBody(kMaxBody);
  if (!body) {
    bool large = body.error().code() == Code::kResourceExhausted;
    SendResponse(exchange,
                 RenderError(large ? MakeApiError(413, "RequestEntityTooLarge", "limit is 3145728")
                                   : BadRequest(body.error().message())));
    co_return;
  }
  request.body = *body;
  co_await HandleOn(*pool_, request, exchange);
  CountBytes();
}

net::Task<void> ServerImpl::HandleOn(net::Pool& pool, const http::Request& request,
                                     http::Exchange& exchange) {
  auto response = co_await pool.Run([&] { return api_.Handle(request); });
  if (!response) {
    response = RenderError(MakeApiError(429, "TooManyRequests", response.error().message()));
  }
  SendResponse(exchange, *response);
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::Open(ApiServerOptions options) {
  KINGLET_TRY(auto store, Store::Open({.path = options.database,
                                       .sync_every_commit = options.sync_every_commit,
                                       .history = options.history,
                                       .watch_buffer = options.watch_buffer,
                                       .max_object_bytes = options.limits.object_bytes,
                                       .max_bytes = options.limits.store_bytes,
                                       .max_history_bytes = options.limits.history_bytes}));
  auto server = std::make_unique<ServerImpl>(std::move(options), std::move(store));
  KINGLET_RETURN_IF_ERROR(server->Prepare());
  return server;
}

}  // namespace kinglet::local
