#include "local/apiserver/openapi.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/flags.h"

namespace kinglet::local {
namespace {

std::string Reversed(std::string_view group) {
  std::string out;
  while (!group.empty()) {
    size_t dot = group.rfind('.');
    std::string_view part = group.substr(dot == std::string_view::npos ? 0 : dot + 1);
    if (!out.empty()) out += ".";
    out += part;
    group = dot == std::string_view::npos ? "" : group.substr(0, dot);
  }
  return out;
}

std::string NameOf(const Resource& resource) {
  if (!resource.schema->name.empty()) return DefinitionName(resource.schema->name);
  return fmt::format("{}.{}.{}", Reversed(resource.group), resource.version, resource.kind);
}

Json Gvk(const Resource& resource, std::string_view kind) {
  return Json::MakeObject(
      {{"group", resource.group}, {"version", resource.version}, {"kind", kind}});
}

// Definitions of the resources' kinds, their lists and everything they refer to.
Json Definitions(const std::vector<ResourcePtr>& resources, const SchemaTable& schemas,
                 const OpenApiStyle& style) {
  Json out = Json::MakeObject();
  std::map<std::string, const Schema*> named;
  named.emplace("meta.v1.ObjectMeta", schemas.at("meta.v1.ObjectMeta").get());
  Json string = Json::MakeObject({{"type", "string"}});
  for (const ResourcePtr& resource : resources) {
    Json kind = SchemaToOpenApi(*resource->schema, style, true, &named);
    kind.Set("x-kubernetes-group-version-kind", Json::MakeArray({Gvk(*resource, resource->kind)}));
    out.Set(NameOf(*resource), std::move(kind));
    Json items = Json::MakeObject(
        {{"type", "array"},
         {"items", Json::MakeObject({{"$ref", style.ref_prefix + NameOf(*resource)}})}});
    Json meta = Json::MakeObject({{"type", "object"}});
    Json list = Json::MakeObject(
        {{"type", "object"},
         {"required", Json::MakeArray({"items"})},
         {"properties",
          Json::MakeObject(
              {{"apiVersion", string}, {"kind", string}, {"metadata", meta}, {"items", items}})}});
    list.Set("x-kubernetes-group-version-kind",
             Json::MakeArray({Gvk(*resource, resource->list_kind)}));
    out.Set(NameOf(*resource) + "List", std::move(list));
  }
  // Named types refer to further ones: until nothing new comes.
  std::map<std::string, const Schema*> done;
  while (done.size() < named.size()) {
    for (const auto& [name, schema] : std::map(named)) {
      if (!done.emplace(name, schema).second) continue;
      std::string definition = DefinitionName(name);
      if (out.Has(definition)) continue;
      out.Set(definition, SchemaToOpenApi(*schema, style, true, &named));
    }
  }
  return out;
}

struct Action {
  const char *method, *action, *verb;
};
constexpr Action kCollection[] = {{"get", "list", "list"},
                                  {"post", "post", "create"},
                                  {"delete", "deletecollection", "deleteCollection"}};
constexpr Action kObject[] = {{"get", "get", "read"},
                              {"put", "put", "replace"},
                              {"patch", "patch", "patch"},
                              {"delete", "delete", "delete"}};

std::string BasePath(const Resource& resource) {
  std::string path = resource.group.empty() ? "/api/" + resource.version
                                            : "/apis/" + resource.group + "/" + resource.version;
  if (resource.namespaced) path += "/namespaces/{namespace}";
  return path + "/" + resource.plural;
}

Json Parameter(std::string_view name, std::string_view in, bool v3) {
  Json parameter = Json::MakeObject({{"name", name}, {"in", in}});
  if (in == "path") parameter.Set("required", true);
  if (v3) {
    parameter.Set("schema", Json::MakeObject({{"type", "string"}}));
  } else {
    parameter.Set("type", "string");
  }
  return parameter;
}

// kubectl looks for the query parameters of patch (dryRun, fieldValidation) to know what the server
// can do, and for the actions to know the kinds.
Json Paths(const std::vector<ResourcePtr>& resources, const OpenApiStyle& style) {
  Json paths = Json::MakeObject();
  for (const ResourcePtr& resource : resources) {
    for (bool object : {false, true}) {
      Json item = Json::MakeObject();
      auto add = [&](const Action& action) {
        Json reference =
            Json::MakeObject({{"$ref", style.ref_prefix + NameOf(*resource) +
                                           (!object && action.method[0] == 'g' ? "List" : "")}});
        Json ok = Json::MakeObject({{"description", "OK"}});
        if (style.v3) {
          ok.Set("content", Json::MakeObject(
                                {{"application/json", Json::MakeObject({{"schema", reference}})}}));
        } else {
          ok.Set("schema", reference);
        }
        Json parameters = Json::MakeArray();
        for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
          if (action.method[0] != 'g') parameters.Push(Parameter(name, "query", style.v3));
        }
        Json operation = Json::MakeObject(
            {{"operationId",
              fmt::format("{}{}{}{}", action.verb, resource->namespaced ? "Namespaced" : "",
                          resource->kind, Reversed(resource->ApiVersion()))},
             {"responses", Json::MakeObject({{"200", ok}})},
             {"parameters", std::move(parameters)},
             {"x-kubernetes-action", action.action},
             {"x-kubernetes-group-version-kind", Gvk(*resource, resource->kind)}});
        item.Set(action.method, std::move(operation));
      };
      if (object) {
        for (const Action& action : kObject) add(action);
      } else {
        for (const Action& action : kCollection) add(action);
      }
      Json shared = Json::MakeArray();
      if (object) shared.Push(Parameter("name", "path", style.v3));
      if (resource->namespaced) shared.Push(Parameter("namespace", "path", style.v3));
      item.Set("parameters", std::move(shared));
      paths.Set(BasePath(*resource) + (object ? "/{name}" : ""), std::move(item));
    }
  }
  return paths;
}

Json Info() {
  return Json::MakeObject(
      {{"title", "Kinglet"}, {"version", fmt::format("v1.33.0+kinglet-{}", VersionNumber())}});
}

std::string V3Path(const Resource& resource) {
  return resource.group.empty() ? "api/" + resource.version
                                : "apis/" + resource.group + "/" + resource.version;
}

}  // namespace

