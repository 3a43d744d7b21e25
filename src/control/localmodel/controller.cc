#include "control/localmodel/controller.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "api/constants.h"
#include "base/log.h"
#include "control/lazy_watches.h"
#include "control/localmodel/cache_volumes.h"
#include "control/localmodel/model.h"
#include "control/localmodel/node_group.h"
#include "control/localmodel/status.h"
#include "control/localmodel/volumes.h"
#include "control/watched_config.h"
#include "kube/apply.h"
#include "kube/controller.h"
#include "kube/events.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

constexpr std::string_view kEventSource = "LocalModelController";
constexpr std::string_view kByCache = "cache";
constexpr Duration kReplacementPause = std::chrono::seconds(2);

kube::InformerOptions Whole() { return {.transform = kube::DropManagedFields}; }

kube::InformerOptions LabelsOfUsers() {
  return {.label_selector = std::string(api::label::kLocalModel), .metadata_only = true};
}

// The cache that an InferenceService or an LLMInferenceService uses. Those of a namespace are for
// its own services only, whatever labels others give themselves.
ObjectKey CacheOfService(const Json& service) {
  ObjectKey cache = CacheOfLabels(service);
  if (!cache.ns.empty() && cache.ns != kube::Namespace(service)) return {};
  return cache;
}

template <class F>
kube::Informer::IndexFunction IndexByCache(F cache_of) {
  return [cache_of](const Json& object) -> std::vector<std::string> {
    const ObjectKey cache = cache_of(object);
    if (cache.name.empty()) return {};
    return {cache.ToString()};
  };
}

std::map<ObjectKey, Json> EntriesByModel(const Json& node) {
  std::map<ObjectKey, Json> out;
  for (const Json& entry : node["spec"]["localModels"].AsArray()) {
    const ObjectKey model = KeyOfNodeEntry(entry);
    const Json& state = node["status"]["modelStatus"][ModelStatusName(model)];
    out.emplace(model, Json::MakeArray({entry, state}));
  }
  return out;
}

}  // namespace

struct LocalModelController::Impl {
  Impl(kube::Client& api_client, Options given)
      : client(api_client),
        options(std::move(given)),
        clock(options.clock ? *options.clock : Clock::System()),
        caches(client, kube::kLocalModelCache, Whole(), clock),
        namespace_caches(client, kube::kLocalModelNamespaceCache, Whole(), clock),
        groups(client, kube::kLocalModelNodeGroup, Whole(), clock),
        nodes(client, kube::kNode, {.transform = KeepNodeFacts}, clock),
        node_models(client, kube::kLocalModelNode, Whole(), clock),
        services(client, kube::kInferenceService, LabelsOfUsers(), clock),
        llm_services(client, kube::kLlmInferenceService, LabelsOfUsers(), clock),
        volumes(client, kube::kPersistentVolume, {.transform = KeepVolumeFacts}, clock),
        claims(client, kube::kPersistentVolumeClaim, {.metadata_only = true}, clock),
        config(client, options.config_namespace, clock),
        events(kube::MakeEventRecorder(client, std::string(kEventSource), clock)),
        cache_volumes(client, volumes, claims, *events),
        controller({.name = "localmodel",
                    .workers = options.workers,
                    .metrics = options.metrics,
                    .clock = options.clock},
                   [this](const ObjectKey& key, std::stop_token) { return Reconcile(key); }) {
    for (auto* informer : {&services, &llm_services}) {
      informer->AddIndex(std::string(kByCache), IndexByCache(CacheOfService));
      controller.WatchOptional(
          *informer, Named(CacheOfService), [](const Json* before, const Json* after) {
            return !before || !after || kube::Labels(*before) != kube::Labels(*after) ||
                   kube::Annotations(*before) != kube::Annotations(*after);
          });
    }
    volumes.AddIndex(std::string(kByCache), IndexByCache(CacheOfVolume));
    claims.AddIndex(std::string(kByCache), IndexByCache(CacheOfVolume));
    controller.Watch(caches);
    controller.Watch(namespace_caches);
    controller.WatchOptional(groups, [this](const Json& group) {
      return Caches([&](const CachedModel& model) {
        return std::ranges::find(model.spec.node_groups, kube::Name(group)) !=
               model.spec.node_groups.end();
      });
    });
    controller.WatchOptional(
        nodes, [this](const Json&) { return Caches([](const auto&) { return true; }); },
        [](const Json* before, const Json* after) {
          return !before || !after || kube::Labels(*before) != kube::Labels(*after) ||
                 (*before)["status"] != (*after)["status"];
        });
    auto gone = [](const Json*, const Json* after) { return !after; };
    controller.WatchOptional(volumes, Named(CacheOfVolume), gone);
    controller.WatchOptional(claims, Named(CacheOfVolume), gone);
    controller.WatchPaced(config.informer(),
                          [this](const Json&) { return Caches([](const auto&) { return true; }); });
    // One report of an agent concerns one model, seldom all of its node.
    node_models.AddHandler(
        {.on_update = [this](const auto& before, const auto& after) { Compare(*before, *after); },
         .on_delete = [this](const auto& before) { Compare(*before, Json()); }});
  }

