#include "local/apiserver/discovery.h"
#include "local/apiserver/review.h"

#include <fmt/format.h>

#include "base/flags.h"

namespace kinglet::local {
namespace {

Json Strings(const std::vector<std::string>& items) {
  Json out = Json::MakeArray();
  for (const std::string& item : items) out.Push(item);
  return out;
}

Json GroupJson(const std::string& group, const std::vector<std::string>& versions) {
  Json list = Json::MakeArray();
  for (const std::string& version : versions) {
    list.Push(Json::MakeObject({{"groupVersion", group + "/" + version}, {"version", version}}));
  }
  Json preferred = list[0];
  return Json::MakeObject(
      {{"name", group}, {"versions", std::move(list)}, {"preferredVersion", preferred}});
}

// The groups with the reviews, which are answered but not stored.
std::vector<std::pair<std::string, std::vector<std::string>>> AllGroups(const Registry& registry) {
  auto groups = registry.Groups();
  std::erase_if(groups, [](const auto& group) { return group.first.empty(); });
  for (std::string_view group : kReviewGroups) {
    groups.emplace_back(std::string(group), std::vector<std::string>{"v1"});
  }
  return groups;
}

Json Kind(std::string_view group, std::string_view version, std::string_view kind) {
  return Json::MakeObject({{"group", group}, {"version", version}, {"kind", kind}});
}

Json DiscoveredResource(const Resource& resource) {
  Json out =
      Json::MakeObject({{"resource", resource.plural},
                        {"responseKind", Kind(resource.group, resource.version, resource.kind)},
                        {"scope", resource.namespaced ? "Namespaced" : "Cluster"},
                        {"singularResource", resource.singular},
                        {"verbs", Strings(resource.verbs)}});
  if (!resource.short_names.empty()) out.Set("shortNames", Strings(resource.short_names));
  if (!resource.categories.empty()) out.Set("categories", Strings(resource.categories));
  Json subresources = Json::MakeArray();
  Json verbs = Json::MakeArray({"get", "patch", "update"});
  if (resource.has_status) {
    subresources.Push(
        Json::MakeObject({{"subresource", "status"},
                          {"responseKind", Kind(resource.group, resource.version, resource.kind)},
                          {"verbs", verbs}}));
  }
  if (resource.has_scale()) {
    subresources.Push(Json::MakeObject({{"subresource", "scale"},
                                        {"responseKind", Kind("autoscaling", "v1", "Scale")},
                                        {"verbs", verbs}}));
  }
  if (!resource.custom && resource.plural == "pods") {
    subresources.Push(Json::MakeObject({{"subresource", "log"},
                                        {"responseKind", Kind("", "v1", "Pod")},
                                        {"verbs", Json::MakeArray({"get"})}}));
  }
  if (!subresources.empty()) out.Set("subresources", std::move(subresources));
  return out;
}

}  // namespace

Json ApiVersions() {
  return Json::MakeObject({{"kind", "APIVersions"},
                           {"versions", Json::MakeArray({"v1"})},
                           {"serverAddressByClientCIDRs", Json::MakeArray()}});
}

Json ApiGroupList(const Registry& registry) {
  Json groups = Json::MakeArray();
  for (const auto& [group, versions] : AllGroups(registry)) groups.Push(GroupJson(group, versions));
  return Json::MakeObject(
      {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
}

Json ApiGroup(const Registry& registry, std::string_view name) {
  for (const auto& [group, versions] : AllGroups(registry)) {
    if (group != name) continue;
    Json out = GroupJson(group, versions);
    out.Set("kind", "APIGroup");
    out.Set("apiVersion", "v1");
    return out;
  }
  return Json();
}

Json ApiResourceList(const Registry& registry, std::string_view group, std::string_view version) {
  Json list = Json::MakeArray();
  for (const ResourcePtr& resource : registry.resources) {
    if (resource->group != group || resource->version != version) continue;
    Json entry = Json::MakeObject({{"name", resource->plural},
                                   {"singularName", resource->singular},
                                   {"namespaced", resource->namespaced},
                                   {"kind", resource->kind},
                                   {"verbs", Strings(resource->verbs)}});
    if (!resource->short_names.empty()) entry.Set("shortNames", Strings(resource->short_names));
    if (!resource->categories.empty()) entry.Set("categories", Strings(resource->categories));
    list.Push(std::move(entry));
    auto sub = [&](std::string_view name, std::string_view kind, Json verbs) {
      return Json::MakeObject({{"name", resource->plural + "/" + std::string(name)},
                               {"singularName", ""},
                               {"namespaced", resource->namespaced},
                               {"kind", kind},
                               {"verbs", std::move(verbs)}});
    };
    Json verbs = Json::MakeArray({"get", "patch", "update"});
    if (resource->has_status) list.Push(sub("status", resource->kind, verbs));
    if (resource->has_scale()) {
      Json scale = sub("scale", "Scale", verbs);
      scale.Set("group", "autoscaling");
      scale.Set("version", "v1");
      list.Push(std::move(scale));
    }
    if (!resource->custom && resource->plural == "pods") {
      list.Push(sub("log", "Pod", Json::MakeArray({"get"})));
    }
  }
  for (const ReviewKind& review : kReviewKinds) {
    if (group == review.group && version == "v1") {
      list.Push(Json::MakeObject({{"name", review.plural},
                                  {"singularName", ""},
                                  {"namespaced", false},
                                  {"kind", review.kind},
                                  {"verbs", Json::MakeArray({"create"})}}));
    }
  }
  if (list.empty()) return Json();
  std::string api_version =
      group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
  return Json::MakeObject({{"kind", "APIResourceList"},
                           {"apiVersion", "v1"},
                           {"groupVersion", api_version},
                           {"resources", std::move(list)}});
}

Json GroupDiscoveryList(const Registry& registry, bool core, std::string_view discovery_version) {
  Json items = Json::MakeArray();
  auto groups = core ? std::vector<std::pair<std::string, std::vector<std::string>>>{{"", {"v1"}}}
                     : AllGroups(registry);
  for (const auto& [group, versions] : groups) {
    Json version_list = Json::MakeArray();
    for (const std::string& version : versions) {
      Json resources = Json::MakeArray();
      for (const ResourcePtr& resource : registry.resources) {
        if (resource->group == group && resource->version == version) {
          resources.Push(DiscoveredResource(*resource));
        }
      }
      for (const ReviewKind& review : kReviewKinds) {
        if (group == review.group) {
          resources.Push(Json::MakeObject({{"resource", review.plural},
                                           {"responseKind", Kind(group, version, review.kind)},
                                           {"scope", "Cluster"},
                                           {"singularResource", ""},
                                           {"verbs", Json::MakeArray({"create"})}}));
        }
      }
      version_list.Push(Json::MakeObject(
          {{"version", version}, {"freshness", "Current"}, {"resources", std::move(resources)}}));
    }
    Json meta = Json::MakeObject({{"creationTimestamp", Json()}});
    if (!group.empty()) meta.Set("name", group);
    items.Push(Json::MakeObject({{"metadata", meta}, {"versions", std::move(version_list)}}));
  }
  return Json::MakeObject({{"kind", "APIGroupDiscoveryList"},
                           {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", discovery_version)},
                           {"metadata", Json::MakeObject()},
                           {"items", std::move(items)}});
}

Json VersionInfo() {
  return Json::MakeObject({{"major", "1"},
                           {"minor", "33"},
                           {"gitVersion", fmt::format("v1.33.0+kinglet-{}", VersionNumber())},
                           {"gitCommit", ""},
                           {"gitTreeState", "clean"},
                           {"buildDate", "1970-01-01T00:00:00Z"},
                           {"goVersion", ""},
                           {"compiler", "clang"},
                           {"platform", "linux/amd64"}});
}

}  // namespace kinglet::local
