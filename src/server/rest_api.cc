#include "server/rest_api.h"

#include <unistd.h>

#include <exception>
#include <typeinfo>

#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"
#include "server/inline_limits.h"
#include "server/openapi.h"
#include "server/version.h"

namespace kinglet::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPredictQueue = 256;
// No limit of InlineLimits changes by less.
constexpr size_t kShortBody = 4096;
constexpr std::chrono::milliseconds kQuickEnough(5);

bool TakesBody(Route route) {
  return route == Route::kV1Predict || route == Route::kV1Explain || route == Route::kV2Infer;
}

bool ChangesRepository(Route route) { return route == Route::kV2Load || route == Route::kV2Unload; }

std::string NamesBody(const std::vector<std::string>& names) {
  Json list = Json::MakeArray();
  for (const std::string& name : names) list.Push(name);
  return Json::MakeObject({{"models", list}}).Dump();
}

Json TensorList(const std::vector<TensorMetadata>& tensors) {
  Json list = Json::MakeArray();
  for (const TensorMetadata& tensor : tensors) {
    Json shape = Json::MakeArray();
    for (int64_t dimension : tensor.shape) shape.Push(dimension);
    list.Push(Json::MakeObject({{"name", tensor.name},
                                {"datatype", inference::DataTypeName(tensor.datatype)},
                                {"shape", shape}}));
  }
  return list;
}

CallHeaders HeadersOf(const http::Exchange& exchange) {
  return {.content_type = exchange.Header("content-type"),
          .inference_header_content_length = exchange.Header("inference-header-content-length"),
          .request_id = exchange.Header("x-request-id"),
          .ce_specversion = exchange.Header("ce-specversion"),
          .all = [&exchange] { return exchange.headers(); }};
}

}  // namespace

// What one loop keeps from request to request.
struct RestApi::PerLoop {
  PerLoop(net::Loop* event_loop, size_t inline_body_bytes)
      : loop(event_loop),
        inline_limits(inline_body_bytes),
        latency(event_loop, STDERR_FILENO),
        access(event_loop, STDOUT_FILENO) {}
  net::Loop* loop;
  InlineLimits inline_limits;
  Scratch scratch;
  std::string model;  // a decoded name
  LineLog latency;
  LineLog access;
};

struct RestApi::Call {
  http::Exchange& exchange;
  Clock::time_point start = Clock::now();
};

RestApi::RestApi(Repository& repository, MetricsRegistry& metrics, net::LoopGroup& loops,
                 RestOptions options)
    : repository_(repository),
      metrics_(metrics),
      data_plane_(repository, options.data_plane),
      options_(std::move(options)),
      load_pool_("model-load", 1, 64),
      predict_pool_("predict", loops.size(), kPredictQueue) {
  for (size_t i = 0; i < loops.size(); ++i) {
    loops_.push_back(std::make_unique<PerLoop>(&loops.at(i), options_.inline_body_bytes));
  }
}

RestApi::~RestApi() = default;

http::Handler RestApi::handler() {
  return [this](http::Exchange& exchange) { return AnswerLater(exchange); };
}

http::FastHandler RestApi::fast_handler() {
  return [this](http::Exchange& exchange) { return TryAnswer(exchange); };
}

RestApi::PerLoop& RestApi::For(net::Loop& loop) {
  for (auto& home : loops_) {
    if (home->loop == &loop) return *home;
  }
  KINGLET_CHECK(false);
  return *loops_[0];
}

bool RestApi::TryAnswer(http::Exchange& exchange) {
  RouteMatch match = MatchRoute(exchange.method(), exchange.path());
  if (ChangesRepository(match.route) && match.allow.empty()) return false;
  PerLoop& home = For(exchange.loop());
  std::string_view model = match.model;
  if (model.find('%') != std::string_view::npos) {
    if (auto decoded = UrlDecode(model)) home.model = std::move(*decoded);
    model = home.model;
  }
  std::string_view body;
  if (TakesBody(match.route) && match.allow.empty() &&
      (!exchange.BufferedBody(&body) || body.size() > home.inline_limits.For(model))) {
    return false;
  }
  Call call{exchange};
  metrics_.in_flight().Add(1);
  AnswerHere(call, call.start, match, model, body, home);
  return true;
}