  template <class F>
  static kube::Controller::MapFunction Named(F cache_of) {
    return [cache_of](const Json& object) -> std::vector<ObjectKey> {
      const ObjectKey cache = cache_of(object);
      if (cache.name.empty()) return {};
      return {cache};
    };
  }

  std::vector<ObjectKey> Caches(const std::function<bool(const CachedModel&)>& wanted) {
    std::vector<ObjectKey> keys;
    for (auto* informer : {&caches, &namespace_caches}) {
      for (const auto& object : informer->List()) {
        auto model = ReadCachedModel(*object);
        if (model && wanted(*model)) keys.push_back(model->key);
      }
    }
    return keys;
  }

  static std::vector<Json> UsersIn(kube::Informer& informer, const ObjectKey& cache) {
    std::vector<Json> out;
    for (const auto& service : informer.ByIndex(kByCache, cache.ToString())) {
      out.push_back(*service);
    }
    return out;
  }

  void Compare(const Json& before, const Json& after) {
    const auto was = EntriesByModel(before), is = EntriesByModel(after);
    for (const auto& [model, entry] : was) {
      auto same = is.find(model);
      if (same == is.end() || same->second != entry) controller.Enqueue(model);
    }
  }

  Result<ReconcileResult> Reconcile(const ObjectKey& key);
  Result<ReconcileResult> Delete(const Json& object);
  // The model is on the LocalModelNodes of all ready nodes of its groups, and on no other.
  Status AssignNodes(const CachedModel& model, bool say_group,
                     std::map<std::string, NodeCopy>& copies);
  void SayWhereNobodyIs(const Json& cache, const std::vector<Json>& model_groups);
  kube::ObjectPtr GroupOf(const CachedModel& model, const Json& node);
  Json FirstList(const Json& node, bool say_group);
  Status PutOnNode(const CachedModel& model, const Json& node, const std::string& group);
  Status DropFromNode(const ObjectKey& model, const std::string& node);
  Status DropUnusedVolumes(const CachedModel& model, const GroupsByNamespace& used,
                           const std::string& job_namespace);
  std::vector<Result<VolumeAndClaim>> ServingVolumes(const Json& cache, const CachedModel& model,
                                                     const std::vector<Json>& model_groups,
                                                     const GroupsByNamespace& used) const;
  Json AsHere(const Json& group) const {
    return options.volume_path.empty() ? group : WithVolumesAt(group, options.volume_path);
  }
  Status WriteStatus(const Json& before, const Json& object);

  kube::Client& client;
  const Options options;
  const Clock& clock;
  kube::Informer caches, namespace_caches, groups, nodes, node_models, services, llm_services,
      volumes, claims;
  WatchedConfig config;
  LazyWatches neighbours;
  std::unique_ptr<kube::EventRecorder> events;
  CacheVolumes cache_volumes;
  kube::Controller controller;  // last: its threads use what is above
};

