#include "kube/informer.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

#include "base/guarded.h"
#include "base/log.h"
#include "kube/store.h"
#include "kube/wait.h"

namespace kinglet::kube {
namespace {

constexpr Duration kMaxBackoff = std::chrono::seconds(30);
constexpr Duration kMissingKindWait = std::chrono::seconds(3);
constexpr Duration kWatchTime = std::chrono::minutes(5);  // up to twice that, as client-go

}  // namespace

struct Informer::State {
  State(Client& client, const ResourceType& type, InformerOptions options, const Clock& clock)
      : client(client), type(type), options(std::move(options)), clock(clock) {}

  Client& client;
  const ResourceType& type;
  const InformerOptions options;
  const Clock& clock;

  // Held while the store changes and handlers are told, so that handlers see changes in order and
  // one at a time.
  std::mutex dispatch;
  std::vector<std::shared_ptr<const EventHandler>> handlers;
  Store store;

  mutable std::mutex sync_mutex;
  mutable std::condition_variable_any sync_changed;
  bool synced = false;
  std::atomic<bool> kind_missing{false};

  std::stop_source stop;
  std::thread reflector, resyncer;

  void MarkSynced() {
    std::lock_guard lock(sync_mutex);
    synced = true;
    sync_changed.notify_all();
  }
  bool IsSynced() const {
    std::lock_guard lock(sync_mutex);
    return synced;
  }

  void Tell(const ObjectPtr& before, const ObjectPtr& after, bool initial) {
    for (const auto& handler : handlers) {
      if (!before && after && handler->on_add) handler->on_add(after, initial);
      if (before && after && handler->on_update) handler->on_update(before, after);
      if (before && !after && handler->on_delete) handler->on_delete(before);
    }
  }

  // Null: not one to be kept.
  ObjectPtr Prepare(Json object) const {
    if (options.transform) options.transform(object);
    if (object.IsNull()) return nullptr;
    return std::make_shared<const Json>(std::move(object));
  }

  void Put(Json object, bool initial) {
    ObjectKey key = KeyOf(object);
    ObjectPtr after = Prepare(std::move(object));
    if (!after) {
      Drop(key);
      return;
    }
    ObjectPtr before = store.Put(key, *after);
    // A relist brings everything again; what did not change is not news.
    if (before && ResourceVersion(*before) == ResourceVersion(*after) &&
        !ResourceVersion(*after).empty()) {
      return;
    }
    Tell(before, after, initial);
  }

  void Drop(const ObjectKey& key) {
    if (ObjectPtr before = store.Remove(key)) Tell(before, nullptr, false);
  }

  // Of a list: everything else that is in the store has gone.
  void DropOthers(const std::set<ObjectKey>& listed) {
    std::lock_guard lock(dispatch);
    for (const ObjectKey& key : store.Keys()) {
      if (!listed.contains(key)) Drop(key);
    }
  }

  // Pages go to the store as they come, so that no more than one is held as values.
  Result<std::string> ListOnce() {
    std::set<ObjectKey> listed;
    const bool initial = !IsSynced();
    ListOptions list{.label_selector = options.label_selector,
                     .field_selector = options.field_selector,
                     .limit = 500,
                     .metadata_only = options.metadata_only};
    std::string version;
    while (true) {
      KINGLET_TRY(Json page, client.List(type, options.ns, list));
      version = ResourceVersion(page);
      list.continue_token = page["metadata"]["continue"].AsString();
      if (Json* items = page.Find("items"); items && items->IsArray()) {
        std::lock_guard lock(dispatch);
        for (Json& item : items->MutableArray()) {
          listed.insert(KeyOf(item));
          Put(std::move(item), initial);
        }
      }
      if (list.continue_token.empty()) break;
      if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    }
    DropOthers(listed);
    MarkSynced();
    return version;
  }

  void Apply(WatchEvent event) {
    std::lock_guard lock(dispatch);
    switch (event.type) {
      case WatchEvent::Type::kAdded:
      case WatchEvent::Type::kModified:
        Put(std::move(event.object), false);
        break;
      case WatchEvent::Type::kDeleted: {
        // Handlers get the last state, which is the event's.
        ObjectKey key = KeyOf(event.object);
        if (ObjectPtr before = store.Remove(key)) {
          ObjectPtr last = Prepare(std::move(event.object));
          Tell(last ? last : before, nullptr, false);
        }
        break;
      }
      case WatchEvent::Type::kBookmark:
        break;
    }
  }

