#include "local/apiserver/store.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"

namespace kinglet::local {
namespace {

// How far versions jump when the machine may have lost the newest commits: far more than can have
// been lost, so that no version is ever used twice.
constexpr int64_t kVersionJump = 1'000'000;
constexpr size_t kForgetEvery = 256;

int64_t ToInt(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string BootId() {
  auto id = ReadFile("/proc/sys/kernel/random/boot_id", 4096);
  return id ? *id : "unknown";
}

void Stamp(Record& record) {
  record.uid = record.object.At({"metadata", "uid"}).AsString();
  record.object.Path({"metadata", "resourceVersion"}) = std::to_string(record.resource_version);
  record.json = record.object.Dump();
}

}  // namespace

Watcher::Watcher(std::string resource, std::string name_space, size_t limit,
                 std::function<void()> wake)
    : resource_(std::move(resource)),
      name_space_(std::move(name_space)),
      limit_(limit),
      wake_(std::move(wake)) {}

std::vector<StoreEventPtr> Watcher::Take() {
  auto state = state_.Acquire();
  std::vector<StoreEventPtr> events(state->queue.begin(), state->queue.end());
  state->queue.clear();
  return events;
}

bool Watcher::empty() const {
  return state_.With([](const State& state) { return state.queue.empty(); });
}

bool Watcher::overflowed() const {
  return state_.With([](const State& state) { return state.overflowed; });
}

bool Watcher::Wants(const StoreEvent& event) const {
  return (resource_.empty() || event.now->resource == resource_) &&
         (name_space_.empty() || event.now->ref.name_space == name_space_);
}

void Watcher::Push(const StoreEventPtr& event) {
  bool wake = state_.With([&](State& state) {
    if (state.overflowed) return false;
    if (state.queue.size() >= limit_) {
      state.overflowed = true;
      state.queue.clear();
      return true;
    }
    state.queue.push_back(event);
    return state.queue.size() == 1;
  });
  if (wake && wake_) wake_();
}

Store::Store(StoreOptions options, std::unique_ptr<Database> database)
    : options_(std::move(options)), database_(std::move(database)) {}

Store::~Store() {
  // Nothing to lose if this fails: the next start only skips some versions.
  (void)database_->SetMeta("resource_version", std::to_string(version()));
  (void)database_->SetMeta("clean", "1");
}

Result<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  KINGLET_TRY(auto database, Database::Open(options.path, options.sync_every_commit));
  std::unique_ptr<Store> store(new Store(std::move(options), std::move(database)));
  KINGLET_RETURN_IF_ERROR(store->Load());
  return store;
}

Status Store::Load() {
  auto read = [](DatabaseRow& row) -> Result<std::shared_ptr<Record>> {
    auto record = std::make_shared<Record>();
    auto object = Json::Parse(row.json);
    if (!object) {
      return Fail(Code::kDataLoss, "the stored {} {}/{} is not JSON: {}", row.resource,
                  row.name_space, row.name, object.error().message());
    }
    record->resource = std::move(row.resource);
    record->ref = {std::move(row.name_space), std::move(row.name)};
    record->resource_version = row.resource_version;
    record->object = std::move(*object);
    record->uid = record->object.At({"metadata", "uid"}).AsString();
    record->json = std::move(row.json);
    return record;
  };
  int64_t version = 0;
  KINGLET_TRY(std::string text, database_->GetMeta("resource_version"));
  version = ToInt(text);
  KINGLET_RETURN_IF_ERROR(database_->LoadObjects([&](DatabaseRow row) -> Status {
    KINGLET_TRY(auto record, read(row));
    version = std::max(version, record->resource_version);
    bytes_ += record->json.size();
    memory_.objects[record->resource].emplace(record->ref, record);
    return {};
  }));
  // What came before an event is the event of the same object before it, when that is still known.
  std::map<std::pair<std::string, ObjectRef>, RecordPtr> last;
  bool first = true;
  KINGLET_RETURN_IF_ERROR(database_->LoadEvents([&](DatabaseRow row) -> Status {
    EventType type = row.type;
    KINGLET_TRY(auto record, read(row));
    if (first) memory_.forgotten = record->resource_version - 1;
    first = false;
    version = std::max(version, record->resource_version);
    auto event = std::make_shared<StoreEvent>();
    event->type = type;
    RecordPtr& before = last[{record->resource, record->ref}];
    if (type != EventType::kAdded) event->before = before;
    event->now = record;
    before = type == EventType::kDeleted ? nullptr : RecordPtr(record);
    memory_.history_bytes += record->json.size();
    memory_.history.push_back(std::move(event));
    return {};
  }));
  if (first) memory_.forgotten = version;

  KINGLET_TRY(std::string clean, database_->GetMeta("clean"));
  KINGLET_TRY(std::string boot, database_->GetMeta("boot_id"));
  std::string this_boot = BootId();
  if (clean == "0" && boot != this_boot && !options_.sync_every_commit) version += kVersionJump;
  KINGLET_RETURN_IF_ERROR(database_->SetMeta("resource_version", std::to_string(version)));
  KINGLET_RETURN_IF_ERROR(database_->SetMeta("boot_id", this_boot));
  KINGLET_RETURN_IF_ERROR(database_->SetMeta("clean", "0"));
  memory_.rewind_floor = version;
  // Version 0 means "any" in the API, so the first state is version 1.
  version_.store(std::max<int64_t>(version, 1), std::memory_order_release);
  return {};
}

RecordPtr Store::Find(std::string_view resource, const ObjectRef& ref) const {
  auto objects = memory_.objects.find(resource);
  if (objects == memory_.objects.end()) return nullptr;
  auto it = objects->second.find(ref);
  return it == objects->second.end() ? nullptr : it->second;
}

RecordPtr Store::Get(std::string_view resource, const ObjectRef& ref) const {
  std::shared_lock lock(memory_mutex_);
  return Find(resource, ref);
}

ListResult Store::ListLocked(std::string_view resource, std::string_view name_space) const {
  ListResult result;
  result.resource_version = version();
  auto objects = memory_.objects.find(resource);
  if (objects == memory_.objects.end()) return result;
  auto it = objects->second.begin();
  if (!name_space.empty()) it = objects->second.lower_bound({std::string(name_space), ""});
  for (; it != objects->second.end(); ++it) {
    if (!name_space.empty() && it->first.name_space != name_space) break;
    result.records.push_back(it->second);
  }
  return result;
}

ListResult Store::List(std::string_view resource, std::string_view name_space) const {
  std::shared_lock lock(memory_mutex_);
  return ListLocked(resource, name_space);
}

Result<ListResult> Store::ListAt(std::string_view resource, std::string_view name_space,
                                 int64_t version) const {
  std::shared_lock lock(memory_mutex_);
  ListResult now = ListLocked(resource, name_space);
  if (version >= now.resource_version) return now;
  if (version < std::max(memory_.forgotten, memory_.rewind_floor)) {
    return Fail(Code::kOutOfRange, "version {} is older than the kept history", version);
  }
  Objects objects;
  for (RecordPtr& record : now.records) {
    ObjectRef ref = record->ref;
    objects.emplace(std::move(ref), std::move(record));
  }
  for (auto it = memory_.history.rbegin(); it != memory_.history.rend(); ++it) {
    const StoreEvent& event = **it;
    if (event.version() <= version) break;
    if (event.now->resource != resource) continue;
    if (!name_space.empty() && event.now->ref.name_space != name_space) continue;
    if (event.before) {
      objects[event.now->ref] = event.before;
    } else {
      objects.erase(event.now->ref);
    }
  }
  ListResult then;
  then.resource_version = version;
  for (auto& [ref, record] : objects) then.records.push_back(std::move(record));
  return then;
}

std::vector<std::string> Store::Resources() const {
  std::shared_lock lock(memory_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, objects] : memory_.objects) {
    if (!objects.empty()) names.push_back(name);
  }
  return names;
}