Result<ReconcileResult> LocalModelController::Impl::Reconcile(const ObjectKey& key) {
  kube::ObjectPtr seen = (key.ns.empty() ? caches : namespace_caches).Get(key);
  if (!seen) return ReconcileResult::Done();
  for (auto* informer : {&config.informer(), &groups, &nodes, &node_models, &volumes, &claims}) {
    KINGLET_RETURN_IF_ERROR(neighbours.Need(*informer));
  }
  if (kube::IsDeleting(*seen)) return Delete(*seen);
  auto now = config.Read();
  if (!now->local_model) return Unexpected(now->local_model.error());
  const api::LocalModelConfig& settings = *now->local_model;
  auto model = ReadCachedModel(*seen);
  if (!model) {
    events->Warning(*seen, "InternalError", model.error().message());
    return ReconcileResult::Terminal(model.error().WithContext("cannot read the cache"));
  }
  std::vector<Json> model_groups;
  for (const auto& name : model->spec.node_groups) {
    kube::ObjectPtr group = groups.Get({.ns = "", .name = name});
    if (!group) {
      events->Warning(*seen, "NodeGroupNotFound",
                      fmt::format("LocalModelNodeGroup {} does not exist", name));
      return Fail(Code::kNotFound, "LocalModelNodeGroup {} does not exist", name);
    }
    model_groups.push_back(*group);
  }
  KINGLET_TRY(Json object,
              kube::EnsureFinalizer(client, CacheType(key), *seen, CacheFinalizer(key)));

  // What fails does not keep the rest from being done.
  Status outcome;
  auto note = [&](Status status) {
    if (!status && outcome) outcome = std::move(status);
  };
  Json changed = object;
  std::map<std::string, NodeCopy> copies;
  // As the releases do that have namespace caches.
  const bool say_group = now->latest || !namespace_caches.List().empty();
  Status assigned = AssignNodes(*model, say_group, copies);
  if (!assigned && assigned.error().code() == Code::kResourceExhausted) {
    events->Warning(object, "NotAssigned", assigned.error().message());
  }
  note(std::move(assigned));
  SayWhereNobodyIs(object, model_groups);
  SetCopies(changed, copies);
  std::vector<Json> users;
  if (!settings.disable_volume_management) {
    KINGLET_RETURN_IF_ERROR(neighbours.Need(services));
    // Of another operator: a cluster need not have the kind.
    KINGLET_RETURN_IF_ERROR(neighbours.Need(llm_services));
    users = UsersIn(services, key);
    std::vector<Json> llm_users = UsersIn(llm_services, key);
    SetUsers(changed, users, llm_users);
    std::ranges::move(llm_users, std::back_inserter(users));
  }
  note(WriteStatus(object, changed));
  bool all_made = true;
  auto make = [&](const VolumeAndClaim& desired) {
    auto made = cache_volumes.Make(object, *model, desired);
    if (!made) note(Unexpected(made.error()));
    all_made = all_made && made.value_or(true);
  };
  for (const Json& group : model_groups) {
    make(MakeDownloadVolume(*model, AsHere(group), settings.job_namespace));
  }
  if (!settings.disable_volume_management) {
    const auto used = GroupsInUse(*model, users);
    note(DropUnusedVolumes(*model, used, settings.job_namespace));
    for (const auto& desired : ServingVolumes(changed, *model, model_groups, used)) {
      if (desired) {
        make(*desired);
      } else {
        events->Warning(object, "VolumeNotCreated", desired.error().message());
        note(Unexpected(desired.error()));
      }
    }
  }
  if (!outcome) return Unexpected(outcome.error());
  // Volumes that name no cache wake nobody when they are gone.
  return all_made ? ReconcileResult::Done() : ReconcileResult::After(kReplacementPause);
}

Result<ReconcileResult> LocalModelController::Impl::Delete(const Json& object) {
  const ObjectKey key = kube::KeyOf(object);
  if (!kube::HasFinalizer(object, CacheFinalizer(key))) return ReconcileResult::Done();
  for (const auto& node : node_models.List()) {
    if (NodeHasModel(*node, key)) KINGLET_RETURN_IF_ERROR(DropFromNode(key, kube::Name(*node)));
  }
  if (!key.ns.empty()) {
    // Owners do not reach across namespaces: nobody else collects these.
    for (auto* informer : {&claims, &volumes}) {
      for (const auto& volume : informer->KeysByIndex(kByCache, key.ToString())) {
        KINGLET_RETURN_IF_ERROR(cache_volumes.Delete(*informer, volume));
      }
    }
  }
  auto dropped = kube::DropFinalizer(client, CacheType(key), object, CacheFinalizer(key));
  if (!dropped && dropped.error().code() != Code::kNotFound) return Unexpected(dropped.error());
  LogInfo("a cached model is given up", {{"model", key.ToString()}});
  return ReconcileResult::Done();
}

