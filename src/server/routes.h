// The REST routes of KServe's model server.
#pragma once

#include <span>
#include <string_view>

namespace kinglet::server {

enum class Route {
  kNone,
  kRoot,          // GET  /
  kMetrics,       // GET  /metrics
  kOpenApi,       // GET  /openapi.json
  kDocs,          // GET  /docs
  kV1Models,      // GET  /v1/models
  kV1Model,       // GET  /v1/models/{m}
  kV1Predict,     // POST /v1/models/{m}:predict
  kV1Explain,     // POST /v1/models/{m}:explain
  kV2Metadata,    // GET  /v2
  kV2Live,        // GET  /v2/health/live
  kV2Ready,       // GET  /v2/health/ready
  kV2Models,      // GET  /v2/models
  kV2Model,       // GET  /v2/models/{m}[/versions/{v}]
  kV2ModelReady,  // GET  /v2/models/{m}[/versions/{v}]/ready
  kV2Infer,       // POST /v2/models/{m}[/versions/{v}]/infer
  kV2Load,        // POST /v2/repository/models/{m}/load
  kV2Unload,      // POST /v2/repository/models/{m}/unload
};

struct RouteMatch {
  Route route = Route::kNone;
  std::string_view model;  // still percent-encoded
  bool versioned = false;  // a version is in the path
  std::string_view allow;  // not empty: the path is known, but only for this method (405)
};

RouteMatch MatchRoute(std::string_view method, std::string_view path);

// For the OpenAPI document.
struct RouteDescription {
  std::string_view method;  // "get", "post"
  std::string_view path;    // "/v1/models/{model_name}"
  std::string_view summary;
  std::string_view tag;  // "V1", "V2", ""
};
std::span<const RouteDescription> RouteDescriptions();

}  // namespace kinglet::server