net::Task<void> RestApi::AnswerLater(http::Exchange& exchange) {
  Call call{exchange};
  PerLoop& home = For(exchange.loop());
  metrics_.in_flight().Add(1);
  RouteMatch match = MatchRoute(exchange.method(), exchange.path());
  if (ChangesRepository(match.route)) {
    if (auto allowed = options_.admin.Check(exchange); !allowed) {
      SetError(allowed.error(), &home.scratch.reply);
      Finish(call, home.scratch.reply, home);
      co_return;
    }
  }
  auto decoded = UrlDecode(match.model);
  std::string model = decoded ? std::move(*decoded) : std::string(match.model);
  auto body = co_await exchange.ReadBody(options_.max_body_bytes);
  if (!body) {
    SetError(body.error(), &home.scratch.reply);
    Finish(call, home.scratch.reply, home);
    co_return;
  }
  if (!ChangesRepository(match.route) && body->size() <= home.inline_limits.For(model)) {
    AnswerHere(call, Clock::now(), match, model, *body, home);
    co_return;
  }
  Scratch scratch;
  Clock::duration took{};
  net::Pool& pool = ChangesRepository(match.route) ? load_pool_ : predict_pool_;
  auto ran = co_await pool.Run([&] {
    if (ChangesRepository(match.route)) {
      LoadOrUnload(match.route, model, &scratch.reply);
    } else {
      LineLog latency(nullptr, STDERR_FILENO);  // the loop's own is for its thread only
      const Clock::time_point start = Clock::now();
      Answer(match, model, exchange, *body, &scratch, &latency);
      took = Clock::now() - start;
    }
    return true;
  });
  if (!ran) {
    SetError(ran.error(), &scratch.reply);
    scratch.reply.headers.Add("Retry-After", "1");
  } else if (TakesBody(match.route)) {
    home.inline_limits.Note(model, body->size(), scratch.reply.status == 200, took);
  }
  Finish(call, scratch.reply, home);
}

void RestApi::AnswerHere(const Call& call, Clock::time_point start, const RouteMatch& match,
                         std::string_view model, std::string_view body, PerLoop& home) {
  Answer(match, model, call.exchange, body, &home.scratch, &home.latency);
  if (TakesBody(match.route)) {
    // Short bodies that were quick, which are nearly all, teach nothing.
    const auto took = Clock::now() - start;
    if (body.size() >= kShortBody || took > kQuickEnough) [[unlikely]]
      home.inline_limits.Note(model, body.size(), home.scratch.reply.status == 200, took);
  }
  Finish(call, home.scratch.reply, home);
  home.scratch.Trim();
}

void RestApi::Finish(const Call& call, const Reply& reply, PerLoop& home) {
  metrics_.CountResponse(reply.status);
  metrics_.in_flight().Add(-1);
  if (reply.status >= 500) {
    LogError("request failed", {{"path", call.exchange.path()},
                                {"status", reply.status},
                                {"body", std::string_view(reply.body).substr(0, 512)}});
  }
  if (options_.access_log) {
    options_.access_log->Append(call.exchange, reply.status, reply.body.size(),
                                Clock::now() - call.start, &home.access);
  }
  call.exchange.Send(reply.status, reply.content_type, reply.body,
                     reply.headers.fields().empty() ? nullptr : &reply.headers);
}

void RestApi::Answer(const RouteMatch& match, std::string_view model, http::Exchange& exchange,
                     std::string_view body, Scratch* scratch, LineLog* latency) {
  try {
    Dispatch(match, model, exchange, body, scratch, latency);
  } catch (const std::exception& exception) {
    SetError(
        Error(Code::kInternal, fmt::format("{} : {}", typeid(exception).name(), exception.what())),
        &scratch->reply);
  }
}

