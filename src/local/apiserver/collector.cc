#include "local/apiserver/collector.h"

#include <algorithm>

#include "base/log.h"

namespace kinglet::local {
namespace {

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";
constexpr int kAttempts = 16;

bool HasFinalizer(const Json& object, std::string_view finalizer) {
  const auto& list = object.At({"metadata", "finalizers"}).AsArray();
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& f) { return f.AsString() == finalizer; });
}

bool DropFinalizer(Json& object, std::string_view finalizer) {
  Json* list = object.Ref("metadata").Find("finalizers");
  if (!list || !list->IsArray()) return false;
  size_t before = list->size();
  std::erase_if(list->MutableArray(), [&](const Json& f) { return f.AsString() == finalizer; });
  bool changed = list->size() != before;
  if (list->empty()) object.Ref("metadata").Erase("finalizers");
  return changed;
}

constexpr auto kSweepInterval = std::chrono::minutes(1);

bool Deleting(const Json& object) { return object["metadata"].Has("deletionTimestamp"); }

}  // namespace

Collector::Collector(Api& api) : api_(api) {}

Collector::~Collector() { Stop(); }

void Collector::Start() {
  if (thread_.joinable()) return;
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void Collector::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Collector::Run(std::stop_token stop) {
  auto wake = [this] {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_one();
  };
  while (!stop.stop_requested()) {
    // From the whole state: at the start, and when events were lost.
    dependents_.clear();
    alive_.clear();
    ending_.clear();
    ListResult none;
    watcher_ = api_.store().ListAndWatch("", "", &none, wake);
    std::vector<RecordPtr> all;
    for (const std::string& resource : api_.store().Resources()) {
      ListResult list = api_.store().List(resource, "");
      for (RecordPtr& record : list.records) {
        Index(*record);
        all.push_back(std::move(record));
      }
    }
    for (const RecordPtr& record : all) {
      Attempt({record->resource, record->ref});
      StoreEvent event{EventType::kModified, record, record};
      Handle(event);
    }
    while (!stop.stop_requested() && !watcher_->overflowed()) {
      auto events = watcher_->Take();
      // All of a batch is indexed before any of it is acted upon.
      for (const auto& event : events) {
        if (event->before) Unindex(*event->before);
        if (event->type == EventType::kDeleted) {
          Unindex(*event->now);
        } else {
          Index(*event->now);
        }
      }
      for (const auto& event : events) Handle(*event);
      for (const std::string& name : std::set(ending_)) EmptyNamespace(name);
      DeleteOldEvents();
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kSweepInterval, [this] { return woken_; });
      woken_ = false;
    }
  }
}

// At most once an interval, whatever wakes the thread.
void Collector::DeleteOldEvents() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepInterval;
  const WallTime oldest = Clock::System().Wall() - api_.options().limits.event_lifetime;
  for (const RecordPtr& record : api_.store().List("events", "").records) {
    const Json& last = record->object["lastTimestamp"];
    auto time =
        ParseRfc3339(last.IsString() ? last.AsString()
                                     : record->object["metadata"]["creationTimestamp"].AsString());
    if (time && *time < oldest) DeleteKey({record->resource, record->ref}, record->uid, "");
  }
}

void Collector::Index(const Record& record) {
  Key key{record.resource, record.ref};
  alive_[record.uid] = key;
  for (const Json& owner : record.object.At({"metadata", "ownerReferences"}).AsArray()) {
    dependents_[owner["uid"].AsString()].insert(key);
  }
}

void Collector::Unindex(const Record& record) {
  Key key{record.resource, record.ref};
  auto alive = alive_.find(record.uid);
  if (alive != alive_.end() && alive->second == key) alive_.erase(alive);
  for (const Json& owner : record.object.At({"metadata", "ownerReferences"}).AsArray()) {
    auto it = dependents_.find(owner["uid"].AsString());
    if (it == dependents_.end()) continue;
    it->second.erase(key);
    if (it->second.empty()) dependents_.erase(it);
  }
}

void Collector::Handle(const StoreEvent& event) {
  const Record& record = *event.now;
  if (event.type == EventType::kDeleted) {
    OwnerGone(record.uid);
    // The last dependent of an owner that waits for it.
    for (const Json& owner : record.object.At({"metadata", "ownerReferences"}).AsArray()) {
      auto it = alive_.find(owner["uid"].AsString());
      if (it == alive_.end()) continue;
      RecordPtr waiting = api_.store().Get(it->second.resource, it->second.ref);
      if (waiting && Deleting(waiting->object)) FinishForeground(*waiting);
    }
    if (record.resource == "namespaces") ending_.erase(record.ref.name);
    return;
  }
  // A dependent that comes after its owner is gone.
  if (event.type == EventType::kAdded) Attempt({record.resource, record.ref});
  if (record.resource == "namespaces" && Deleting(record.object)) ending_.insert(record.ref.name);
  if (!Deleting(record.object)) return;
  if (HasFinalizer(record.object, kOrphan)) FinishOrphan(record);
  if (HasFinalizer(record.object, kForeground)) FinishForeground(record);
}

void Collector::OwnerGone(const std::string& uid) {
  auto it = dependents_.find(uid);
  if (it == dependents_.end()) return;
  for (const Key& key : std::set(it->second)) Attempt(key);
}

