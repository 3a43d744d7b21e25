// The state of the API server: every object in memory, every write in SQLite before it is seen, one
// global version that only grows, and the newest events for watches.
//
// Reads take a shared lock for a moment and never wait for the disk. Writes are one at a time: the
// database first, then memory and the watchers, in the order of versions.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"
#include "local/apiserver/database.h"

namespace kinglet::local {

struct ObjectRef {
  std::string name_space;  // "" for cluster-scoped objects
  std::string name;
  auto operator<=>(const ObjectRef&) const = default;
};

// One version of one object. Immutable.
struct Record {
  std::string resource;  // "pods", "inferenceservices.serving.kserve.io"
  ObjectRef ref;
  std::string uid;
  int64_t resource_version = 0;
  Json object;       // with metadata.resourceVersion
  std::string json;  // object.Dump()
};
using RecordPtr = std::shared_ptr<const Record>;

struct StoreEvent {
  EventType type = EventType::kAdded;
  RecordPtr now;     // of kDeleted: the last state, with the version of the deletion
  RecordPtr before;  // null for kAdded, and where it was before the process began
  int64_t version() const { return now->resource_version; }
};
using StoreEventPtr = std::shared_ptr<const StoreEvent>;

// A bounded queue of events of one resource (and namespace).
class Watcher {
 public:
  Watcher(std::string resource, std::string name_space, size_t limit, std::function<void()> wake);
  // Everything that came since the last call, in order.
  std::vector<StoreEventPtr> Take();
  bool empty() const;
  // The reader was too slow: events are lost, the watch must end.
  bool overflowed() const;

 private:
  friend class Store;
  bool Wants(const StoreEvent& event) const;
  void Push(const StoreEventPtr& event);

  const std::string resource_, name_space_;
  const size_t limit_;
  const std::function<void()> wake_;  // any thread, with the store's lock held: must be quick
  struct State {
    std::deque<StoreEventPtr> queue;
    bool overflowed = false;
  };
  Guarded<State> state_;
};

struct StoreOptions {
  std::filesystem::path path;  // empty: in memory
  bool sync_every_commit = false;
  size_t history = 8192;
  size_t watch_buffer = 8192;
  // Limits on bytes of JSON: of one object, of all objects, and of the events kept.
  size_t max_object_bytes = SIZE_MAX;
  size_t max_bytes = SIZE_MAX;
  size_t max_history_bytes = SIZE_MAX;
};

struct ListResult {
  int64_t resource_version = 0;
  std::vector<RecordPtr> records;  // by namespace and name
};

class Store {
 public:
  static Result<std::unique_ptr<Store>> Open(StoreOptions options);
  ~Store();

  int64_t version() const { return version_.load(std::memory_order_acquire); }

  RecordPtr Get(std::string_view resource, const ObjectRef& ref) const;
  // All namespaces when `name_space` is empty.
  ListResult List(std::string_view resource, std::string_view name_space) const;
  // As it was at `version`. kOutOfRange when that is older than the kept history.
  Result<ListResult> ListAt(std::string_view resource, std::string_view name_space,
                            int64_t version) const;
  std::vector<std::string> Resources() const;
  size_t Count(std::string_view resource) const;
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }  // of all objects

  // Stores the object under a new version, which is written into it. `expected` is the version it
  // must have now, 0 when it must not exist. kAlreadyExists, kNotFound, kAborted (another
  // version), kOutOfRange (larger than max_object_bytes), kResourceExhausted (over max_bytes;
  // changes of objects may use an eighth more than new ones, so that a full store can be put in
  // order); or what the disk says, and then nothing has changed. `check` is the last word: called
  // when no other write can come between it and this one; its error is returned. It may read the
  // store.
  Result<RecordPtr> Put(std::string_view resource, const ObjectRef& ref, int64_t expected,
                        Json object, const std::function<Status()>& check = nullptr);
  // Removes it. The event carries `last`, or the stored object when null.
  Result<RecordPtr> Delete(std::string_view resource, const ObjectRef& ref, int64_t expected,
                           const Json* last = nullptr);

  // Events after `from` (exclusive), the past ones first. kOutOfRange when they are forgotten.
  // An empty resource means all.
  Result<std::shared_ptr<Watcher>> Watch(std::string_view resource, std::string_view name_space,
                                         int64_t from, std::function<void()> wake);
  // The current state and everything after it, without a gap.
  std::shared_ptr<Watcher> ListAndWatch(std::string_view resource, std::string_view name_space,
                                        ListResult* state, std::function<void()> wake);

 private:
  using Objects = std::map<ObjectRef, RecordPtr>;
  struct Memory {
    std::map<std::string, Objects, std::less<>> objects;
    std::deque<StoreEventPtr> history;
    size_t history_bytes = 0;
    int64_t forgotten = 0;     // events up to here are gone
    int64_t rewind_floor = 0;  // before here the past cannot be rebuilt
    std::vector<std::weak_ptr<Watcher>> watchers;
  };

  Store(StoreOptions options, std::unique_ptr<Database> database);
  Status Load();
  RecordPtr Find(std::string_view resource, const ObjectRef& ref) const;  // lock held
  ListResult ListLocked(std::string_view resource, std::string_view name_space) const;
  Result<RecordPtr> Write(EventType type, RecordPtr before, std::shared_ptr<Record> now);
  Status CheckSize(const Record* before, const Record& now) const;
  void Publish(const StoreEventPtr& event);
  std::shared_ptr<Watcher> AddWatcher(std::string_view resource, std::string_view name_space,
                                      std::function<void()> wake);

  const StoreOptions options_;
  std::mutex write_mutex_;              // before memory_mutex_
  std::unique_ptr<Database> database_;  // under write_mutex_
  size_t writes_ = 0;                   // under write_mutex_
  mutable std::shared_mutex memory_mutex_;
  Memory memory_;
  std::atomic<int64_t> version_{0};
  std::atomic<size_t> bytes_{0};  // written under write_mutex_
};

}  // namespace kinglet::local