size_t Store::Count(std::string_view resource) const {
  std::shared_lock lock(memory_mutex_);
  auto objects = memory_.objects.find(resource);
  return objects == memory_.objects.end() ? 0 : objects->second.size();
}

Result<RecordPtr> Store::Put(std::string_view resource, const ObjectRef& ref, int64_t expected,
                             Json object, const std::function<Status()>& check) {
  std::lock_guard write(write_mutex_);
  RecordPtr before = Get(resource, ref);
  if (expected == 0 && before) return Fail(Code::kAlreadyExists, "{} exists", ref.name);
  if (expected != 0 && !before) return Fail(Code::kNotFound, "{} does not exist", ref.name);
  if (before && before->resource_version != expected) {
    return Fail(Code::kAborted, "{} has been modified", ref.name);
  }
  if (check) KINGLET_RETURN_IF_ERROR(check());
  auto now = std::make_shared<Record>();
  now->resource = std::string(resource);
  now->ref = ref;
  now->object = std::move(object);
  return Write(before ? EventType::kModified : EventType::kAdded, std::move(before),
               std::move(now));
}

Result<RecordPtr> Store::Delete(std::string_view resource, const ObjectRef& ref, int64_t expected,
                                const Json* last) {
  std::lock_guard write(write_mutex_);
  RecordPtr before = Get(resource, ref);
  if (!before) return Fail(Code::kNotFound, "{} does not exist", ref.name);
  if (before->resource_version != expected) {
    return Fail(Code::kAborted, "{} has been modified", ref.name);
  }
  auto now = std::make_shared<Record>();
  now->resource = before->resource;
  now->ref = ref;
  now->object = last ? *last : before->object;
  return Write(EventType::kDeleted, std::move(before), std::move(now));
}

