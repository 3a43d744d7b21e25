#include "cmd/kinglet/seed.h"

#include "base/encoding.h"
#include "base/yaml.h"
#include "config/files.h"
#include "kube/merge_patch.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::standalone {
namespace {

// The digest of the text an object was last written from.
constexpr std::string_view kSeedAnnotation = "kinglet.dev/seed";
constexpr std::string_view kSystemNamespace = "kserve";

Result<std::vector<Json>> Documents(std::string_view folder) {
  std::vector<Json> documents;
  for (const config::File& file : config::Files()) {
    if (!file.path.starts_with(folder)) continue;
    auto parsed = ParseYamlDocuments(file.text);
    if (!parsed) return Unexpected(parsed.error().WithContext(file.path));
    for (Json& document : *parsed) documents.push_back(std::move(document));
  }
  return documents;
}

Status Seed(kube::Client& client, const kube::ResourceType& type, Json object) {
  std::string digest = HexEncode(Sha256(object.Dump())).substr(0, 16);
  object.Path({"metadata", "annotations"}).Set(kSeedAnnotation, digest);
  if (type.namespaced) object.Ref("metadata").Set("namespace", kSystemNamespace);
  kube::ObjectKey key = kube::KeyOf(object);
  auto existing = client.Get(type, key);
  if (!existing) {
    if (existing.error().code() != Code::kNotFound) return Unexpected(existing.error());
    auto created = client.Create(type, object);
    if (!created) return Unexpected(created.error());
    return {};
  }
  if (existing->At({"metadata", "annotations"})[kSeedAnnotation].AsString() == digest) return {};
  object.Ref("metadata").Set("resourceVersion", (*existing)["metadata"]["resourceVersion"]);
  auto updated = client.Update(type, object);
  if (!updated) return Unexpected(updated.error());
  return {};
}

// The shipped configuration with standalone mode's values over it, key by key: each value of `data`
// is JSON text, merged as such.
Result<Json> Configuration(const std::string& gateway_authority) {
  KINGLET_TRY(auto shipped, Documents("configmap/"));
  KINGLET_TRY(auto overrides, Documents("standalone/"));
  if (shipped.size() != 1) return Fail(Code::kInternal, "config/configmap: one document expected");
  Json configuration = std::move(shipped[0]);
  configuration.Path({"data"}).Erase("_example");
  for (const Json& document : overrides) {
    if (kube::Kind(document) != kube::kConfigMap.kind) continue;
    for (const auto& [key, value] : document["data"].AsObject()) {
      std::string text = configuration["data"][key].StringOr("{}");
      auto base = Json::Parse(text);
      auto patch = Json::Parse(value.AsString());
      if (!base || !patch) return Fail(Code::kInternal, "config: {} is not JSON", key);
      configuration.Path({"data"}).Set(key, kube::ApplyMergePatch(*base, *patch).Dump());
    }
  }
  auto ingress = Json::Parse(configuration["data"]["ingress"].StringOr("{}"));
  if (!ingress) return Fail(Code::kInternal, "config: ingress is not JSON");
  ingress->Set("ingressDomain", gateway_authority);
  configuration.Path({"data"}).Set("ingress", ingress->Dump());
  return configuration;
}

}  // namespace

Result<std::vector<Json>> EmbeddedCrds() { return Documents("crd/"); }

Status SeedObjects(kube::Client& client, const std::string& gateway_authority) {
  KINGLET_RETURN_IF_ERROR(
      Seed(client, kube::kNamespace,
           Json::MakeObject({{"apiVersion", "v1"},
                             {"kind", "Namespace"},
                             {"metadata", Json::MakeObject({{"name", kSystemNamespace}})}})));
  KINGLET_TRY(Json configuration, Configuration(gateway_authority));
  KINGLET_RETURN_IF_ERROR(Seed(client, kube::kConfigMap, std::move(configuration)));
  KINGLET_TRY(auto runtimes, Documents("runtimes/"));
  for (Json& runtime : runtimes) {
    KINGLET_RETURN_IF_ERROR(Seed(client, kube::kClusterServingRuntime, std::move(runtime)));
  }
  KINGLET_TRY(auto containers, Documents("storagecontainers/"));
  for (Json& container : containers) {
    KINGLET_RETURN_IF_ERROR(Seed(client, kube::kClusterStorageContainer, std::move(container)));
  }
  KINGLET_TRY(auto own, Documents("standalone/"));
  for (Json& object : own) {
    const auto* type = kube::FindKnownResource(kube::ApiVersion(object), kube::Kind(object));
    if (!type) return Fail(Code::kInternal, "config: unknown kind {}", kube::Kind(object));
    if (*type == kube::kConfigMap) continue;
    KINGLET_RETURN_IF_ERROR(Seed(client, *type, std::move(object)));
  }
  return {};
}

}  // namespace kinglet::standalone
