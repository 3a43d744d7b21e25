#include "server/routes.h"

#include <utility>

namespace kinglet::server {
namespace {

constexpr RouteDescription kDescriptions[] = {
    {"get", "/", "Server live", ""},
    {"get", "/metrics", "Metrics in Prometheus' text format", ""},
    {"get", "/v1/models", "Names of the models", "V1"},
    {"get", "/v1/models/{model_name}", "Whether a model is ready", "V1"},
    {"post", "/v1/models/{model_name}:predict", "Predict", "V1"},
    {"post", "/v1/models/{model_name}:explain", "Explain", "V1"},
    {"get", "/v2", "Server metadata", "V2"},
    {"get", "/v2/health/live", "Server live", "V2"},
    {"get", "/v2/health/ready", "Server ready", "V2"},
    {"get", "/v2/models", "Names of the models", "V2"},
    {"get", "/v2/models/{model_name}", "Model metadata", "V2"},
    {"get", "/v2/models/{model_name}/ready", "Whether a model is ready", "V2"},
    {"post", "/v2/models/{model_name}/infer", "Infer", "V2"},
    {"post", "/v2/repository/models/{model_name}/load", "Load a model", "V2"},
    {"post", "/v2/repository/models/{model_name}/unload", "Unload a model", "V2"},
};

// Takes the text up to the next '/' off `path`, which begins with '/'; empty where there is none.
std::string_view TakeSegment(std::string_view* path) {
  if (!path->starts_with('/')) return {};
  path->remove_prefix(1);
  size_t end = path->find('/');
  std::string_view segment = path->substr(0, end);
  path->remove_prefix(segment.size());
  return segment;
}

RouteMatch Check(std::string_view method, std::string_view allowed, RouteMatch match) {
  if (method != allowed) match.allow = allowed;
  return match;
}

RouteMatch MatchV1(std::string_view method, std::string_view rest) {
  if (rest == "/models") return Check(method, "GET", {Route::kV1Models});
  if (!rest.starts_with("/models/")) return {};
  std::string_view name = rest.substr(8);
  if (name.empty() || name.find('/') != std::string_view::npos) return {};
  // As KServe's router does, a GET takes "m:predict" for a model's name.
  if (method != "GET") {
    for (auto [verb, route] : {std::pair{std::string_view(":predict"), Route::kV1Predict},
                               std::pair{std::string_view(":explain"), Route::kV1Explain}}) {
      if (name.size() > verb.size() && name.ends_with(verb)) {
        return Check(method, "POST", {route, name.substr(0, name.size() - verb.size())});
      }
    }
  }
  return Check(method, "GET", {Route::kV1Model, name});
}

RouteMatch MatchV2(std::string_view method, std::string_view rest) {
  if (rest.empty()) return Check(method, "GET", {Route::kV2Metadata});
  if (rest == "/health/live") return Check(method, "GET", {Route::kV2Live});
  if (rest == "/health/ready") return Check(method, "GET", {Route::kV2Ready});
  if (rest == "/models") return Check(method, "GET", {Route::kV2Models});
  if (rest.starts_with("/models/")) {
    rest.remove_prefix(7);
    RouteMatch match{Route::kNone, TakeSegment(&rest)};
    if (match.model.empty()) return {};
    if (rest.starts_with("/versions/")) {
      rest.remove_prefix(9);
      match.versioned = true;
      if (TakeSegment(&rest).empty()) return {};
    }
    if (rest.empty()) {
      match.route = Route::kV2Model;
      return Check(method, "GET", match);
    }
    if (rest == "/ready") {
      match.route = Route::kV2ModelReady;
      return Check(method, "GET", match);
    }
    if (rest == "/infer") {
      match.route = Route::kV2Infer;
      return Check(method, "POST", match);
    }
    return {};
  }
  if (rest.starts_with("/repository/models/")) {
    rest.remove_prefix(18);
    RouteMatch match{Route::kNone, TakeSegment(&rest)};
    if (match.model.empty()) return {};
    if (rest == "/load") match.route = Route::kV2Load;
    if (rest == "/unload") match.route = Route::kV2Unload;
    return match.route == Route::kNone ? RouteMatch{} : Check(method, "POST", match);
  }
  return {};
}

}  // namespace

RouteMatch MatchRoute(std::string_view method, std::string_view path) {
  if (path.starts_with("/v1/")) return MatchV1(method, path.substr(3));
  if (path == "/v2" || path.starts_with("/v2/")) return MatchV2(method, path.substr(3));
  if (path == "/") return Check(method, "GET", {Route::kRoot});
  if (path == "/metrics") return Check(method, "GET", {Route::kMetrics});
  if (path == "/openapi.json") return Check(method, "GET", {Route::kOpenApi});
  if (path == "/docs") return Check(method, "GET", {Route::kDocs});
  return {};
}

std::span<const RouteDescription> RouteDescriptions() { return kDescriptions; }

}  // namespace kinglet::server
