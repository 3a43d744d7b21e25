#include "kube/fake_client.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "base/encoding.h"
#include "kube/fake_selection.h"
#include "kube/json_patch.h"
#include "kube/merge_patch.h"
#include "kube/strategic_merge.h"

namespace kinglet::kube {
namespace {

using Collection = std::map<ObjectKey, Json>;

Unexpected NotFound(const ResourceType& type, std::string_view name) {
  return Fail(Code::kNotFound, "{} \"{}\" not found", type.GroupResource(), name);
}

Json WithoutStatus(Json object) {
  if (object.IsObject()) object.Erase("status");
  return object;
}

// What metadata.generation counts.
bool SpecDiffers(const Json& a, const Json& b) {
  Json x = WithoutStatus(a), y = WithoutStatus(b);
  x.Erase("metadata");
  y.Erase("metadata");
  return !(x == y);
}

}  // namespace

struct FakeClient::State {
  explicit State(Options options) : options(options) {
    for (const ResourceType* type : KnownResources()) served.push_back(*type);
  }

  const Options options;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<ResourceType> served;
  std::map<std::string, Collection> objects;  // by group resource
  std::deque<Change> history;
  uint64_t version = 0;
  uint64_t oldest = 0;  // changes up to here are forgotten
  uint64_t breaks = 0;
  std::function<Status(const Call&)> hook;
  std::vector<Call> calls;
  std::map<std::string, std::string> logs;

  const Clock& clock() const { return options.clock ? *options.clock : Clock::System(); }

  Status Begin(Call call) {
    std::function<Status(const Call&)> run;
    {
      std::lock_guard lock(mutex);
      calls.push_back(call);
      run = hook;
      bool known = std::any_of(served.begin(), served.end(), [&](const ResourceType& type) {
        return type.group == call.type.group && type.version == call.type.version &&
               type.plural == call.type.plural;
      });
      if (!known) {
        return Fail(Code::kNotFound, "the server could not find the requested resource");
      }
    }
    return run ? run(call) : Status();
  }

  void Record(const ResourceType& type, WatchEvent::Type kind, Json object, Json before) {
    history.push_back({version, type.GroupResource(), kind, std::move(object), std::move(before)});
    while (history.size() > options.history) {
      oldest = history.front().version;
      history.pop_front();
    }
    changed.notify_all();
  }

  Json Stamp(Json object) {
    object.Ref("metadata").Set("resourceVersion", std::to_string(++version));
    return object;
  }

  Result<Json> Insert(const ResourceType& type, Json object, bool dry_run) {
    Json& metadata = object.Ref("metadata");
    if (!type.namespaced) metadata.Erase("namespace");
    if (type.namespaced && Namespace(object).empty()) {
      return Fail(Code::kInvalidArgument, "{}: a namespace is required", type.GroupResource());
    }
    if (Name(object).empty()) {
      std::string prefix = metadata["generateName"].AsString();
      if (prefix.empty()) {
        return Fail(
            Code::kFailedPrecondition,
            "{} is invalid: metadata.name: Required value: name or generateName is required",
            type.kind);
      }
      metadata.Set("name", prefix + RandomSuffix(5));
    }
    Collection& all = objects[type.GroupResource()];
    if (all.contains(KeyOf(object))) {
      return Fail(Code::kAlreadyExists, "{} \"{}\" already exists", type.GroupResource(),
                  Name(object));
    }
    if (options.status_subresource) object.Erase("status");
    object.Set("apiVersion", type.ApiVersion());
    object.Set("kind", type.kind);
    Json& meta = object.Ref("metadata");
    meta.Set("uid", RandomUuid());
    meta.Set("creationTimestamp", FormatRfc3339(clock().Wall()));
    meta.Set("generation", 1);
    meta.Erase("deletionTimestamp");
    if (dry_run) return object;
    object = Stamp(std::move(object));
    all[KeyOf(object)] = object;
    Record(type, WatchEvent::Type::kAdded, object, Json());
    return object;
  }