  // Watches from `version` and moves it along. Returns how the stream ended.
  Status WatchOnce(std::string& version, size_t* events) {
    WatchOptions watch{.label_selector = options.label_selector,
                       .field_selector = options.field_selector,
                       .resource_version = version,
                       .timeout = Jittered(kWatchTime, 1.0),
                       .metadata_only = options.metadata_only};
    return client.Watch(
        type, options.ns, watch,
        [&](WatchEvent event) -> Status {
          ++*events;
          if (!ResourceVersion(event.object).empty()) version = ResourceVersion(event.object);
          Apply(std::move(event));
          return {};
        },
        stop.get_token());
  }

  void TellKindChange() {
    std::lock_guard lock(dispatch);
    for (const auto& handler : handlers) {
      if (handler->on_kind_change) handler->on_kind_change();
    }
  }

  // A kind that is not there is an empty collection: nobody waits for it.
  void HandleMissingKind() {
    const bool was_there = !kind_missing.exchange(true) && IsSynced();
    DropOthers({});
    if (was_there) TellKindChange();
    MarkSynced();
    SleepFor(Jittered(std::max(kMissingKindWait, options.backoff), 0.5), stop.get_token());
  }

  // Until the collection must be listed again.
  void WatchUntilRelist(std::string version, Backoff& backoff) {
    while (!stop.stop_requested()) {
      size_t events = 0;
      auto started = std::chrono::steady_clock::now();
      Status ended = WatchOnce(version, &events);
      if (stop.stop_requested()) return;
      if (!ended && ended.error().code() == Code::kOutOfRange) {
        LogDebug("watch expired, listing again", {{"resource", type.GroupResource()}});
        if (events == 0) SleepFor(backoff.Next(), stop.get_token());
        return;
      }
      if (!ended && ended.error().code() == Code::kNotFound) return;
      bool useful = events > 0 || std::chrono::steady_clock::now() - started > 1s;
      if (ended && useful) {
        backoff.Reset();
        continue;
      }
      if (!ended) {
        LogInfo("watch broke, trying again",
                {{"resource", type.GroupResource()}, {"error", ended.error().message()}});
        if (useful) backoff.Reset();
        // Refused or garbled: the list tells what holds. A server that is away keeps its versions.
        bool away = ended.error().code() == Code::kUnavailable ||
                    ended.error().code() == Code::kDeadlineExceeded;
        if (!away) {
          SleepFor(backoff.Next(), stop.get_token());
          return;
        }
      }
      SleepFor(backoff.Next(), stop.get_token());
    }
  }

  void Reflect() {
    Backoff backoff(options.backoff, std::max(kMaxBackoff, options.backoff));
    while (!stop.stop_requested()) {
      auto version = ListOnce();
      if (stop.stop_requested()) return;
      if (version) {
        if (kind_missing.exchange(false)) TellKindChange();
        WatchUntilRelist(*version, backoff);
      } else if (version.error().code() == Code::kNotFound) {
        if (!kind_missing) {
          LogDebug("the server does not have this kind, waiting for it",
                   {{"resource", type.GroupResource()}});
        }
        HandleMissingKind();
      } else {
        LogWarning("cannot list, trying again",
                   {{"resource", type.GroupResource()}, {"error", version.error().message()}});
        SleepFor(backoff.Next(), stop.get_token());
      }
    }
  }

