// Paths that are not resources: discovery, OpenAPI, version, health.
#include "local/apiserver/api.h"
#include "local/apiserver/discovery.h"

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

std::optional<Reply> OpenApi(Api& api, const Call& call) {
  std::string path;
  for (const std::string& segment : call.segments) path += "/" + segment;
  auto document = api.openapi().Get(call.registry, path, call.accept.openapi_protobuf);
  if (!document) return std::nullopt;
  Reply reply = TextReply(document->content_type, "");
  reply.etag = document->etag;
  if (call.headers.Get("If-None-Match").find(document->etag) != std::string_view::npos) {
    reply.code = 304;
  } else {
    reply.text = document->text;
  }
  return reply;
}

}  // namespace

std::optional<Reply> NonResource(Api& api, Call& call) {
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
  if (s[0] == "openapi") return OpenApi(api, call);
  return std::nullopt;
}

}  // namespace kinglet::local