  Result<Json> Replace(const ResourceType& type, Json object, const WriteOptions& write) {
    Collection& all = objects[type.GroupResource()];
    ObjectKey key = KeyOf(object);
    if (!type.namespaced) key.ns.clear();
    auto it = all.find(key);
    if (it == all.end()) return NotFound(type, key.name);
    const Json before = it->second;
    if (!ResourceVersion(object).empty() && ResourceVersion(object) != ResourceVersion(before)) {
      return Fail(
          Code::kAborted,
          "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please "
          "apply your changes to the latest version and try again",
          type.GroupResource(), key.name);
    }
    if (!Uid(object).empty() && Uid(object) != Uid(before)) {
      return Fail(Code::kAborted,
                  "Precondition failed: UID in precondition: {}, UID in object "
                  "meta: {}",
                  Uid(object), Uid(before));
    }
    Json next = object;
    if (write.subresource == "status") {
      next = before;
      next.Set("status", object["status"]);
    } else if (options.status_subresource) {
      next.Erase("status");
      if (before.Has("status")) next.Set("status", before["status"]);
    }
    next.Set("apiVersion", before["apiVersion"]);
    next.Set("kind", before["kind"]);
    Json& meta = next.Ref("metadata");
    for (std::string_view field : {"uid", "creationTimestamp", "generation", "deletionTimestamp",
                                   "deletionGracePeriodSeconds", "resourceVersion"}) {
      meta.Erase(field);
      if (before["metadata"].Has(field)) meta.Set(field, before["metadata"][field]);
    }
    if (next == before) return next;
    if (SpecDiffers(next, before)) meta.Set("generation", Generation(before) + 1);
    if (write.dry_run) return next;
    next = Stamp(std::move(next));
    if (IsDeleting(next) && next["metadata"]["finalizers"].empty()) {
      Remove(type, key);
      return next;
    }
    it->second = next;
    Record(type, WatchEvent::Type::kModified, next, before);
    return next;
  }

  void Remove(const ResourceType& type, const ObjectKey& key) {
    Collection& all = objects[type.GroupResource()];
    auto it = all.find(key);
    Json before = std::move(it->second);
    all.erase(it);
    Record(type, WatchEvent::Type::kDeleted, Stamp(before), before);
    if (options.garbage_collection) CollectOrphansOf(Uid(before));
  }

  void CollectOrphansOf(const std::string& uid) {
    for (const ResourceType& type : std::vector<ResourceType>(served)) {
      std::vector<ObjectKey> orphans;
      for (const auto& [key, object] : objects[type.GroupResource()]) {
        if (IsOwnedBy(object, uid)) orphans.push_back(key);
      }
      for (const ObjectKey& key : orphans) {
        // One orphan's removal may have taken another with it.
        if (objects[type.GroupResource()].contains(key)) Delete(type, key);
      }
    }
  }

