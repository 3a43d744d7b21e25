// A model that is kept on nodes, of either kind: a LocalModelCache of the cluster, or a
// LocalModelNamespaceCache. And the names of what belongs to it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "api/v1alpha1/others.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/object.h"
#include "kube/resource.h"

namespace kinglet::control {

struct CachedModel {
  kube::ObjectKey key;  // without a namespace: a LocalModelCache
  api::LocalModelCacheSpec spec;

  bool OfNamespace() const { return !key.ns.empty(); }
};

// kInvalidArgument for an object that cannot be read.
Result<CachedModel> ReadCachedModel(const Json& object);

const kube::ResourceType& CacheType(const kube::ObjectKey& key);
std::string_view CacheFinalizer(const kube::ObjectKey& key);

// How LocalModelNode.status names a model: "iris", "team/iris".
std::string ModelStatusName(const kube::ObjectKey& key);
// Its folder on the nodes, beneath the root of models: "iris", "team_iris" (no name has a "_").
std::string ModelFolderName(const kube::ObjectKey& key);

// An entry of LocalModelNode.spec.localModels (`group`: its nodeGroup, empty where that is not
// said), and whose it is.
Json MakeNodeEntry(const CachedModel& model, const std::string& group);
kube::ObjectKey KeyOfNodeEntry(const Json& entry);

// The labels by which an InferenceService (or a volume that cannot be owned) names its cache; an
// empty name where there are none.
kube::ObjectKey CacheOfLabels(const Json& object);
Json CacheLabels(const kube::ObjectKey& key);

// A LocalModelNode lists the models of all namespaces, and API servers store at most 1.5 MiB: the
// entries of one namespace have at most so many bytes together.
inline constexpr size_t kMaxNamespaceBytes = 64 << 10;

// Puts the model into a LocalModelNode's spec, or takes it out; whether that changed anything. A
// model that does not fit into kMaxNamespaceBytes is not put there, or taken out: see NodeHasModel.
bool PutModelOnNode(Json& node, const CachedModel& model, const std::string& group);
bool DropModelFromNode(Json& node, const kube::ObjectKey& model);
bool NodeHasModel(const Json& node, const kube::ObjectKey& model);

}  // namespace kinglet::control