Status Store::CheckSize(const Record* before, const Record& now) const {
  const size_t old_size = before ? before->json.size() : 0, size = now.json.size();
  if (size <= old_size) return {};
  if (size > options_.max_object_bytes) {
    return Fail(Code::kOutOfRange, "the object is too large: {} bytes, the limit is {}", size,
                options_.max_object_bytes);
  }
  const size_t limit = options_.max_bytes + (before ? options_.max_bytes / 8 : 0);
  if (limit >= options_.max_bytes && bytes() - old_size + size > limit) {
    return Fail(Code::kResourceExhausted,
                "the store is full: its objects take {} of {} bytes; delete some", bytes(),
                options_.max_bytes);
  }
  return {};
}

Result<RecordPtr> Store::Write(EventType type, RecordPtr before, std::shared_ptr<Record> now) {
  now->resource_version = version() + 1;
  Stamp(*now);
  if (type != EventType::kDeleted) KINGLET_RETURN_IF_ERROR(CheckSize(before.get(), *now));
  int64_t forget = 0;
  ++writes_;
  {
    std::shared_lock lock(memory_mutex_);
    if (writes_ % kForgetEvery == 0 && memory_.history.size() > options_.history) {
      forget = memory_.history[memory_.history.size() - options_.history]->version();
    }
    // A quarter at once, since each time costs a statement.
    if (memory_.history_bytes > options_.max_history_bytes) {
      size_t excess = options_.max_history_bytes / 4;
      for (const StoreEventPtr& event : memory_.history) {
        forget = std::max(forget, event->version());
        if (event->now->json.size() >= excess) break;
        excess -= event->now->json.size();
      }
    }
  }
  DatabaseRow row{.type = type,
                  .resource_version = now->resource_version,
                  .resource = now->resource,
                  .name_space = now->ref.name_space,
                  .name = now->ref.name,
                  .json = now->json};
  KINGLET_RETURN_IF_ERROR(database_->Commit(row, now->uid, forget));
  auto event = std::make_shared<StoreEvent>();
  event->type = type;
  event->now = now;
  event->before = std::move(before);

  std::unique_lock lock(memory_mutex_);
  Objects& objects = memory_.objects[now->resource];
  if (type == EventType::kDeleted) {
    objects.erase(now->ref);
  } else {
    objects[now->ref] = now;
    bytes_ += now->json.size();
  }
  if (event->before) bytes_ -= event->before->json.size();
  memory_.history_bytes += now->json.size();
  memory_.history.push_back(event);
  while (forget > 0 && memory_.history.front()->version() <= forget) {
    memory_.forgotten = memory_.history.front()->version();
    memory_.history_bytes -= memory_.history.front()->now->json.size();
    memory_.history.pop_front();
  }
  Publish(event);
  // Last, so that a bookmark with this version follows the event in every queue.
  version_.store(now->resource_version, std::memory_order_release);
  return RecordPtr(now);
}

void Store::Publish(const StoreEventPtr& event) {
  bool gone = false;
  for (const auto& weak : memory_.watchers) {
    if (auto watcher = weak.lock()) {
      if (watcher->Wants(*event)) watcher->Push(event);
    } else {
      gone = true;
    }
  }
  if (gone) std::erase_if(memory_.watchers, [](const auto& weak) { return weak.expired(); });
}

std::shared_ptr<Watcher> Store::AddWatcher(std::string_view resource, std::string_view name_space,
                                           std::function<void()> wake) {
  auto watcher = std::make_shared<Watcher>(std::string(resource), std::string(name_space),
                                           options_.watch_buffer, std::move(wake));
  memory_.watchers.push_back(watcher);
  return watcher;
}

Result<std::shared_ptr<Watcher>> Store::Watch(std::string_view resource,
                                              std::string_view name_space, int64_t from,
                                              std::function<void()> wake) {
  std::unique_lock lock(memory_mutex_);
  if (from < memory_.forgotten) {
    return Fail(Code::kOutOfRange, "too old resource version: {} ({})", from,
                memory_.forgotten + 1);
  }
  auto watcher = AddWatcher(resource, name_space, std::move(wake));
  auto first = std::upper_bound(
      memory_.history.begin(), memory_.history.end(), from,
      [](int64_t version, const StoreEventPtr& event) { return version < event->version(); });
  // The past does not count against the buffer: it is bounded by the history.
  auto state = watcher->state_.Acquire();
  for (; first != memory_.history.end(); ++first) {
    if (watcher->Wants(**first)) state->queue.push_back(*first);
  }
  return watcher;
}

std::shared_ptr<Watcher> Store::ListAndWatch(std::string_view resource, std::string_view name_space,
                                             ListResult* state, std::function<void()> wake) {
  std::unique_lock lock(memory_mutex_);
  *state = ListLocked(resource, name_space);
  return AddWatcher(resource, name_space, std::move(wake));
}

}  // namespace kinglet::local