Json OpenApiV2(const Registry& registry) {
  OpenApiStyle style{.ref_prefix = "#/definitions/", .v3 = false};
  return Json::MakeObject(
      {{"swagger", "2.0"},
       {"info", Info()},
       {"paths", Paths(registry.resources, style)},
       {"definitions", Definitions(registry.resources, registry.schemas, style)}});
}

Json OpenApiV3Index(const Registry& registry) {
  Json paths = Json::MakeObject();
  for (const ResourcePtr& resource : registry.resources) {
    std::string path = V3Path(*resource);
    if (paths.Has(path)) continue;
    // Clients cache by the hash; it changes with what the group has.
    std::string text;
    for (const ResourcePtr& other : registry.resources) {
      if (V3Path(*other) != path) continue;
      std::map<std::string, const Schema*> named;
      text += other->plural;
      text += SchemaToOpenApi(*other->schema, {"#", true}, true, &named).Dump();
    }
    std::string hash = HexEncode(Sha256(text)).substr(0, 32);
    paths.Set(path, Json::MakeObject({{"serverRelativeURL",
                                       fmt::format("/openapi/v3/{}?hash={}", path, hash)}}));
  }
  return Json::MakeObject({{"paths", std::move(paths)}});
}

Json OpenApiV3(const Registry& registry, std::string_view group, std::string_view version) {
  std::vector<ResourcePtr> resources;
  for (const ResourcePtr& resource : registry.resources) {
    if (resource->group == group && resource->version == version) resources.push_back(resource);
  }
  if (resources.empty()) return Json();
  OpenApiStyle style{.ref_prefix = "#/components/schemas/", .v3 = true};
  return Json::MakeObject(
      {{"openapi", "3.0.0"},
       {"info", Info()},
       {"paths", Paths(resources, style)},
       {"components",
        Json::MakeObject({{"schemas", Definitions(resources, registry.schemas, style)}})}});
}

}  // namespace kinglet::local
