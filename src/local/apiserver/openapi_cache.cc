#include "local/apiserver/openapi_cache.h"

#include <fmt/format.h>

#include <vector>

#include "base/encoding.h"
#include "local/apiserver/openapi.h"

namespace kinglet::local {
namespace {

constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path = slash == path.npos ? "" : path.substr(slash + 1);
  }
  return parts;
}

Json Make(const Registry& registry, const std::vector<std::string>& s) {
  if (s.size() < 2 || s[0] != "openapi") return Json();
  if (s[1] == "v2" && s.size() == 2) return OpenApiV2(registry);
  if (s[1] != "v3") return Json();
  if (s.size() == 2) return OpenApiV3Index(registry);
  if (s.size() == 4 && s[2] == "api") return OpenApiV3(registry, "", s[3]);
  if (s.size() == 5 && s[2] == "apis") return OpenApiV3(registry, s[3], s[4]);
  return Json();
}

}  // namespace

std::shared_ptr<const OpenApiDocument> OpenApiCache::Get(const RegistryPtr& registry,
                                                         const std::string& path, bool protobuf) {
  auto parts = Split(path);
  protobuf = protobuf && parts.size() == 2 && parts[1] == "v2";
  std::string key = fmt::format("{}{}", protobuf ? "protobuf:" : "", path);
  auto known = state_.With([&](State& state) -> std::shared_ptr<const OpenApiDocument> {
    if (state.registry != registry) return nullptr;
    auto it = state.documents.find(key);
    return it == state.documents.end() ? nullptr : it->second;
  });
  if (known) return known;
  // Not under the lock: two that ask at the same time make it twice, and nobody waits.
  Json json = Make(*registry, parts);
  if (json.IsNull()) return nullptr;
  auto made = std::make_shared<OpenApiDocument>();
  made->content_type = protobuf ? kProtobuf : "application/json";
  made->text = protobuf ? OpenApiV2Protobuf(json) : json.Dump();
  made->etag = "\"" + HexEncode(Sha256(made->text)).substr(0, 32) + "\"";
  state_.With([&](State& state) {
    if (state.registry != registry) {
      state.documents.clear();
      state.registry = registry;
    }
    state.documents[key] = made;
  });
  return made;
}

}  // namespace kinglet::local