void RestApi::Dispatch(const RouteMatch& match, std::string_view model, http::Exchange& exchange,
                       std::string_view body, Scratch* scratch, LineLog* latency) {
  Reply* reply = &scratch->reply;
  reply->Clear();
  if (match.route == Route::kNone || (match.route == Route::kDocs && !options_.docs)) {
    return AnswerUnknownPath(exchange, reply);
  }
  if (!match.allow.empty()) {
    SetDetail(405, "Method Not Allowed", reply);
    reply->headers.Add("allow", match.allow);
    return;
  }
  if (match.versioned) {
    return SetError(Error(Code::kUnimplemented, "Model versioning not supported yet."), reply);
  }
  switch (match.route) {
    case Route::kV1Predict:
      return data_plane_.Predict(model, HeadersOf(exchange), body, scratch, latency);
    case Route::kV2Infer:
      return data_plane_.Infer(model, HeadersOf(exchange), body, scratch, latency);
    case Route::kV1Explain:
      return AnswerExplain(model, reply);
    case Route::kRoot:
      reply->body = R"({"status":"alive"})";
      return;
    case Route::kMetrics:
      reply->content_type = MetricsRegistry::kContentType;
      reply->body = metrics_.registry().Expose();
      return;
    case Route::kOpenApi:
      reply->body = OpenApiDocument();
      return;
    case Route::kDocs:
      reply->content_type = "text/html; charset=utf-8";
      reply->body = DocsPage();
      return;
    case Route::kV1Models:
    case Route::kV2Models:
      reply->body = NamesBody(repository_.Names());
      return;
    case Route::kV2Metadata:
      reply->body =
          Json::MakeObject({{"name", "kserve"},
                            {"version", kKServeVersion},
                            {"extensions", Json::MakeArray({"model_repository_extension"})}})
              .Dump();
      return;
    case Route::kV2Live:
      reply->body = R"({"live":true})";
      return;
    case Route::kV2Ready:
      if (!ready_ || !repository_.HasRequired()) {
        return SetError(Error(Code::kUnavailable, "Server is not ready."), reply);
      }
      reply->body = R"({"ready":true})";
      return;
    case Route::kV2Model:
      return AnswerModelMetadata(model, reply);
    case Route::kV1Model:
    case Route::kV2ModelReady: {
      if (auto entry = data_plane_.ReadyModel(model); !entry) return SetError(entry.error(), reply);
      reply->body = Json::MakeObject({{"name", model}, {"ready", true}}).Dump();
      return;
    }
    case Route::kNone:
    case Route::kV2Load:
    case Route::kV2Unload:
      break;
  }
  SetError(Error(Code::kInternal, "no answer for this route"), reply);
}

// Starlette redirects a path with one '/' too many at its end.
void RestApi::AnswerUnknownPath(http::Exchange& exchange, Reply* reply) {
  std::string_view path = exchange.path();
  if (path.size() > 1 && path.ends_with('/')) {
    std::string_view trimmed = path.substr(0, path.size() - 1);
    RouteMatch match = MatchRoute(exchange.method(), trimmed);
    if (match.route != Route::kNone && (match.route != Route::kDocs || options_.docs)) {
      reply->status = 307;
      reply->content_type = {};
      reply->headers.Add("location",
                         fmt::format("http://{}{}{}{}", exchange.Header("host"), trimmed,
                                     exchange.query().empty() ? "" : "?", exchange.query()));
      return;
    }
  }
  SetDetail(404, "Not Found", reply);
}

void RestApi::AnswerModelMetadata(std::string_view model, Reply* reply) {
  auto entry = repository_.Find(model);
  if (!entry) {
    return SetError(
        Error(Code::kNotFound, fmt::format("Model with name {} does not exist.", model)), reply);
  }
  ModelMetadata none;
  const ModelMetadata& metadata = entry->model ? entry->model->metadata() : none;
  reply->body = Json::MakeObject({{"name", model},
                                  {"versions", Json()},
                                  {"platform", ""},
                                  {"inputs", TensorList(metadata.inputs)},
                                  {"outputs", TensorList(metadata.outputs)}})
                    .Dump();
}

void RestApi::AnswerExplain(std::string_view model, Reply* reply) {
  auto entry = data_plane_.ReadyModel(model);
  SetError(entry ? Error(Code::kUnimplemented, "Could not find explainer_host.") : entry.error(),
           reply);
}

void RestApi::LoadOrUnload(Route route, const std::string& model, Reply* reply) {
  reply->Clear();
  bool load = route == Route::kV2Load;
  Status status = load ? repository_.Load(model) : repository_.Unload(model);
  if (status) {
    reply->body = Json::MakeObject({{"name", model}, {load ? "load" : "unload", true}}).Dump();
  } else if (load) {
    SetError(Error(Code::kUnavailable,
                   fmt::format("Model with name {} is not ready. Error type: {} error msg: {}",
                               model, CodeName(status.error().code()), status.error().message())),
             reply);
  } else {
    SetError(status.error(), reply);
  }
}

}  // namespace kinglet::server