Status LocalModelController::Impl::AssignNodes(const CachedModel& model, bool say_group,
                                               std::map<std::string, NodeCopy>& copies) {
  Status outcome;
  auto note = [&](Status status) {
    if (!status && outcome) outcome = std::move(status);
  };
  for (const auto& node : nodes.List()) {
    kube::ObjectPtr group = GroupOf(model, *node);
    if (!group) continue;
    NodeCopy& copy = copies[kube::Name(*node)];
    copy.ready = IsNodeReady(*node);
    if (!copy.ready) continue;
    if (auto known = node_models.Get({.ns = "", .name = kube::Name(*node)})) {
      copy.state = (*known)["status"]["modelStatus"][ModelStatusName(model.key)].AsString();
    }
    note(PutOnNode(model, *node, say_group ? kube::Name(*group) : ""));
  }
  for (const auto& node : node_models.List()) {
    if (!copies.contains(kube::Name(*node)) && NodeHasModel(*node, model.key)) {
      note(DropFromNode(model.key, kube::Name(*node)));
    }
  }
  return outcome;
}

void LocalModelController::Impl::SayWhereNobodyIs(const Json& cache,
                                                  const std::vector<Json>& model_groups) {
  const auto all = nodes.List();
  for (const Json& group : model_groups) {
    if (std::ranges::any_of(all, [&](const auto& node) { return IsInNodeGroup(group, *node); })) {
      continue;
    }
    events->Warning(cache, "NodeGroupEmpty",
                    fmt::format("no node has the labels that the nodeAffinity of "
                                "LocalModelNodeGroup {} asks for",
                                kube::Name(group)));
  }
}

// The first of the model's groups that the node belongs to, or null.
kube::ObjectPtr LocalModelController::Impl::GroupOf(const CachedModel& model, const Json& node) {
  for (const auto& name : model.spec.node_groups) {
    kube::ObjectPtr group = groups.Get({.ns = "", .name = name});
    if (group && IsInNodeGroup(*group, node)) return group;
  }
  return nullptr;
}

// A LocalModelNode that is new names all models of its node from the start: the node may be one
// that comes back, whose agent removes what is not named.
Json LocalModelController::Impl::FirstList(const Json& node, bool say_group) {
  Json list = kube::MakeObjectMeta(kube::kLocalModelNode.ApiVersion(), kube::kLocalModelNode.kind,
                                   {.ns = "", .name = kube::Name(node)});
  for (auto* informer : {&caches, &namespace_caches}) {
    for (const auto& cache : informer->List()) {
      // Without the finalizer nobody would take it off again.
      const bool kept = kube::HasFinalizer(*cache, CacheFinalizer(kube::KeyOf(*cache)));
      if (!kept || kube::IsDeleting(*cache)) continue;
      auto model = ReadCachedModel(*cache);
      kube::ObjectPtr group = model ? GroupOf(*model, node) : nullptr;
      if (group) PutModelOnNode(list, *model, say_group ? kube::Name(*group) : "");
    }
  }
  return list;
}

Status LocalModelController::Impl::PutOnNode(const CachedModel& model, const Json& node,
                                             const std::string& group) {
  const ObjectKey key{.ns = "", .name = kube::Name(node)};
  kube::ObjectPtr seen = node_models.Get(key);
  Json wish = seen ? *seen : FirstList(node, !group.empty());
  const bool changed = PutModelOnNode(wish, model, group);
  auto is_there = [&](const Json& list) -> Status {
    if (NodeHasModel(list, model.key)) return {};
    return Fail(Code::kResourceExhausted,
                "the caches of namespace {} take more than {} bytes in LocalModelNode {}: delete "
                "some, or shorten sourceModelUri and storage.parameters",
                model.key.ns, kMaxNamespaceBytes, key.name);
  };
  if (!seen) {
    auto created = client.Create(kube::kLocalModelNode, wish);
    if (created) return is_there(*created);
    if (created.error().code() != Code::kAlreadyExists) return Unexpected(created.error());
  } else if (!changed) {
    return is_there(wish);
  }
  // Other models come and go on the same node at the same time.
  auto written = kube::UpdateWithRetry(client, kube::kLocalModelNode, key, [&](Json& latest) {
    return PutModelOnNode(latest, model, group);
  });
  if (!written) return Unexpected(written.error());
  return is_there(*written);
}

