#include "kube/discovery.h"

#include <algorithm>

#include "base/text.h"

namespace kinglet::kube {
namespace {

std::vector<std::string> Strings(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.AsArray()) out.push_back(item.AsString());
  return out;
}

std::vector<ApiResource> ReadResources(std::string_view api_version, const Json& list) {
  GroupVersionKind gv = MakeGvk(api_version, "");
  std::vector<ApiResource> out;
  for (const Json& item : list["resources"].AsArray()) {
    const std::string& plural = item["name"].AsString();
    if (plural.empty() || plural.find('/') != std::string::npos) continue;  // a subresource
    ApiResource resource;
    resource.type = {gv.group, gv.version, plural, item["kind"].AsString(),
                     item["namespaced"].AsBool()};
    resource.singular = item["singularName"].AsString();
    if (resource.singular.empty()) resource.singular = AsciiLower(resource.type.kind);
    resource.short_names = Strings(item["shortNames"]);
    resource.categories = Strings(item["categories"]);
    resource.verbs = Strings(item["verbs"]);
    out.push_back(std::move(resource));
  }
  return out;
}

// "isvc", "pods", "deployments.apps", "deployments.v1.apps", "InferenceService".
bool Matches(const ApiResource& resource, const std::string& name) {
  const ResourceType& type = resource.type;
  size_t dot = name.find('.');
  std::string head = name.substr(0, dot);
  if (dot != std::string::npos) {
    std::string rest = name.substr(dot + 1);
    if (rest != type.group && rest != type.version + "." + type.group) return false;
  }
  return head == type.plural || head == resource.singular || head == AsciiLower(type.kind) ||
         std::find(resource.short_names.begin(), resource.short_names.end(), head) !=
             resource.short_names.end();
}

}  // namespace

Discovery::Discovery(Client& client, const Clock& clock, Duration negative_ttl)
    : client_(client), clock_(clock), negative_ttl_(negative_ttl) {}

void Discovery::Invalidate() {
  cache_.With([](auto& cache) { cache.clear(); });
}

Result<Discovery::Entry> Discovery::GroupVersion(std::string_view api_version, bool fresh) {
  if (!fresh) {
    auto kept = cache_.With([&](auto& cache) -> std::optional<Entry> {
      auto it = cache.find(api_version);
      if (it == cache.end()) return std::nullopt;
      return it->second;
    });
    if (kept) return *kept;
  }
  GroupVersionKind gv = MakeGvk(api_version, "");
  std::string path = gv.group.empty() ? "/api/" + gv.version : "/apis/" + gv.ApiVersion();
  auto body = client_.Raw({.path = path});
  Entry entry{.asked = clock_.Now()};
  if (body) {
    KINGLET_TRY(Json list, Json::Parse(*body));
    entry.exists = true;
    entry.resources = ReadResources(api_version, list);
  } else if (body.error().code() != Code::kNotFound) {
    return Unexpected(body.error());
  }
  cache_.With([&](auto& cache) { cache.insert_or_assign(std::string(api_version), entry); });
  return entry;
}

Result<bool> Discovery::Supports(std::string_view api_version, std::string_view kind) {
  auto has = [&](const Entry& entry) {
    return std::any_of(entry.resources.begin(), entry.resources.end(),
                       [&](const ApiResource& r) { return r.type.kind == kind; });
  };
  KINGLET_TRY(Entry entry, GroupVersion(api_version, false));
  if (has(entry)) return true;
  if (clock_.Now() - entry.asked < negative_ttl_) return false;
  KINGLET_TRY(entry, GroupVersion(api_version, true));
  return has(entry);
}

Result<ResourceType> Discovery::ForKind(std::string_view api_version, std::string_view kind) {
  for (bool fresh : {false, true}) {
    KINGLET_TRY(Entry entry, GroupVersion(api_version, fresh));
    for (const ApiResource& resource : entry.resources) {
      if (resource.type.kind == kind) return resource.type;
    }
  }
  return Fail(Code::kNotFound,
              "no matches for kind \"{}\" in version \"{}\": ensure CRDs are installed first", kind,
              api_version);
}

Result<std::vector<ApiResource>> Discovery::All() {
  std::vector<std::string> versions = {"v1"};
  KINGLET_TRY(std::string body, client_.Raw({.path = "/apis"}));
  KINGLET_TRY(Json groups, Json::Parse(body));
  std::vector<std::string> others;
  for (const Json& group : groups["groups"].AsArray()) {
    std::string preferred = group["preferredVersion"]["groupVersion"].AsString();
    if (!preferred.empty()) versions.push_back(preferred);
    for (const Json& version : group["versions"].AsArray()) {
      const std::string& name = version["groupVersion"].AsString();
      if (name != preferred) others.push_back(name);
    }
  }
  versions.insert(versions.end(), others.begin(), others.end());
  std::vector<ApiResource> out;
  for (const std::string& version : versions) {
    auto entry = GroupVersion(version, true);
    if (!entry) continue;  // an aggregated API may be down
    out.insert(out.end(), entry->resources.begin(), entry->resources.end());
  }
  return out;
}

Result<ResourceType> Discovery::ForName(std::string_view name) {
  KINGLET_TRY(std::vector<ApiResource> all, All());
  std::string wanted = AsciiLower(name);
  for (const ApiResource& resource : all) {
    if (Matches(resource, wanted)) return resource.type;
  }
  return Fail(Code::kNotFound, "the server doesn't have a resource type \"{}\"", name);
}

}  // namespace kinglet::kube