  void Resync() {
    while (SleepFor(options.resync, stop.get_token())) {
      std::lock_guard lock(dispatch);
      for (const ObjectPtr& object : store.List("")) Tell(object, object, false);
    }
  }
};

Informer::Informer(Client& client, ResourceType type, InformerOptions options, const Clock& clock)
    : type_(std::move(type)),
      state_(std::make_unique<State>(client, type_, std::move(options), clock)) {}

Informer::~Informer() {
  state_->stop.request_stop();
  if (state_->reflector.joinable()) state_->reflector.join();
  if (state_->resyncer.joinable()) state_->resyncer.join();
}

void Informer::AddHandler(EventHandler handler) {
  std::lock_guard lock(state_->dispatch);
  auto shared = std::make_shared<const EventHandler>(std::move(handler));
  if (shared->on_add) {
    for (const ObjectPtr& object : state_->store.List("")) shared->on_add(object, true);
  }
  state_->handlers.push_back(std::move(shared));
}

void Informer::AddIndex(std::string name, IndexFunction function) {
  state_->store.AddIndex(std::move(name), std::move(function));
}

void Informer::Start(std::stop_token stop) {
  State* state = state_.get();
  auto linked = [state, stop](void (State::*run)()) {
    return std::thread([state, stop, run] {
      std::stop_callback link(stop, [state] { state->stop.request_stop(); });
      (state->*run)();
    });
  };
  state_->reflector = linked(&State::Reflect);
  if (state_->options.resync > Duration::zero()) state_->resyncer = linked(&State::Resync);
}

bool Informer::HasSynced() const { return state_->IsSynced(); }

bool Informer::KindExists() const { return !state_->kind_missing; }

bool Informer::WaitForSync(Deadline deadline, std::stop_token stop) const {
  std::unique_lock lock(state_->sync_mutex);
  auto until = std::min(deadline.at(), std::chrono::steady_clock::now() + std::chrono::hours(24));
  return state_->sync_changed.wait_until(lock, stop, until, [&] { return state_->synced; });
}

ObjectPtr Informer::Get(const ObjectKey& key) const { return state_->store.Get(key); }
std::vector<ObjectPtr> Informer::List(std::string_view ns) const { return state_->store.List(ns); }

std::vector<ObjectPtr> Informer::List(std::string_view ns, const LabelSelector& selector) const {
  std::vector<ObjectPtr> out = state_->store.List(ns);
  std::erase_if(out, [&](const ObjectPtr& object) { return !selector.Matches(Labels(*object)); });
  return out;
}

std::vector<ObjectPtr> Informer::ByIndex(std::string_view index, std::string_view value) const {
  return state_->store.ByIndex(index, value);
}

std::vector<ObjectKey> Informer::KeysByIndex(std::string_view index, std::string_view value) const {
  return state_->store.KeysByIndex(index, value);
}

size_t Informer::size() const { return state_->store.size(); }

std::vector<std::string> IndexByControllerUid(const Json& object) {
  const Json* owner = ControllerOf(object);
  if (!owner) return {};
  return {(*owner)["uid"].AsString()};
}

Informer::IndexFunction IndexByLabel(std::string label) {
  return [label = std::move(label)](const Json& object) -> std::vector<std::string> {
    const Json* value = Labels(object).Find(label);
    if (!value) return {};
    return {value->AsString()};
  };
}

struct InformerFactory::State {
  using Id = std::tuple<ResourceType, std::string, std::string, std::string, bool>;
  Client& client;
  const Clock& clock;
  std::mutex mutex;
  std::map<Id, std::unique_ptr<Informer>> informers;
  std::optional<std::stop_token> started;
};

InformerFactory::InformerFactory(Client& client, const Clock& clock)
    : state_(new State{client, clock, {}, {}, {}}) {}
InformerFactory::~InformerFactory() = default;

Informer& InformerFactory::For(const ResourceType& type, InformerOptions options) {
  std::lock_guard lock(state_->mutex);
  State::Id id{type, options.ns, options.label_selector, options.field_selector,
               options.metadata_only};
  auto& slot = state_->informers[id];
  if (!slot) {
    slot = std::make_unique<Informer>(state_->client, type, std::move(options), state_->clock);
    if (state_->started) slot->Start(*state_->started);
  }
  return *slot;
}

void InformerFactory::Start(std::stop_token stop) {
  std::lock_guard lock(state_->mutex);
  if (state_->started) return;
  state_->started = stop;
  for (auto& [id, informer] : state_->informers) informer->Start(stop);
}

bool InformerFactory::WaitForSync(Deadline deadline, std::stop_token stop) {
  std::vector<Informer*> all;
  {
    std::lock_guard lock(state_->mutex);
    for (auto& [id, informer] : state_->informers) all.push_back(informer.get());
  }
  return std::all_of(all.begin(), all.end(),
                     [&](Informer* informer) { return informer->WaitForSync(deadline, stop); });
}

}  // namespace kinglet::kube
