// Paths that are not resources: discovery, OpenAPI, version, health.
#include "local/apiserver/api.h"
#include "local/apiserver/discovery.h"
#include "local/apiserver/openapi.h"

namespace kinglet::local {
namespace {

Reply TextReply(std::string_view type, std::string text) {
  Reply reply;
  reply.content_type = type;
  reply.text = std::move(text);
  return reply;
}

std::optional<Reply> Known(Json json) {
  if (json.IsNull()) return std::nullopt;
  return Reply::Raw(std::move(json));
}

Reply Aggregated(const Call& call, bool core) {
  const std::string& version = call.accept.discovery_version;
  Reply reply =
      TextReply("application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList",
                GroupDiscoveryList(*call.registry, core, version).Dump());
  return reply;
}

}  // namespace

std::optional<Reply> NonResource(Api& api, Call& call) {
  (void)api;
  if (call.method != "GET" && call.method != "HEAD") return std::nullopt;
  const auto& s = call.segments;
  const Registry& registry = *call.registry;
  if (s.empty()) {
    Json paths = Json::MakeArray({"/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2",
                                  "/openapi/v3", "/readyz", "/version"});
    return Reply::Raw(Json::MakeObject({{"paths", std::move(paths)}}));
  }
  if (s[0] == "healthz" || s[0] == "livez" || s[0] == "readyz")
    return TextReply("text/plain", "ok");
  if (s[0] == "version" && s.size() == 1) return Reply::Raw(VersionInfo());
  if (s[0] == "api") {
    if (s.size() == 1) {
      return call.accept.discovery ? Aggregated(call, true) : Reply::Raw(ApiVersions());
    }
    if (s.size() == 2) return Known(ApiResourceList(registry, "", s[1]));
  }
  if (s[0] == "apis") {
    if (s.size() == 1) {
      return call.accept.discovery ? Aggregated(call, false) : Reply::Raw(ApiGroupList(registry));
    }
    if (s.size() == 2) return Known(ApiGroup(registry, s[1]));
    if (s.size() == 3) return Known(ApiResourceList(registry, s[1], s[2]));
  }
  if (s[0] == "openapi" && s.size() >= 2) {
    if (s[1] == "v2" && s.size() == 2) {
      Json document = OpenApiV2(registry);
      if (call.accept.openapi_protobuf) {
        return TextReply("application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                         OpenApiV2Protobuf(document));
      }
      return Reply::Raw(std::move(document));
    }
    if (s[1] == "v3" && s.size() == 2) return Reply::Raw(OpenApiV3Index(registry));
    if (s[1] == "v3" && s.size() == 4 && s[2] == "api") return Known(OpenApiV3(registry, "", s[3]));
    if (s[1] == "v3" && s.size() == 5 && s[2] == "apis") {
      return Known(OpenApiV3(registry, s[3], s[4]));
    }
  }
  return std::nullopt;
}

}  // namespace kinglet::local