Status LocalModelController::Impl::DropFromNode(const ObjectKey& model, const std::string& node) {
  const ObjectKey key{.ns = "", .name = node};
  // With the node its list goes, and the download jobs that the list owns.
  if (!nodes.Get(key)) return client.DeleteIfExists(kube::kLocalModelNode, key);
  auto written = kube::UpdateWithRetry(client, kube::kLocalModelNode, key, [&](Json& latest) {
    return DropModelFromNode(latest, model);
  });
  if (!written && written.error().code() != Code::kNotFound) return Unexpected(written.error());
  return {};
}

Status LocalModelController::Impl::DropUnusedVolumes(const CachedModel& model,
                                                     const GroupsByNamespace& used,
                                                     const std::string& job_namespace) {
  Status outcome;
  auto note = [&](Status status) {
    if (!status && outcome) outcome = std::move(status);
  };
  for (const auto& claim : claims.KeysByIndex(kByCache, model.key.ToString())) {
    // The claims of downloads have no InferenceService.
    if (used.contains(claim.ns) || claim.ns == job_namespace) continue;
    const ObjectKey volume{.ns = "", .name = ServingVolumeName(claim)};
    note(cache_volumes.Delete(claims, claim));
    kube::ObjectPtr present = volumes.Get(volume);
    // Users of a namespace can label a claim as ours, with a name that makes another claim's
    // volume.
    if (present && CacheOfVolume(*present) == model.key && IsVolumeFor(*present, claim)) {
      note(cache_volumes.Delete(volumes, volume));
    }
  }
  return outcome;
}

std::vector<Result<VolumeAndClaim>> LocalModelController::Impl::ServingVolumes(
    const Json& cache, const CachedModel& model, const std::vector<Json>& model_groups,
    const GroupsByNamespace& used) const {
  std::vector<Result<VolumeAndClaim>> out;
  if (options.claim_after_download && cache["status"]["copies"]["available"].AsInt() == 0) {
    return out;
  }
  for (const auto& [ns, names] : used) {
    for (const Json& group : model_groups) {
      if (!names.contains(kube::Name(group))) continue;
      out.push_back(MakeServingVolume(model, AsHere(group), ns));
    }
  }
  return out;
}

Status LocalModelController::Impl::WriteStatus(const Json& before, const Json& object) {
  if (object["status"] == before["status"]) return {};
  auto written = kube::UpdateStatusWithRetry(client, CacheType(kube::KeyOf(object)),
                                             kube::KeyOf(object), [&](Json& latest) {
                                               if (latest["status"] == object["status"])
                                                 return false;
                                               latest.Set("status", object["status"]);
                                               return true;
                                             });
  if (!written && written.error().code() != Code::kNotFound) return Unexpected(written.error());
  return {};
}

LocalModelController::LocalModelController(kube::Client& client, Options options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}

LocalModelController::~LocalModelController() = default;

void LocalModelController::Start(std::stop_token stop) {
  impl_->neighbours.SetStop(stop);
  impl_->caches.Start(stop);
  impl_->namespace_caches.Start(stop);
  impl_->controller.Start(stop);
}

bool LocalModelController::WaitForSync(Deadline deadline, std::stop_token stop) {
  return impl_->caches.WaitForSync(deadline, stop) &&
         impl_->namespace_caches.WaitForSync(deadline, stop);
}

void LocalModelController::Join() { impl_->controller.Join(); }

bool LocalModelController::Idle() const { return impl_->controller.Idle(); }

}  // namespace kinglet::control
