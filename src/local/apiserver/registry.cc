#include "local/apiserver/registry.h"

#include <algorithm>

namespace kinglet::local {
namespace {

const std::vector<std::string> kAllVerbs = {"create", "delete", "deletecollection", "get",
                                            "list",   "patch",  "update",           "watch"};

struct Row {
  std::string_view group, version, plural, kind, schema;
  bool namespaced = true, status = false, generation = false;
  std::vector<std::string> short_names = {}, categories = {};
  bool scale = false;
};

std::vector<Row> Rows() {
  return {
      {"", "v1", "configmaps", "ConfigMap", "core.v1.ConfigMap", true, false, false, {"cm"}},
      {"", "v1", "endpoints", "Endpoints", "core.v1.Endpoints", true, false, false, {"ep"}},
      {"", "v1", "events", "Event", "core.v1.Event", true, false, false, {"ev"}},
      {"", "v1", "namespaces", "Namespace", "core.v1.Namespace", false, true, false, {"ns"}},
      {"", "v1", "nodes", "Node", "core.v1.Node", false, true, false, {"no"}},
      {"",
       "v1",
       "persistentvolumeclaims",
       "PersistentVolumeClaim",
       "core.v1.PersistentVolumeClaim",
       true,
       true,
       false,
       {"pvc"}},
      {"",
       "v1",
       "persistentvolumes",
       "PersistentVolume",
       "core.v1.PersistentVolume",
       false,
       true,
       false,
       {"pv"}},
      {"", "v1", "pods", "Pod", "core.v1.Pod", true, true, false, {"po"}, {"all"}},
      {"", "v1", "secrets", "Secret", "core.v1.Secret"},
      {"",
       "v1",
       "serviceaccounts",
       "ServiceAccount",
       "core.v1.ServiceAccount",
       true,
       false,
       false,
       {"sa"}},
      {"", "v1", "services", "Service", "core.v1.Service", true, true, false, {"svc"}, {"all"}},
      {"apps",
       "v1",
       "deployments",
       "Deployment",
       "apps.v1.Deployment",
       true,
       true,
       true,
       {"deploy"},
       {"all"},
       true},
      {"apps",
       "v1",
       "replicasets",
       "ReplicaSet",
       "apps.v1.ReplicaSet",
       true,
       true,
       true,
       {"rs"},
       {"all"},
       true},
      {"events.k8s.io", "v1", "events", "Event", "events.v1.Event", true, false, false, {"ev"}},
      {"autoscaling",
       "v2",
       "horizontalpodautoscalers",
       "HorizontalPodAutoscaler",
       "autoscaling.v2.HorizontalPodAutoscaler",
       true,
       true,
       false,
       {"hpa"},
       {"all"}},
      {"batch", "v1", "jobs", "Job", "batch.v1.Job", true, true, true, {}, {"all"}},
      {"networking.k8s.io",
       "v1",
       "ingresses",
       "Ingress",
       "networking.v1.Ingress",
       true,
       true,
       true,
       {"ing"}},
      {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding",
       "rbac.v1.ClusterRoleBinding", false},
      {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", "rbac.v1.ClusterRole",
       false},
      {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "rbac.v1.RoleBinding"},
      {"rbac.authorization.k8s.io", "v1", "roles", "Role", "rbac.v1.Role"},
      {"apiextensions.k8s.io",
       "v1",
       "customresourcedefinitions",
       "CustomResourceDefinition",
       "apiextensions.v1.CustomResourceDefinition",
       false,
       true,
       true,
       {"crd", "crds"},
       {"api-extensions"}},
      {"coordination.k8s.io", "v1", "leases", "Lease", "coordination.v1.Lease"},
      {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "discovery.v1.EndpointSlice"},
  };
}

std::string Singular(std::string_view kind) {
  std::string text(kind);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::vector<std::string> Strings(const Json& array) {
  std::vector<std::string> out;
  for (const Json& item : array.AsArray()) out.push_back(item.AsString());
  return out;
}

// Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then by name.
struct VersionRank {
  int stage;  // 3: GA, 2: beta, 1: alpha, 0: other
  int64_t major, minor;
  auto operator<=>(const VersionRank&) const = default;
};

VersionRank RankOf(std::string_view version) {
  size_t i = 0;
  auto number = [&] {
    int64_t value = 0;
    bool any = false;
    while (i < version.size() && version[i] >= '0' && version[i] <= '9' && value < 1'000'000) {
      value = value * 10 + (version[i++] - '0');
      any = true;
    }
    return any ? value : -1;
  };
  if (version.empty() || version[0] != 'v') return {0, 0, 0};
  i = 1;
  int64_t major = number();
  if (major < 0) return {0, 0, 0};
  if (i == version.size()) return {3, major, 0};
  for (auto [word, stage] : {std::pair{"beta", 2}, std::pair{"alpha", 1}}) {
    if (version.substr(i).starts_with(word)) {
      i += std::string_view(word).size();
      int64_t minor = number();
      if (minor >= 0 && i == version.size()) return {stage, major, minor};
    }
  }
  return {0, 0, 0};
}

}  // namespace

std::string Resource::StorageKey() const {
  // One set of events under two names.
  if (plural == "events") return "events";
  return GroupResource();
}

ResourcePtr Registry::Find(std::string_view group, std::string_view version,
                           std::string_view plural) const {
  for (const ResourcePtr& resource : resources) {
    if (resource->plural == plural && resource->version == version && resource->group == group) {
      return resource;
    }
  }
  return nullptr;
}

ResourcePtr Registry::ByStorageKey(std::string_view key) const {
  ResourcePtr found;
  for (const ResourcePtr& resource : resources) {
    if (resource->StorageKey() != key) continue;
    if (!found || resource->version == resource->storage_version) {
      if (!found || found->version != found->storage_version) found = resource;
    }
  }
  return found;
}

ResourcePtr Registry::ByKind(std::string_view group, std::string_view version,
                             std::string_view kind) const {
  for (const ResourcePtr& resource : resources) {
    if (resource->kind == kind && resource->group == group && resource->version == version) {
      return resource;
    }
  }
  return nullptr;
}

std::vector<std::pair<std::string, std::vector<std::string>>> Registry::Groups() const {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const ResourcePtr& resource : resources) {
    auto it = std::find_if(groups.begin(), groups.end(),
                           [&](const auto& g) { return g.first == resource->group; });
    if (it == groups.end()) it = groups.insert(groups.end(), {resource->group, {}});
    if (std::find(it->second.begin(), it->second.end(), resource->version) == it->second.end()) {
      it->second.push_back(resource->version);
    }
  }
  for (auto& [group, versions] : groups) {
    std::sort(versions.begin(), versions.end(),
              [](const auto& a, const auto& b) { return RankOf(b) < RankOf(a); });
  }
  return groups;
}

std::vector<ResourcePtr> BuiltinResources(const SchemaTable& schemas) {
  std::vector<ResourcePtr> out;
  for (const Row& row : Rows()) {
    auto resource = std::make_shared<Resource>();
    resource->group = row.group;
    resource->version = resource->storage_version = row.version;
    resource->plural = row.plural;
    resource->kind = row.kind;
    resource->list_kind = resource->kind + "List";
    resource->singular = Singular(row.kind);
    resource->short_names = row.short_names;
    resource->categories = row.categories;
    resource->verbs = kAllVerbs;
    resource->namespaced = row.namespaced;
    resource->has_status = row.status;
    resource->has_generation = row.generation;
    if (row.scale) {
      resource->scale_spec_path = ".spec.replicas";
      resource->scale_status_path = ".status.replicas";
      resource->scale_selector_path = ".spec.selector";
      resource->scale_selector_is_object = true;
    }
    auto schema = schemas.find(row.schema);
    KINGLET_CHECK(schema != schemas.end());
    resource->schema = schema->second;
    out.push_back(std::move(resource));
  }
  return out;
}

Result<std::vector<ResourcePtr>> ResourcesOfCrd(const Json& crd, const SchemaTable& schemas) {
  const Json& spec = crd["spec"];
  const Json& names = spec["names"];
  Resource base;
  base.group = spec["group"].AsString();
  base.plural = names["plural"].AsString();
  base.kind = names["kind"].AsString();
  base.list_kind = names["listKind"].StringOr(base.kind + "List");
  base.singular = names["singular"].StringOr(Singular(base.kind));
  base.short_names = Strings(names["shortNames"]);
  base.categories = Strings(names["categories"]);
  base.verbs = kAllVerbs;
  base.custom = true;
  base.has_generation = true;
  if (base.group.empty() || base.plural.empty() || base.kind.empty()) {
    return Fail(Code::kInvalidArgument,
                "spec.group, spec.names.plural and spec.names.kind are required");
  }
  const std::string& scope = spec["scope"].AsString();
  if (scope != "Namespaced" && scope != "Cluster") {
    return Fail(Code::kInvalidArgument, "spec.scope must be Namespaced or Cluster");
  }
  base.namespaced = scope == "Namespaced";
  for (const Json& version : spec["versions"].AsArray()) {
    if (version["storage"].AsBool()) base.storage_version = version["name"].AsString();
  }
  if (base.storage_version.empty()) {
    return Fail(Code::kInvalidArgument, "spec.versions: one version must have storage: true");
  }
  const SchemaPtr& meta = schemas.at("meta.v1.ObjectMeta");
  std::vector<ResourcePtr> out;
  for (const Json& version : spec["versions"].AsArray()) {
    if (!version["served"].AsBool()) continue;
    auto resource = std::make_shared<Resource>(base);
    resource->version = version["name"].AsString();
    auto schema = ParseCrdSchema(version.At({"schema", "openAPIV3Schema"}), meta);
    if (!schema) {
      return Unexpected(
          schema.error().WithContext("spec.versions[" + resource->version + "].schema"));
    }
    resource->schema = std::move(*schema);
    const Json& subresources = version["subresources"];
    resource->has_status = subresources.Has("status");
    if (const Json* scale = subresources.Find("scale")) {
      resource->scale_spec_path = (*scale)["specReplicasPath"].AsString();
      resource->scale_status_path = (*scale)["statusReplicasPath"].AsString();
      resource->scale_selector_path = (*scale)["labelSelectorPath"].AsString();
    }
    for (const Json& column : version["additionalPrinterColumns"].AsArray()) {
      resource->columns.push_back({column["name"].AsString(), column["type"].AsString(),
                                   column["format"].AsString(), column["description"].AsString(),
                                   column["jsonPath"].AsString(), column["priority"].AsInt()});
    }
    if (version["deprecated"].AsBool()) {
      resource->deprecation_warning = version["deprecationWarning"].StringOr(
          resource->ApiVersion() + " " + resource->kind + " is deprecated");
    }
    out.push_back(std::move(resource));
  }
  return out;
}

RegistryHolder::RegistryHolder(SchemaTable schemas)
    : schemas_(std::move(schemas)), builtin_(BuiltinResources(schemas_)) {
  Rebuild();
}

RegistryPtr RegistryHolder::Get() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void RegistryHolder::SetCrd(const std::string& name, std::vector<ResourcePtr> resources) {
  std::lock_guard lock(mutex_);
  if (resources.empty()) {
    crds_.erase(name);
  } else {
    crds_[name] = std::move(resources);
  }
  Rebuild();
}

void RegistryHolder::Rebuild() {
  auto registry = std::make_shared<Registry>();
  registry->resources = builtin_;
  registry->schemas = schemas_;
  for (const auto& [name, resources] : crds_) {
    registry->resources.insert(registry->resources.end(), resources.begin(), resources.end());
  }
  snapshot_ = std::move(registry);
}

}  // namespace kinglet::local
