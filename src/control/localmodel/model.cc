#include "control/localmodel/model.h"

#include <algorithm>
#include <set>

#include "api/constants.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kClusterFinalizer = "localmodel.kserve.io/finalizer";
constexpr std::string_view kNamespaceFinalizer = "localmodelnamespacecache.kserve.io/finalizer";

Json& EntriesOf(Json& node) {
  Json& entries = node.Ref("spec").Ref("localModels");
  if (!entries.IsArray()) entries = Json::MakeArray();
  return entries;
}

// Whether the entry and the others of its namespace are within kMaxNamespaceBytes.
bool Fits(const Json& node, const Json& entry) {
  const kube::ObjectKey key = KeyOfNodeEntry(entry);
  if (key.ns.empty()) return true;  // the administrator's
  size_t bytes = entry.Dump().size();
  for (const Json& other : node["spec"]["localModels"].AsArray()) {
    const kube::ObjectKey other_key = KeyOfNodeEntry(other);
    if (other_key.ns == key.ns && other_key != key) bytes += other.Dump().size();
  }
  return bytes <= kMaxNamespaceBytes;
}

}  // namespace

Result<CachedModel> ReadCachedModel(const Json& object) {
  KINGLET_TRY(auto spec, api::Decode<api::LocalModelCacheSpec>(object["spec"]));
  // A group that is repeated counts once; the order says which is preferred.
  std::set<std::string> seen;
  std::erase_if(spec.node_groups,
                [&](const std::string& group) { return !seen.insert(group).second; });
  return CachedModel{kube::KeyOf(object), std::move(spec)};
}

const kube::ResourceType& CacheType(const kube::ObjectKey& key) {
  return key.ns.empty() ? kube::kLocalModelCache : kube::kLocalModelNamespaceCache;
}

std::string_view CacheFinalizer(const kube::ObjectKey& key) {
  return key.ns.empty() ? kClusterFinalizer : kNamespaceFinalizer;
}

std::string ModelStatusName(const kube::ObjectKey& key) { return key.ToString(); }

std::string ModelFolderName(const kube::ObjectKey& key) {
  return key.ns.empty() ? key.name : fmt::format("{}_{}", key.ns, key.name);
}

Json MakeNodeEntry(const CachedModel& model, const std::string& group) {
  return api::Encode(api::LocalModelInfo{.source_model_uri = model.spec.source_model_uri,
                                         .model_name = model.key.name,
                                         .ns = model.key.ns,
                                         .node_group = group,
                                         .service_account_name = model.spec.service_account_name,
                                         .storage = model.spec.storage});
}

kube::ObjectKey KeyOfNodeEntry(const Json& entry) {
  return {.ns = entry["namespace"].AsString(), .name = entry["modelName"].AsString()};
}

kube::ObjectKey CacheOfLabels(const Json& object) {
  return {.ns = kube::Label(object, api::label::kLocalModelNamespace),
          .name = kube::Label(object, api::label::kLocalModel)};
}

Json CacheLabels(const kube::ObjectKey& key) {
  Json labels = Json::MakeObject({{api::label::kLocalModel, key.name}});
  if (!key.ns.empty()) labels.Set(api::label::kLocalModelNamespace, key.ns);
  return labels;
}

bool PutModelOnNode(Json& node, const CachedModel& model, const std::string& group) {
  const Json wish = MakeNodeEntry(model, group);
  if (!Fits(node, wish)) return DropModelFromNode(node, model.key);
  for (Json& entry : EntriesOf(node).MutableArray()) {
    if (KeyOfNodeEntry(entry) != model.key) continue;
    bool changed = false;
    for (const auto& [name, value] : wish.AsObject()) {
      if (entry[name] == value) continue;
      entry.Set(name, value);
      changed = true;
    }
    for (std::string_view name : {"serviceAccountName", "storage"}) {
      if (!entry.Has(name) || wish.Has(name)) continue;
      entry.Erase(name);
      changed = true;
    }
    return changed;
  }
  EntriesOf(node).Push(wish);
  return true;
}

bool DropModelFromNode(Json& node, const kube::ObjectKey& model) {
  auto& entries = EntriesOf(node).MutableArray();
  return std::erase_if(entries, [&](const Json& entry) { return KeyOfNodeEntry(entry) == model; }) >
         0;
}

bool NodeHasModel(const Json& node, const kube::ObjectKey& model) {
  return std::ranges::any_of(node["spec"]["localModels"].AsArray(),
                             [&](const Json& entry) { return KeyOfNodeEntry(entry) == model; });
}

}  // namespace kinglet::control
