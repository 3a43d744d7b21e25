// Client over HTTP.
#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "base/guarded.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/credentials.h"
#include "kube/lean_client.h"
#include "kube/rate_limiter.h"
#include "kube/watch_decoder.h"
#include "net/http/direct_client.h"

namespace kinglet::kube {
namespace {

constexpr int kMaxRetries = 10;
constexpr auto kMaxRetryAfter = std::chrono::seconds(30);
constexpr size_t kMaxErrorBody = size_t{1} << 20;
// Bookmarks come about every minute; a connection this quiet is dead.
constexpr auto kWatchStall = std::chrono::minutes(4);
constexpr std::string_view kMetadataList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
constexpr std::string_view kMetadataObject =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

class Query {
 public:
  void Add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    text_ += text_.empty() ? '?' : '&';
    text_ += key;
    text_ += '=';
    text_ += UrlEncode(value);
  }
  void Add(std::string_view key, std::optional<int64_t> value) {
    if (value) Add(key, std::to_string(*value));
  }
  void AddTrue(std::string_view key, bool value) {
    if (value) Add(key, "true");
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Json DeleteBody(const DeleteOptions& options) {
  Json body = Json::MakeObject({{"apiVersion", "v1"}, {"kind", "DeleteOptions"}});
  switch (options.propagation) {
    case DeleteOptions::Propagation::kDefault:
      break;
    case DeleteOptions::Propagation::kBackground:
      body.Set("propagationPolicy", "Background");
      break;
    case DeleteOptions::Propagation::kForeground:
      body.Set("propagationPolicy", "Foreground");
      break;
    case DeleteOptions::Propagation::kOrphan:
      body.Set("propagationPolicy", "Orphan");
      break;
  }
  if (options.grace_period_seconds) body.Set("gracePeriodSeconds", *options.grace_period_seconds);
  if (!options.uid.empty()) body.Path({"preconditions"}).Set("uid", options.uid);
  if (!options.resource_version.empty()) {
    body.Path({"preconditions"}).Set("resourceVersion", options.resource_version);
  }
  if (options.dry_run) body.Set("dryRun", Json::MakeArray({"All"}));
  return body;
}

void AddListOptions(Query& query, const ListOptions& options) {
  query.Add("labelSelector", options.label_selector);
  query.Add("fieldSelector", options.field_selector);
  if (options.limit) query.Add("limit", options.limit);
  query.Add("continue", options.continue_token);
  // A continue token carries its own version.
  if (options.continue_token.empty()) {
    query.Add("resourceVersion", options.resource_version);
    query.Add("resourceVersionMatch", options.resource_version_match);
  }
}

Query WriteQuery(const WriteOptions& options) {
  Query query;
  if (options.dry_run) query.Add("dryRun", "All");
  query.Add("fieldManager", options.field_manager);
  query.Add("fieldValidation", options.field_validation);
  return query;
}

Result<ObjectKey> RequireKey(const ResourceType& type, const ObjectKey& key, bool needs_name) {
  if (type.namespaced && key.ns.empty()) {
    return Fail(Code::kInvalidArgument, "{} \"{}\": a namespace is required", type.GroupResource(),
                key.name);
  }
  if (needs_name && key.name.empty()) {
    return Fail(Code::kInvalidArgument, "{}: a name is required", type.GroupResource());
  }
  // No object has such a name. A server decodes the path before it splits it: "a/status" would be
  // another resource.
  for (const std::string* name : {&key.ns, &key.name}) {
    if (*name == "." || *name == ".." || name->find_first_of("/%") != std::string::npos) {
      return Fail(Code::kNotFound, "{} \"{}\" not found", type.GroupResource(), *name);
    }
  }
  return key;
}

// Seconds only: API servers do not send dates.
std::optional<Duration> RetryAfter(const http::ClientResponse& response) {
  std::string_view text = response.headers.Get("Retry-After");
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::min<Duration>(std::chrono::seconds(seconds), kMaxRetryAfter);
}

class HttpClient : public Client {
 public:
  // lean: see lean_client.h.
  HttpClient(ClientConfig config, std::stop_token stop, bool lean)
      : config_(std::move(config)),
        lean_(lean),
        stop_(stop),
        credentials_(MakeCredentials(config_)),
        limiter_(config_.qps, config_.burst) {
    while (config_.server.ends_with('/')) config_.server.pop_back();
    const size_t begin = config_.server.find("://") + 3;
    host_ = config_.server.substr(begin, config_.server.find('/', begin) - begin);
  }

  Result<Json> Get(const ResourceType& type, const ObjectKey& key,
                   const GetOptions& options) override {
    KINGLET_TRY(ObjectKey checked, RequireKey(type, key, true));
    Query query;
    query.Add("resourceVersion", options.resource_version);
    return CallJson("GET", type.Path(checked.ns, checked.name, options.subresource) + query.text());
  }

  Result<Json> List(const ResourceType& type, std::string_view ns,
                    const ListOptions& options) override {
    Query query;
    AddListOptions(query, options);
    Call call{.method = "GET", .path = type.Path(ns) + query.text()};
    if (options.metadata_only) call.accept = kMetadataList;
    KINGLET_TRY(Json list, ParseBody(Do(call)));
    Json* items = list.Find("items");
    if (!items || !items->IsArray()) {
      list.Set("items", Json::MakeArray());
      return list;
    }
    for (Json& item : items->MutableArray()) Complete(type, item);
    return list;
  }

  Result<Json> Create(const ResourceType& type, const Json& object,
                      const WriteOptions& options) override {
    KINGLET_TRY(ObjectKey key, RequireKey(type, KeyOf(object), !options.subresource.empty()));
    std::string path =
        type.Path(key.ns, options.subresource.empty() ? "" : key.name, options.subresource);
    return CallJson("POST", path + WriteQuery(options).text(), &object);
  }

  Result<Json> Update(const ResourceType& type, const Json& object,
                      const WriteOptions& options) override {
    KINGLET_TRY(ObjectKey key, RequireKey(type, KeyOf(object), true));
    return CallJson("PUT",
                    type.Path(key.ns, key.name, options.subresource) + WriteQuery(options).text(),
                    &object);
  }

  Result<Json> Patch(const ResourceType& type, const ObjectKey& key, PatchType patch_type,
                     const Json& patch, const WriteOptions& options) override {
    KINGLET_TRY(ObjectKey checked, RequireKey(type, key, true));
    WriteOptions adjusted = options;
    bool apply = patch_type == PatchType::kApply;
    if (apply && adjusted.field_manager.empty()) adjusted.field_manager = "kinglet";
    Query query = WriteQuery(adjusted);
    if (apply) query.AddTrue("force", options.force);
    return CallJson("PATCH",
                    type.Path(checked.ns, checked.name, options.subresource) + query.text(), &patch,
                    PatchContentType(patch_type));
  }

  Status Delete(const ResourceType& type, const ObjectKey& key,
                const DeleteOptions& options) override {
    KINGLET_TRY(ObjectKey checked, RequireKey(type, key, true));
    Json body = DeleteBody(options);
    KINGLET_RETURN_IF_ERROR(CallJson("DELETE", type.Path(checked.ns, checked.name), &body));
    return {};
  }

  Status DeleteCollection(const ResourceType& type, std::string_view ns, const ListOptions& which,
                          const DeleteOptions& options) override {
    KINGLET_RETURN_IF_ERROR(RequireKey(type, {std::string(ns), ""}, false));
    Query query;
    AddListOptions(query, which);
    Json body = DeleteBody(options);
    KINGLET_RETURN_IF_ERROR(CallJson("DELETE", type.Path(ns) + query.text(), &body));
    return {};
  }

  Status Watch(const ResourceType& type, std::string_view ns, const WatchOptions& options,
               const std::function<Status(WatchEvent)>& on_event, std::stop_token stop) override {
    Query query;
    query.AddTrue("watch", true);
    query.Add("labelSelector", options.label_selector);
    query.Add("fieldSelector", options.field_selector);
    query.Add("resourceVersion", options.resource_version);
    query.AddTrue("allowWatchBookmarks", options.bookmarks);
    if (options.timeout > Duration::zero()) {
      query.Add("timeoutSeconds", std::chrono::ceil<std::chrono::seconds>(options.timeout).count());
    }
    Call call{.method = "GET", .path = type.Path(ns) + query.text()};
    if (options.metadata_only) call.accept = kMetadataObject;
    call.stall_timeout = kWatchStall;
    WatchDecoder decoder(
        [&](WatchEvent event) -> Status {
          if (event.type != WatchEvent::Type::kBookmark) Complete(type, event.object);
          return on_event(std::move(event));
        },
        lean_);
    KINGLET_RETURN_IF_ERROR(
        Stream(call, [&](std::string_view bytes) { return decoder.Feed(bytes); }, stop));
    return decoder.Finish();
  }

  Status Logs(const ObjectKey& pod, const LogOptions& options,
              const std::function<Status(std::string_view)>& on_bytes,
              std::stop_token stop) override {
    KINGLET_TRY(ObjectKey key, RequireKey(kPod, pod, true));
    Query query;
    query.Add("container", options.container);
    query.AddTrue("follow", options.follow);
    query.AddTrue("previous", options.previous);
    query.AddTrue("timestamps", options.timestamps);
    query.Add("tailLines", options.tail_lines);
    query.Add("sinceSeconds", options.since_seconds);
    query.Add("limitBytes", options.limit_bytes);
    Call call{.method = "GET", .path = kPod.Path(key.ns, key.name, "log") + query.text()};
    call.accept = "*/*";
    return Stream(call, on_bytes, stop);
  }

  Result<std::string> Raw(const RawRequest& request) override {
    Call call{.method = request.method, .path = request.path, .accept = request.accept};
    call.body = request.body;
    call.content_type = request.content_type;
    KINGLET_TRY(http::ClientResponse response, Do(call));
    return std::move(response.body);
  }

 private:
  struct Call {
    std::string_view method;
    std::string path;
    std::string_view accept = "application/json";
    std::string body;
    std::string_view content_type;
    Duration stall_timeout = Duration::zero();
  };
  struct Transport {
    std::shared_ptr<http::Client> client;
    std::string cert_pem;
  };

  // Lists leave apiVersion and kind out of their items, and partial metadata has its own.
  static void Complete(const ResourceType& type, Json& object) {
    object.Set("apiVersion", type.ApiVersion());
    object.Set("kind", type.kind);
  }

  // A plugin's certificate belongs to the connection, so a new one needs a new transport.
  std::shared_ptr<http::Client> TransportFor(const Credential& credential) {
    auto transport = transport_.Acquire();
    if (!transport->client || transport->cert_pem != credential.cert_pem) {
      http::ClientOptions options = config_.http;
      options.user_agent = config_.user_agent;
      if (!credential.cert_pem.empty()) {
        options.cert_pem = credential.cert_pem;
        options.key_pem = credential.key_pem;
      }
      transport->client = http::MakeDirectClient(std::move(options));
      transport->cert_pem = credential.cert_pem;
    }
    return transport->client;
  }

  http::ClientRequest MakeRequest(const Call& call, const Credential& credential) const {
    http::ClientRequest request;
    request.method = call.method;
    request.url = config_.server + call.path;
    request.headers.Set("Accept", call.accept);
    if (!call.content_type.empty()) request.headers.Set("Content-Type", call.content_type);
    if (!credential.authorization.empty()) {
      request.headers.Set("Authorization", credential.authorization);
    }
    if (!config_.impersonate_user.empty()) {
      request.headers.Set("Impersonate-User", config_.impersonate_user);
    }
    for (const std::string& group : config_.impersonate_groups) {
      request.headers.Add("Impersonate-Group", group);
    }
    request.body = call.body;
    request.stall_timeout = call.stall_timeout;
    return request;
  }

  // As client-go counts. Status 0: no answer.
  void Count(std::string_view method, int status) {
    if (!config_.metrics) return;
    config_.metrics
        ->GetCounter("rest_client_requests_total",
                     "Number of HTTP requests, partitioned by status code, method, and host.",
                     {{"code", status ? std::to_string(status) : "<error>"},
                      {"host", host_},
                      {"method", std::string(method)}})
        .Add();
  }

  Result<http::ClientResponse> Do(const Call& call) {
    Deadline deadline = Deadline::After(config_.timeout);
    bool rejected = false, reconnected = false;
    for (int attempt = 0;; ++attempt) {
      if (!limiter_.Wait(stop_)) return Fail(Code::kCancelled, "the client was stopped");
      KINGLET_TRY(Credential credential, credentials_->Get(rejected, stop_));
      http::ClientRequest request = MakeRequest(call, credential);
      request.deadline = deadline;
      request.stop = stop_;
      if (config_.before_write && call.method != "GET") {
        KINGLET_RETURN_IF_ERROR(config_.before_write());
      }
      auto response = TransportFor(credential)->Do(request);
      Count(call.method, response ? response->status : 0);
      if (!response) {
        // A kept connection that the server had closed: once more where that is harmless.
        if (call.method == "GET" && response.error().code() == Code::kUnavailable && !reconnected) {
          reconnected = true;
          continue;
        }
        return Unexpected(response.error().WithContext(
            fmt::format("cannot reach the Kubernetes API server at {}", config_.server)));
      }
      if (response->status == 401 && !rejected && CanRefresh()) {
        rejected = true;
        continue;
      }
      if (response->status < 400) return response;
      auto wait =
          response->status == 429 || response->status >= 500 ? RetryAfter(*response) : std::nullopt;
      if (!wait || attempt >= kMaxRetries || *wait > deadline.Remaining()) {
        return Unexpected(ErrorFromStatus(response->status, response->body));
      }
      if (!SleepFor(*wait, stop_)) return Fail(Code::kCancelled, "the client was stopped");
    }
  }

  bool CanRefresh() const { return config_.exec.has_value() || !config_.token_file.empty(); }

  Result<Json> ParseBody(Result<http::ClientResponse> response) {
    if (!response) return Unexpected(response.error());
    if (response->body.empty()) return Json();
    auto parsed = ParseObject(response->body, lean_);
    if (!parsed) return Unexpected(parsed.error().WithContext("the API server's answer"));
    return parsed;
  }

  Result<Json> CallJson(std::string_view method, std::string path, const Json* body = nullptr,
                        std::string_view content_type = "application/json") {
    Call call{.method = method, .path = std::move(path)};
    if (body) {
      call.body = body->Dump();
      call.content_type = content_type;
    }
    return ParseBody(Do(call));
  }

  Status Stream(const Call& call, const std::function<Status(std::string_view)>& on_bytes,
                std::stop_token stop) {
    // Either token ends it.
    std::stop_source both;
    std::stop_callback own(stop_, [&] { both.request_stop(); });
    std::stop_callback caller(stop, [&] { both.request_stop(); });
    if (!limiter_.Wait(both.get_token())) return Fail(Code::kCancelled, "stopped");
    KINGLET_TRY(Credential credential, credentials_->Get(false, both.get_token()));
    http::ClientRequest request = MakeRequest(call, credential);
    request.stop = both.get_token();
    int status = 0;
    std::string error_body;
    auto response = TransportFor(credential)
                        ->Stream(
                            request,
                            [&](const http::ClientResponse& head) -> Status {
                              status = head.status;
                              return {};
                            },
                            [&](std::string_view bytes) -> Status {
                              if (status < 400) return on_bytes(bytes);
                              error_body += bytes.substr(
                                  0, kMaxErrorBody - std::min(kMaxErrorBody, error_body.size()));
                              return {};
                            });
    Count(call.method, status);
    if (status == 401) credentials_->Get(true, both.get_token());  // for the next try
    if (status >= 400) return Unexpected(ErrorFromStatus(status, error_body));
    if (!response) return Unexpected(response.error());
    return {};
  }

  ClientConfig config_;
  const bool lean_;
  std::string host_;  // and port
  std::stop_token stop_;
  std::unique_ptr<Credentials> credentials_;
  RateLimiter limiter_;
  Guarded<Transport> transport_;
};

std::unique_ptr<Client> Make(ClientConfig config, std::stop_token stop, bool lean) {
  if (!config.server.starts_with("http://") && !config.server.starts_with("https://")) {
    // As kubectl reads "host:port".
    config.server = "http://" + config.server;
  }
  return std::make_unique<HttpClient>(std::move(config), std::move(stop), lean);
}

}  // namespace

Result<std::unique_ptr<Client>> MakeClient(ClientConfig config, std::stop_token stop) {
  return Make(std::move(config), std::move(stop), false);
}

Result<std::unique_ptr<Client>> MakeLeanClient(ClientConfig config, std::stop_token stop) {
  return Make(std::move(config), std::move(stop), true);
}

}  // namespace kinglet::kube