  void Delete(const ResourceType& type, const ObjectKey& key) {
    Json& object = objects[type.GroupResource()].at(key);
    if (object["metadata"]["finalizers"].empty()) {
      Remove(type, key);
      return;
    }
    if (IsDeleting(object)) return;
    Json before = object;
    object.Ref("metadata").Set("deletionTimestamp", FormatRfc3339(clock().Wall()));
    object.Ref("metadata").Set("deletionGracePeriodSeconds", 0);
    object.Ref("metadata").Set("generation", Generation(object) + 1);
    object = Stamp(std::move(object));
    Record(type, WatchEvent::Type::kModified, object, before);
  }
};

FakeClient::FakeClient() : FakeClient(Options()) {}
FakeClient::FakeClient(Options options) : state_(std::make_unique<State>(options)) {}
FakeClient::~FakeClient() = default;

Result<Json> FakeClient::Get(const ResourceType& type, const ObjectKey& key,
                             const GetOptions& options) {
  KINGLET_RETURN_IF_ERROR(state_->Begin({"get", type, key, options.subresource}));
  std::lock_guard lock(state_->mutex);
  const Collection& all = state_->objects[type.GroupResource()];
  auto it = all.find(type.namespaced ? key : ObjectKey{"", key.name});
  if (it == all.end()) return NotFound(type, key.name);
  return it->second;
}

Result<Json> FakeClient::List(const ResourceType& type, std::string_view ns,
                              const ListOptions& options) {
  KINGLET_RETURN_IF_ERROR(state_->Begin({"list", type, {std::string(ns), ""}}));
  KINGLET_TRY(Selection selection,
              MakeSelection(type, ns, options.label_selector, options.field_selector));
  std::lock_guard lock(state_->mutex);
  ObjectKey after;
  uint64_t version = state_->version;
  if (!options.continue_token.empty()) {
    // "<version>|<last key>"
    size_t bar = options.continue_token.find('|');
    version = std::strtoull(options.continue_token.c_str(), nullptr, 10);
    if (version < state_->oldest || bar == std::string::npos) {
      return Fail(Code::kOutOfRange, "The provided continue parameter is too old");
    }
    KINGLET_TRY(after, ObjectKey::Parse(std::string_view(options.continue_token).substr(bar + 1)));
  }
  Json items = Json::MakeArray();
  Json metadata = Json::MakeObject({{"resourceVersion", std::to_string(version)}});
  const Collection& all = state_->objects[type.GroupResource()];
  auto limit = options.limit > 0 ? static_cast<size_t>(options.limit) : SIZE_MAX;
  for (auto it = all.upper_bound(after); it != all.end(); ++it) {
    if (!selection.Has(it->second)) continue;
    if (items.size() == limit) {
      metadata.Set("continue", fmt::format("{}|{}", version, KeyOf(items[limit - 1]).ToString()));
      break;
    }
    Json item = it->second;
    if (options.metadata_only) {
      item = Json::MakeObject({{"apiVersion", item["apiVersion"]},
                               {"kind", item["kind"]},
                               {"metadata", item["metadata"]}});
    }
    items.Push(std::move(item));
  }
  return Json::MakeObject({{"apiVersion", type.ApiVersion()},
                           {"kind", type.kind + "List"},
                           {"metadata", std::move(metadata)},
                           {"items", std::move(items)}});
}

Result<Json> FakeClient::Create(const ResourceType& type, const Json& object,
                                const WriteOptions& options) {
  KINGLET_RETURN_IF_ERROR(
      state_->Begin({"create", type, KeyOf(object), options.subresource, options.dry_run}));
  std::lock_guard lock(state_->mutex);
  return state_->Insert(type, object, options.dry_run);
}

Result<Json> FakeClient::Update(const ResourceType& type, const Json& object,
                                const WriteOptions& options) {
  KINGLET_RETURN_IF_ERROR(
      state_->Begin({"update", type, KeyOf(object), options.subresource, options.dry_run}));
  std::lock_guard lock(state_->mutex);
  return state_->Replace(type, object, options);
}

Result<Json> FakeClient::Patch(const ResourceType& type, const ObjectKey& key, PatchType patch_type,
                               const Json& patch, const WriteOptions& options) {
  KINGLET_RETURN_IF_ERROR(
      state_->Begin({"patch", type, key, options.subresource, options.dry_run}));
  std::lock_guard lock(state_->mutex);
  Collection& all = state_->objects[type.GroupResource()];
  auto it = all.find(type.namespaced ? key : ObjectKey{"", key.name});
  if (it == all.end()) {
    if (patch_type != PatchType::kApply) return NotFound(type, key.name);
    return state_->Insert(type, patch, options.dry_run);
  }
  Json patched = it->second;
  bool strategic = patch_type == PatchType::kStrategic ||
                   (patch_type == PatchType::kApply && SupportsStrategicMerge(type.group));
  if (patch_type == PatchType::kJson) {
    KINGLET_TRY(patched, ApplyJsonPatch(std::move(patched), patch));
  } else if (strategic) {
    if (!SupportsStrategicMerge(type.group)) {
      return Fail(
          Code::kUnimplemented,
          "the body of the request was in an unknown format - accepted media types include: "
          "application/json-patch+json, application/merge-patch+json, "
          "application/apply-patch+yaml");
    }
    KINGLET_TRY(patched, ApplyStrategicMergePatch(std::move(patched), patch));
  } else {
    patched = ApplyMergePatch(std::move(patched), patch);
  }
  return state_->Replace(type, std::move(patched), options);
}

Status FakeClient::Delete(const ResourceType& type, const ObjectKey& key,
                          const DeleteOptions& options) {
  KINGLET_RETURN_IF_ERROR(state_->Begin({"delete", type, key, "", options.dry_run}));
  std::lock_guard lock(state_->mutex);
  ObjectKey at = type.namespaced ? key : ObjectKey{"", key.name};
  const Collection& all = state_->objects[type.GroupResource()];
  auto it = all.find(at);
  if (it == all.end()) return NotFound(type, key.name);
  if ((!options.uid.empty() && options.uid != Uid(it->second)) ||
      (!options.resource_version.empty() &&
       options.resource_version != ResourceVersion(it->second))) {
    return Fail(Code::kAborted, "Operation cannot be fulfilled on {} \"{}\": Precondition failed",
                type.GroupResource(), key.name);
  }
  if (!options.dry_run) state_->Delete(type, at);
  return {};
}

Status FakeClient::DeleteCollection(const ResourceType& type, std::string_view ns,
                                    const ListOptions& which, const DeleteOptions& options) {
  KINGLET_RETURN_IF_ERROR(
      state_->Begin({"deletecollection", type, {std::string(ns), ""}, "", options.dry_run}));
  KINGLET_TRY(Selection selection,
              MakeSelection(type, ns, which.label_selector, which.field_selector));
  std::lock_guard lock(state_->mutex);
  std::vector<ObjectKey> keys;
  for (const auto& [key, object] : state_->objects[type.GroupResource()]) {
    if (selection.Has(object)) keys.push_back(key);
  }
  if (options.dry_run) return {};
  for (const ObjectKey& key : keys) {
    if (state_->objects[type.GroupResource()].contains(key)) state_->Delete(type, key);
  }
  return {};
}

Status FakeClient::Watch(const ResourceType& type, std::string_view ns, const WatchOptions& options,
                         const std::function<Status(WatchEvent)>& on_event, std::stop_token stop) {
  KINGLET_RETURN_IF_ERROR(state_->Begin({"watch", type, {std::string(ns), ""}}));
  KINGLET_TRY(Selection selection,
              MakeSelection(type, ns, options.label_selector, options.field_selector));
  Deadline end =
      options.timeout > Duration::zero() ? Deadline::After(options.timeout) : Deadline::Never();
  std::unique_lock lock(state_->mutex);
  uint64_t breaks = state_->breaks;
  uint64_t from = std::strtoull(options.resource_version.c_str(), nullptr, 10);
  std::vector<WatchEvent> batch;
  if (from == 0) {
    for (const auto& [key, object] : state_->objects[type.GroupResource()]) {
      if (selection.Has(object)) batch.push_back({WatchEvent::Type::kAdded, object});
    }
    from = state_->version;
  }
  while (true) {
    if (from < state_->oldest) {
      return Fail(Code::kOutOfRange, "too old resource version: {} ({})", from, state_->oldest);
    }
    for (const Change& change : state_->history) {
      if (change.version <= from || change.resource != type.GroupResource()) continue;
      if (auto event = Seen(change, selection)) batch.push_back(std::move(*event));
    }
    from = state_->version;
    lock.unlock();
    for (WatchEvent& event : batch) KINGLET_RETURN_IF_ERROR(on_event(std::move(event)));
    batch.clear();
    lock.lock();
    auto ready = [&] { return state_->version > from || state_->breaks != breaks; };
    auto until = std::min(end.at(), std::chrono::steady_clock::now() + std::chrono::hours(1));
    state_->changed.wait_until(lock, stop, until, ready);
    if (stop.stop_requested()) return Fail(Code::kCancelled, "the watch was stopped");
    if (end.Expired() || state_->breaks != breaks) return {};
  }
}

Status FakeClient::Logs(const ObjectKey& pod, const LogOptions& options,
                        const std::function<Status(std::string_view)>& on_bytes, std::stop_token) {
  KINGLET_RETURN_IF_ERROR(state_->Begin({"get", kPod, pod, "log"}));
  std::string text;
  {
    std::lock_guard lock(state_->mutex);
    auto it = state_->logs.find(pod.ToString() + "/" + options.container);
    if (it == state_->logs.end()) {
      return Fail(Code::kInvalidArgument, "container {} is not valid for pod {}", options.container,
                  pod.name);
    }
    text = it->second;
  }
  return on_bytes(text);
}

Result<std::string> FakeClient::Raw(const RawRequest& request) {
  std::lock_guard lock(state_->mutex);
  if (request.path == "/version") return std::string(R"({"major":"1","minor":"33"})");
  Json groups = Json::MakeArray(), resources = Json::MakeArray();
  for (const ResourceType& type : state_->served) {
    if (type.ApiPath() == request.path) {
      resources.Push(Json::MakeObject({{"name", type.plural},
                                       {"kind", type.kind},
                                       {"singularName", ""},
                                       {"namespaced", type.namespaced}}));
    }
    Json version = Json::MakeObject({{"groupVersion", type.ApiVersion()}});
    auto known = std::find_if(groups.MutableArray().begin(), groups.MutableArray().end(),
                              [&](const Json& g) { return g["name"].AsString() == type.group; });
    if (type.group.empty()) continue;
    if (known == groups.MutableArray().end()) {
      groups.Push(Json::MakeObject({{"name", type.group},
                                    {"preferredVersion", version},
                                    {"versions", Json::MakeArray({version})}}));
    } else {
      bool listed = false;
      for (const Json& other : (*known)["versions"].AsArray()) listed |= other == version;
      if (!listed) known->Ref("versions").Push(version);
    }
  }
  if (request.path == "/apis") return Json::MakeObject({{"groups", groups}}).Dump();
  if (resources.empty()) {
    return Fail(Code::kNotFound, "the server could not find the requested resource");
  }
  return Json::MakeObject({{"resources", resources}}).Dump();
}

void FakeClient::Serve(std::vector<ResourceType> types) {
  std::lock_guard lock(state_->mutex);
  state_->served = std::move(types);
  ++state_->breaks;  // those of kinds that are gone end, as when their CRD is removed
  state_->changed.notify_all();
}

void FakeClient::OnCall(std::function<Status(const Call&)> hook) {
  std::lock_guard lock(state_->mutex);
  state_->hook = std::move(hook);
}

std::vector<FakeClient::Call> FakeClient::calls() const {
  std::lock_guard lock(state_->mutex);
  return state_->calls;
}

void FakeClient::ClearCalls() {
  std::lock_guard lock(state_->mutex);
  state_->calls.clear();
}

void FakeClient::SetLogs(const ObjectKey& pod, std::string_view container, std::string text) {
  std::lock_guard lock(state_->mutex);
  state_->logs[pod.ToString() + "/" + std::string(container)] = std::move(text);
}

void FakeClient::BreakWatches() {
  std::lock_guard lock(state_->mutex);
  ++state_->breaks;
  state_->changed.notify_all();
}

void FakeClient::Compact() {
  std::lock_guard lock(state_->mutex);
  // The version moves on, as any write would move it: what was listed before is now too old.
  state_->oldest = ++state_->version;
  state_->history.clear();
}

}  // namespace kinglet::kube
