// A controller: watches that name keys, a work queue, N workers that reconcile one key each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "kube/informer.h"
#include "kube/object.h"
#include "kube/workqueue.h"

namespace kinglet::kube {

struct ReconcileResult {
  Duration requeue_after = Duration::zero();  // zero: only when something changes
  // Set for failures that trying again cannot mend: logged and counted, not retried.
  std::optional<Error> terminal_error;

  static ReconcileResult Done() { return {}; }
  static ReconcileResult After(Duration delay) { return {delay, {}}; }
  static ReconcileResult Terminal(Error error) { return {Duration::zero(), std::move(error)}; }
};

// Brings one object to its desired state. Called for one key by one worker at a time. An error puts
// the key back with backoff; kAborted (conflict) does so without a log line at warning level.
// Exceptions that escape are caught, logged and retried like errors.
using Reconcile =
    std::function<Result<ReconcileResult>(const ObjectKey& key, std::stop_token stop)>;

struct ControllerOptions {
  std::string name;
  int workers = 1;
  MetricsRegistry* metrics = nullptr;  // controller_runtime_* and workqueue_*
  const Clock* clock = nullptr;
  Duration base_delay = std::chrono::milliseconds(5);
  Duration max_delay = std::chrono::seconds(1000);
};

class Controller {
 public:
  // From an object that changed to the keys to reconcile.
  using MapFunction = std::function<std::vector<ObjectKey>(const Json& object)>;
  // Whether a change matters. `old_object` is null for additions, `object` null for deletions.
  using Predicate = std::function<bool(const Json* old_object, const Json* object)>;

  Controller(ControllerOptions options, Reconcile reconcile);
  ~Controller();  // stops and joins

  // Before Start. Informers must outlive the controller.
  void Watch(Informer& informer, MapFunction map = {}, Predicate predicate = {});
  // Objects whose controller is of that kind (any version of the group).
  void WatchOwned(Informer& informer, const ResourceType& owner, Predicate predicate = {});
  // From other sources.
  void Enqueue(const ObjectKey& key, Duration after = Duration::zero());

  // Waits (on its own thread) until the watched informers have synced, then runs the workers until
  // stop. Optional watches of missing kinds do not hold it up: see WatchOptional.
  void Start(std::stop_token stop);
  void Join();
  // Like Watch, for kinds that the server may not have: not waited for. `on_kind_change` names the
  // keys to reconcile when the kind comes to be there, or goes.
  void WatchOptional(Informer& informer, MapFunction map = {}, Predicate predicate = {},
                     std::function<std::vector<ObjectKey>()> on_kind_change = {});
  // Like WatchOptional, for objects on which many others depend, such as a configuration: the keys
  // of a change come behind other work, one every `pace`. What the first list brings does not
  // count.
  void WatchPaced(Informer& informer, MapFunction map,
                  Duration pace = std::chrono::milliseconds(5));

  WorkQueue& queue();
  // Nothing queued and no worker busy (delayed keys do not count). For tests.
  bool Idle() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Predicates. metadata.generation differs (also true for additions and deletions).
bool GenerationChanged(const Json* old_object, const Json* object);
// resourceVersion differs: drops resyncs.
bool ResourceVersionChanged(const Json* old_object, const Json* object);

}  // namespace kinglet::kube
