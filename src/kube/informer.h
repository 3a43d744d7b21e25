// A local, indexed copy of a collection, kept fresh by list and watch.
//
// The reflector thread lists page by page, then watches with bookmarks. An expired resourceVersion
// lists again; other failures wait (0.8 s to 30 s, doubled, with jitter). A kind the server does
// not have is asked for again every few seconds without noise.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "kube/client.h"
#include "kube/selector.h"

namespace kinglet::kube {

using ObjectPtr = std::shared_ptr<const Json>;

// Called on the reflector's thread (on the caller's for objects present at AddHandler), in order,
// one at a time. They must be quick and must not block. Empty functions are skipped.
struct EventHandler {
  std::function<void(const ObjectPtr& object, bool initial)> on_add;
  std::function<void(const ObjectPtr& old_object, const ObjectPtr& object)> on_update;
  std::function<void(const ObjectPtr& last_known)> on_delete;
  // The server has the kind now, after it had not, or the other way round: its definition was
  // installed or removed.
  std::function<void()> on_kind_change;
};

struct InformerOptions {
  std::string ns;  // "" all
  std::string label_selector, field_selector;
  bool metadata_only = false;
  Duration resync = Duration::zero();  // on_update with the same object every so often; zero: never
  std::function<void(Json&)> transform;  // before storing; what it makes null is left out
  Duration backoff = std::chrono::milliseconds(800);  // after the first failure
};

class Informer {
 public:
  using IndexFunction = std::function<std::vector<std::string>(const Json& object)>;

  Informer(Client& client, ResourceType type, InformerOptions options = {},
           const Clock& clock = Clock::System());
  ~Informer();  // stops and joins
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  // Before or after Start; present objects are added first.
  void AddHandler(EventHandler handler);
  // Any time. Names are the caller's.
  void AddIndex(std::string name, IndexFunction function);

  // Once.
  void Start(std::stop_token stop);
  // The first list is in the store and its handlers were called.
  bool HasSynced() const;
  // The server has the kind, as far as is known. Meaningful once synced.
  bool KindExists() const;
  // False when the deadline passed or stop was requested first.
  bool WaitForSync(Deadline deadline, std::stop_token stop = {}) const;

  // Null where absent. Objects are shared and immutable: copy to change.
  ObjectPtr Get(const ObjectKey& key) const;
  std::vector<ObjectPtr> List(std::string_view ns = "") const;
  std::vector<ObjectPtr> List(std::string_view ns, const LabelSelector& selector) const;
  std::vector<ObjectPtr> ByIndex(std::string_view index, std::string_view value) const;
  // As ByIndex, without reading the objects.
  std::vector<ObjectKey> KeysByIndex(std::string_view index, std::string_view value) const;
  size_t size() const;

  const ResourceType& type() const { return type_; }

 private:
  struct State;
  const ResourceType type_;
  std::unique_ptr<State> state_;
};

// An index function over the controller owner's uid.
std::vector<std::string> IndexByControllerUid(const Json& object);
Informer::IndexFunction IndexByLabel(std::string label);

// One informer a kind and selector, shared by controllers.
class InformerFactory {
 public:
  InformerFactory(Client& client, const Clock& clock = Clock::System());
  ~InformerFactory();

  // The same type and options (ns, selectors, metadata_only) give the same informer. Informers
  // asked for after Start are started at once.
  Informer& For(const ResourceType& type, InformerOptions options = {});
  void Start(std::stop_token stop);
  // Waits for those whose kind exists... all that were asked for; false at the deadline.
  bool WaitForSync(Deadline deadline, std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet::kube
