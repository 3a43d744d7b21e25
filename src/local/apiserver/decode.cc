#include <fmt/format.h>

#include "base/yaml.h"
#include "local/apiserver/api.h"
#include "local/apiserver/protobuf.h"
#include "local/apiserver/review.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {

namespace {

// Built-in kinds, and the few that are sent but not stored.
const Schema* ProtobufSchema(const Registry& registry, std::string_view api_version,
                             std::string_view kind) {
  size_t slash = api_version.find('/');
  std::string_view group = slash == std::string_view::npos ? "" : api_version.substr(0, slash);
  std::string_view version =
      slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  ResourcePtr resource = registry.ByKind(group, version, kind);
  if (resource && !resource->custom) return resource->schema.get();
  std::string name;
  if (kind == "DeleteOptions") {
    name = "meta.v1.DeleteOptions";
  } else if (IsReviewGroup(group) || group == "autoscaling") {
    name = std::string(group.substr(0, group.find('.'))) + ".v1." + std::string(kind);
  }
  auto it = registry.schemas.find(name);
  return it == registry.schemas.end() ? nullptr : it->second.get();
}

}  // namespace

ApiResult<Json> ParseBody(const Call& call) {
  std::string_view type = call.MediaType();
  if (type == "application/vnd.kubernetes.protobuf") {
    auto object = DecodeKubernetesProtobuf(
        call.body, [&](std::string_view api_version, std::string_view kind) {
          return ProtobufSchema(*call.registry, api_version, kind);
        });
    if (object) return std::move(*object);
    if (object.error().code() != Code::kUnimplemented) {
      return ApiUnexpected(BadRequest(object.error().message()));
    }
    type = "application/cbor";
  }
  if (type == "application/cbor") {
    return ApiUnexpected(UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"));
  }
  bool yaml = type.find("yaml") != std::string_view::npos;
  auto json = yaml ? ParseYaml(call.body) : Json::Parse(call.body);
  if (!json) {
    return ApiUnexpected(BadRequest("the request body cannot be read: " + json.error().message()));
  }
  return std::move(*json);
}

namespace {

std::string Cannot(const Resource& resource) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}: ", resource.kind,
                     resource.version, resource.kind);
}

// Dots stay; a list index becomes part of its field: what Go's decoder names is not needed exactly.
ApiStatus ReportUnknown(Call& call, const std::vector<std::string>& unknown) {
  if (unknown.empty() || call.field_validation == FieldValidation::kIgnore) return {};
  if (call.field_validation == FieldValidation::kWarn) {
    for (const std::string& path : unknown) {
      call.warnings.push_back(fmt::format("unknown field \"{}\"", path));
    }
    return {};
  }
  std::string list;
  for (const std::string& path : unknown) {
    if (!list.empty()) list += ", ";
    list += fmt::format("unknown field \"{}\"", path);
  }
  return ApiUnexpected(BadRequest(Cannot(*call.resource) + "strict decoding error: " + list));
}

}  // namespace

ApiStatus CheckDecoded(Call& call, Json& object) {
  const Resource& resource = *call.resource;
  const std::string& api_version = object["apiVersion"].AsString();
  const std::string& kind = object["kind"].AsString();
  // Client libraries may leave both out of built-in kinds.
  if (!resource.custom && api_version.empty()) object.Set("apiVersion", resource.ApiVersion());
  if (!resource.custom && kind.empty()) object.Set("kind", resource.kind);
  if (object["kind"].AsString() != resource.kind ||
      object["apiVersion"].AsString() != resource.ApiVersion()) {
    return ApiUnexpected(BadRequest(fmt::format(
        "the object provided is unrecognized (must be of type {}): apiVersion \"{}\", kind \"{}\" "
        "do not match the expected \"{}\", \"{}\"",
        resource.kind, api_version, kind, resource.ApiVersion(), resource.kind)));
  }
  if (!object.Has("metadata") || object["metadata"].IsNull()) {
    object.Set("metadata", Json::MakeObject());
  }
  std::vector<std::string> unknown;
  Prune(*resource.schema, object, &unknown);
  KINGLET_API_CHECK(ReportUnknown(call, unknown));
  if (resource.custom) {
    // Only metadata has one right shape here; the rest is validated with the schema's own words.
    auto types = CheckTypes(*resource.schema->properties.at("metadata"), object["metadata"],
                            "ObjectMeta.metadata");
    if (!types) {
      return ApiUnexpected(BadRequest(Cannot(resource) + types.error().message()));
    }
    return {};
  }
  auto types = CheckTypes(*resource.schema, object, resource.kind);
  if (!types) return ApiUnexpected(BadRequest(Cannot(resource) + types.error().message()));
  return {};
}

ApiResult<Json> DecodeObject(Call& call) {
  KINGLET_API_TRY(Json object, ParseBody(call));
  if (!object.IsObject()) {
    return ApiUnexpected(BadRequest("the request body must be an object"));
  }
  KINGLET_API_CHECK(CheckDecoded(call, object));
  return ToStorageVersion(*call.resource, std::move(object));
}

}  // namespace kinglet::local