bool Collector::OwnerLives(const std::string& uid) const {
  auto it = alive_.find(uid);
  if (it == alive_.end()) return false;
  RecordPtr owner = api_.store().Get(it->second.resource, it->second.ref);
  return owner && owner->uid == uid;
}

void Collector::Attempt(const Key& key) {
  RecordPtr record = api_.store().Get(key.resource, key.ref);
  if (!record) return;
  const Json& owners = record->object.At({"metadata", "ownerReferences"});
  if (owners.empty()) return;
  std::set<std::string> dead;
  for (const Json& owner : owners.AsArray()) {
    const std::string& uid = owner["uid"].AsString();
    if (!OwnerLives(uid)) dead.insert(uid);
  }
  if (dead.empty()) return;
  if (dead.size() == owners.size()) {
    DeleteKey(key, record->uid, "Background");
    return;
  }
  Edit(key, [&](Json& object) {
    Json& list = object.Path({"metadata", "ownerReferences"});
    std::erase_if(list.MutableArray(),
                  [&](const Json& owner) { return dead.contains(owner["uid"].AsString()); });
    return true;
  });
}

void Collector::FinishForeground(const Record& owner) {
  if (!HasFinalizer(owner.object, kForeground)) return;
  bool blocked = false;
  auto it = dependents_.find(owner.uid);
  if (it != dependents_.end()) {
    for (const Key& key : std::set(it->second)) {
      RecordPtr dependent = api_.store().Get(key.resource, key.ref);
      if (!dependent) continue;
      bool others = false, blocks = false;
      for (const Json& reference :
           dependent->object.At({"metadata", "ownerReferences"}).AsArray()) {
        if (reference["uid"].AsString() == owner.uid) {
          blocks = reference["blockOwnerDeletion"].AsBool();
        } else {
          others = others || OwnerLives(reference["uid"].AsString());
        }
      }
      if (others) continue;
      blocked = blocked || blocks;
      if (!Deleting(dependent->object)) DeleteKey(key, dependent->uid, "Foreground");
    }
  }
  // Deleting may have removed them at once; their events bring us back here.
  if (blocked) return;
  Edit({owner.resource, owner.ref},
       [](Json& object) { return DropFinalizer(object, kForeground); });
}

void Collector::FinishOrphan(const Record& owner) {
  auto it = dependents_.find(owner.uid);
  if (it != dependents_.end()) {
    for (const Key& key : std::set(it->second)) {
      Edit(key, [&](Json& object) {
        Json& list = object.Path({"metadata", "ownerReferences"});
        if (!list.IsArray()) return false;
        size_t before = list.size();
        std::erase_if(list.MutableArray(), [&](const Json& reference) {
          return reference["uid"].AsString() == owner.uid;
        });
        bool changed = before != list.size();
        if (list.empty()) object.Ref("metadata").Erase("ownerReferences");
        return changed;
      });
    }
  }
  Edit({owner.resource, owner.ref}, [](Json& object) { return DropFinalizer(object, kOrphan); });
}

void Collector::EmptyNamespace(const std::string& name) {
  RecordPtr space = api_.store().Get("namespaces", {"", name});
  if (!space || !Deleting(space->object)) {
    ending_.erase(name);
    return;
  }
  bool empty = true;
  for (const std::string& resource : api_.store().Resources()) {
    for (const RecordPtr& record : api_.store().List(resource, name).records) {
      if (!Deleting(record->object)) {
        DeleteKey({resource, record->ref}, record->uid, "Background");
      }
      if (api_.store().Get(resource, record->ref)) empty = false;
    }
  }
  if (!empty) return;
  if (!space->object.At({"metadata", "finalizers"}).empty()) return;
  auto gone = api_.store().Delete("namespaces", {"", name}, space->resource_version);
  if (gone) ending_.erase(name);
}

void Collector::Edit(const Key& key, const std::function<bool(Json&)>& change) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RecordPtr record = api_.store().Get(key.resource, key.ref);
    if (!record) return;
    Json object = record->object;
    if (!change(object)) return;
    const Json& meta = object["metadata"];
    bool gone = Deleting(object) && meta["finalizers"].empty() &&
                meta["deletionGracePeriodSeconds"].AsInt() == 0 && key.resource != "namespaces";
    auto written =
        gone ? api_.store().Delete(key.resource, key.ref, record->resource_version, &object)
             : api_.store().Put(key.resource, key.ref, record->resource_version, std::move(object));
    if (written) return;
    if (written.error().code() != Code::kAborted) {
      LogWarning("garbage collection cannot write", {{"resource", key.resource},
                                                     {"name", key.ref.name},
                                                     {"error", written.error().message()}});
      return;
    }
  }
}

void Collector::DeleteKey(const Key& key, std::string_view uid, std::string_view propagation) {
  ResourcePtr resource = api_.registry().Get()->ByStorageKey(key.resource);
  Resource unknown;  // of a CRD that is gone: only the key matters
  unknown.plural = key.resource;
  unknown.custom = true;
  DeleteOptions options;
  options.uid = uid;
  options.propagation = propagation;
  auto reply = DeleteObject(api_, resource ? *resource : unknown, key.ref, options);
  if (!reply && reply.error().code != 404 && reply.error().code != 409) {
    LogWarning("garbage collection cannot delete",
               {{"resource", key.resource},
                {"name", key.ref.name},
                {"error", reply.error().status["message"].AsString()}});
  }
}

}  // namespace kinglet::local
