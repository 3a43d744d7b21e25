#include "kube/events.h"

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"

namespace kinglet::kube {
namespace {

constexpr size_t kQueueLimit = 1000;
constexpr size_t kRemembered = 4096;
constexpr size_t kMaxMessage = 1024;  // the API server refuses longer ones
// client-go's numbers: similar events are one after ten messages in ten minutes; an object may
// cause 25 at once and then one in five minutes.
constexpr size_t kSimilarLimit = 10;
constexpr Duration kSimilarWindow = std::chrono::minutes(10);
constexpr double kBurst = 25;
constexpr double kRefillPerSecond = 1.0 / 300;

struct Pending {
  Json involved;
  std::string type, reason, message;
  WallTime when;
};

// Remembers the last kRemembered keys.
template <class V>
class Lru {
 public:
  V& Get(const std::string& key) {
    auto it = where_.find(key);
    if (it != where_.end()) {
      items_.splice(items_.begin(), items_, it->second);
    } else {
      items_.emplace_front(key, V());
      where_[key] = items_.begin();
      if (items_.size() > kRemembered) {
        where_.erase(items_.back().first);
        items_.pop_back();
      }
    }
    return items_.front().second;
  }

 private:
  std::list<std::pair<std::string, V>> items_;
  std::map<std::string, typename std::list<std::pair<std::string, V>>::iterator> where_;
};

struct Bucket {
  double tokens = kBurst;
  SteadyTime filled{};
};
struct Similar {
  std::set<std::string> messages;
  SteadyTime last{};
};
struct Known {
  std::string name;
  int64_t count = 0;
};

class Recorder : public EventRecorder {
 public:
  Recorder(Client& client, std::string component, const Clock& clock)
      : client_(client),
        component_(std::move(component)),
        clock_(clock),
        thread_([this] { Run(); }) {}

  ~Recorder() override {
    stop_.request_stop();
    {
      std::lock_guard lock(mutex_);
      changed_.notify_all();
    }
    thread_.join();
  }

  void Event(const Json& object, std::string_view type, std::string_view reason,
             std::string message) override {
    Json involved = Json::MakeObject(
        {{"apiVersion", ApiVersion(object)}, {"kind", Kind(object)}, {"name", Name(object)}});
    if (!Namespace(object).empty()) involved.Set("namespace", Namespace(object));
    if (!Uid(object).empty()) involved.Set("uid", Uid(object));
    if (!ResourceVersion(object).empty()) involved.Set("resourceVersion", ResourceVersion(object));
    if (message.size() > kMaxMessage) message.resize(kMaxMessage);
    std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueueLimit) {
      LogWarning("too many events waiting, one is dropped",
                 {{"object", Name(object)}, {"reason", reason}, {"message", message}});
      return;
    }
    queue_.push_back({std::move(involved), std::string(type), std::string(reason),
                      std::move(message), clock_.Wall()});
    changed_.notify_all();
  }

  bool Flush(Deadline deadline) override {
    std::unique_lock lock(mutex_);
    auto until = std::min(deadline.at(), std::chrono::steady_clock::now() + std::chrono::hours(1));
    return changed_.wait_until(lock, until, [&] { return queue_.empty() && !sending_; });
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_.stop_requested() || !queue_.empty(); });
      if (queue_.empty() || stop_.stop_requested()) return;
      Pending event = std::move(queue_.front());
      queue_.pop_front();
      sending_ = true;
      lock.unlock();
      Send(std::move(event));
      lock.lock();
      sending_ = false;
      changed_.notify_all();
    }
  }

  static std::string ObjectId(const Json& involved) {
    return involved["kind"].AsString() + "/" + involved["namespace"].AsString() + "/" +
           involved["name"].AsString() + "/" + involved["uid"].AsString();
  }

  bool Allowed(const std::string& object_id) {
    Bucket& bucket = buckets_.Get(object_id);
    SteadyTime now = clock_.Now();
    if (bucket.filled != SteadyTime{}) {
      double passed = std::chrono::duration<double>(now - bucket.filled).count();
      bucket.tokens = std::min(kBurst, bucket.tokens + passed * kRefillPerSecond);
    }
    bucket.filled = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  // Many messages under one reason become one event with the latest message.
  void Aggregate(Pending& event, std::string& id) {
    Similar& similar = similar_.Get(id);
    SteadyTime now = clock_.Now();
    if (now - similar.last > kSimilarWindow) similar.messages.clear();
    similar.last = now;
    if (similar.messages.size() < kSimilarLimit) {
      similar.messages.insert(event.message);
      id += "/" + event.message;
    } else if (similar.messages.contains(event.message)) {
      id += "/" + event.message;
    } else {
      event.message = "(combined from similar events): " + event.message;
      if (event.message.size() > kMaxMessage) event.message.resize(kMaxMessage);
    }
  }

  void Send(Pending event) {
    std::string object_id = ObjectId(event.involved);
    std::string id = object_id + "/" + event.type + "/" + event.reason;
    Aggregate(event, id);
    if (!Allowed(object_id)) return;
    ObjectKey key{event.involved["namespace"].StringOr("default"), ""};
    Known& known = known_.Get(id);
    std::string now = FormatRfc3339(event.when);
    if (known.count > 0) {
      key.name = known.name;
      Json patch = Json::MakeObject(
          {{"count", known.count + 1}, {"lastTimestamp", now}, {"message", event.message}});
      auto patched = client_.Patch(kEvent, key, PatchType::kMerge, patch);
      if (patched) {
        ++known.count;
        return;
      }
      if (patched.error().code() != Code::kNotFound) return Failed(event, patched.error());
    }
    auto created = client_.Create(kEvent, MakeEvent(event, key.ns, now));
    if (!created) {
      known.count = 0;
      return Failed(event, created.error());
    }
    known = {Name(*created), 1};
  }

  Json MakeEvent(const Pending& event, const std::string& ns, const std::string& now) const {
    auto nanos = event.when.time_since_epoch() / std::chrono::nanoseconds(1);
    // Two recorders may speak about one object in the same instant.
    std::string name = fmt::format("{}.{:x}{}", event.involved["name"].AsString(),
                                   static_cast<uint64_t>(nanos), RandomSuffix(3));
    Json out = MakeObjectMeta("v1", "Event", {ns, name});
    out.Set("involvedObject", event.involved);
    out.Set("type", event.type);
    out.Set("reason", event.reason);
    out.Set("message", event.message);
    out.Set("source", Json::MakeObject({{"component", component_}}));
    out.Set("firstTimestamp", now);
    out.Set("lastTimestamp", now);
    out.Set("count", 1);
    out.Set("eventTime", nullptr);
    out.Set("reportingComponent", component_);
    out.Set("reportingInstance", "");
    return out;
  }

  void Failed(const Pending& event, const Error& error) {
    LogDebug("cannot write an event", {{"object", event.involved["name"].AsString()},
                                       {"reason", event.reason},
                                       {"message", event.message},
                                       {"error", error.message()}});
  }

  Client& client_;
  const std::string component_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Pending> queue_;
  bool sending_ = false;
  std::stop_source stop_;
  // Used by the thread alone.
  Lru<Bucket> buckets_;
  Lru<Similar> similar_;
  Lru<Known> known_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<EventRecorder> MakeEventRecorder(Client& client, std::string component,
                                                 const Clock& clock) {
  return std::make_unique<Recorder>(client, std::move(component), clock);
}

}  // namespace kinglet::kube
