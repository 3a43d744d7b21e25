#include "kube/controller.h"

#include <atomic>
#include <exception>
#include <mutex>

#include "base/log.h"

namespace kinglet::kube {
namespace {

const char* OutcomeOf(const Result<ReconcileResult>& result) {
  if (!result || result->terminal_error) return "error";
  return result->requeue_after > Duration::zero() ? "requeue_after" : "success";
}

}  // namespace

struct Controller::State {
  struct Metrics {
    Counter* success = nullptr;
    Counter* error = nullptr;
    Counter* requeue_after = nullptr;
    Counter* errors_total = nullptr;
    Counter* terminal_errors_total = nullptr;
    Counter* panics_total = nullptr;
    Histogram* time = nullptr;
    Gauge* active = nullptr;
  };

  State(ControllerOptions o, Reconcile reconcile)
      : options(std::move(o)),
        reconcile(std::move(reconcile)),
        queue({.name = options.name,
               .base_delay = options.base_delay,
               .max_delay = options.max_delay,
               .metrics = options.metrics,
               .clock = options.clock}),
        clock(options.clock ? *options.clock : Clock::System()) {
    if (options.metrics) Register(*options.metrics);
  }

  void Register(MetricsRegistry& registry) {
    kinglet::Labels name = {{"controller", options.name}};
    auto result = [&](std::string_view value) {
      return &registry.GetCounter("controller_runtime_reconcile_total",
                                  "Total number of reconciliations per controller",
                                  {{"controller", options.name}, {"result", std::string(value)}});
    };
    metrics.success = result("success");
    metrics.error = result("error");
    metrics.requeue_after = result("requeue_after");
    metrics.errors_total =
        &registry.GetCounter("controller_runtime_reconcile_errors_total",
                             "Total number of reconciliation errors per controller", name);
    metrics.terminal_errors_total =
        &registry.GetCounter("controller_runtime_terminal_reconcile_errors_total",
                             "Total number of terminal reconciliation errors per controller", name);
    metrics.panics_total =
        &registry.GetCounter("controller_runtime_reconcile_panics_total",
                             "Total number of reconciliation panics per controller", name);
    metrics.time =
        &registry.GetHistogram("controller_runtime_reconcile_time_seconds",
                               "Length of time per reconciliation per controller", name,
                               {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
    metrics.active = &registry.GetGauge("controller_runtime_active_workers",
                                        "Number of currently used workers per controller", name);
    registry
        .GetGauge("controller_runtime_max_concurrent_reconciles",
                  "Maximum number of concurrent reconciles per controller", name)
        .Set(options.workers);
  }

  const ControllerOptions options;
  const Reconcile reconcile;
  WorkQueue queue;
  const Clock& clock;
  Metrics metrics;
  std::vector<Informer*> awaited;
  std::stop_source stop;
  std::thread starter;
  std::atomic<int> busy{0};

  Result<ReconcileResult> Call(const ObjectKey& key) {
    // The last resort of a worker: a defect in one reconciliation must not end all of them.
    try {
      return reconcile(key, stop.get_token());
    } catch (const std::exception& e) {
      if (metrics.panics_total) metrics.panics_total->Add();
      return Fail(Code::kInternal, "exception in reconcile: {}", e.what());
    } catch (...) {
      if (metrics.panics_total) metrics.panics_total->Add();
      return Fail(Code::kInternal, "exception in reconcile");
    }
  }

  void Count(const Result<ReconcileResult>& result, Duration took) {
    if (!metrics.time) return;
    std::string_view outcome = OutcomeOf(result);
    (outcome == "error"           ? metrics.error
     : outcome == "requeue_after" ? metrics.requeue_after
                                  : metrics.success)
        ->Add();
    if (outcome == "error") metrics.errors_total->Add();
    if (result && result->terminal_error) metrics.terminal_errors_total->Add();
    metrics.time->Observe(std::chrono::duration<double>(took).count());
  }

  void Handle(const ObjectKey& key) {
    SteadyTime started = clock.Now();
    auto result = Call(key);
    Count(result, clock.Now() - started);
    if (!result) {
      bool conflict = result.error().code() == Code::kAborted;
      bool stopping = stop.stop_requested();
      Log(conflict || stopping ? LogLevel::kDebug : LogLevel::kWarning, "reconcile failed",
          {{"controller", options.name},
           {"object", key.ToString()},
           {"error", result.error().ToString()}});
      queue.AddRateLimited(key);
      return;
    }
    queue.Forget(key);
    if (result->terminal_error) {
      LogError("reconcile failed for good", {{"controller", options.name},
                                             {"object", key.ToString()},
                                             {"error", result->terminal_error->ToString()}});
    } else if (result->requeue_after > Duration::zero()) {
      queue.AddAfter(key, result->requeue_after);
    }
  }

  void Work() {
    while (auto key = queue.Get(stop.get_token())) {
      ++busy;
      if (metrics.active) metrics.active->Add(1);
      Handle(*key);
      queue.Done(*key);
      if (metrics.active) metrics.active->Add(-1);
      --busy;
    }
  }

  void Run() {
    for (Informer* informer : awaited) {
      if (!informer->WaitForSync(Deadline::Never(), stop.get_token())) return;
    }
    std::vector<std::thread> workers;
    for (int i = 0; i < std::max(1, options.workers); ++i) workers.emplace_back([this] { Work(); });
    for (std::thread& worker : workers) worker.join();
  }
};

Controller::Controller(ControllerOptions options, Reconcile reconcile)
    : state_(std::make_shared<State>(std::move(options), std::move(reconcile))) {}

Controller::~Controller() {
  state_->stop.request_stop();
  state_->queue.ShutDown();
  Join();
}

void Controller::WatchOptional(Informer& informer, MapFunction map, Predicate predicate,
                               std::function<std::vector<ObjectKey>()> on_kind_change) {
  if (!map) map = [](const Json& object) { return std::vector{KeyOf(object)}; };
  // Informers may outlive the controller, so handlers hold its state weakly.
  auto add = [state = std::weak_ptr<State>(state_), map, predicate](
                 const Json* before, const Json* after, int priority) {
    auto alive = state.lock();
    if (!alive || (predicate && !predicate(before, after))) return;
    if (before) {
      for (const ObjectKey& key : map(*before)) alive->queue.Add(key, priority);
    }
    if (after) {
      for (const ObjectKey& key : map(*after)) alive->queue.Add(key, priority);
    }
  };
  informer.AddHandler({
      .on_add =
          [add](const ObjectPtr& object, bool initial) {
            add(nullptr, object.get(), initial ? WorkQueue::kLowPriority : 0);
          },
      .on_update =
          [add](const ObjectPtr& before, const ObjectPtr& after) {
            bool resync = ResourceVersion(*before) == ResourceVersion(*after);
            add(before.get(), after.get(), resync ? WorkQueue::kLowPriority : 0);
          },
      .on_delete = [add](const ObjectPtr& object) { add(object.get(), nullptr, 0); },
      .on_kind_change =
          [state = std::weak_ptr<State>(state_), on_kind_change] {
            auto alive = state.lock();
            if (!alive || !on_kind_change) return;
            for (const ObjectKey& key : on_kind_change()) alive->queue.Add(key);
          },
  });
}

void Controller::WatchPaced(Informer& informer, MapFunction map, Duration pace) {
  auto add = [state = std::weak_ptr<State>(state_), map = std::move(map),
              pace](const Json& object) {
    auto alive = state.lock();
    if (!alive) return;
    Duration delay = Duration::zero();
    for (const ObjectKey& key : map(object)) {
      alive->queue.AddAfter(key, delay, WorkQueue::kLowPriority);
      delay += pace;
    }
  };
  informer.AddHandler({
      .on_add =
          [add](const ObjectPtr& object, bool initial) {
            if (!initial) add(*object);
          },
      .on_update =
          [add](const ObjectPtr& before, const ObjectPtr& after) {
            if (ResourceVersion(*before) != ResourceVersion(*after)) add(*after);
          },
      .on_delete = [add](const ObjectPtr& object) { add(*object); },
  });
}

void Controller::Watch(Informer& informer, MapFunction map, Predicate predicate) {
  state_->awaited.push_back(&informer);
  WatchOptional(informer, std::move(map), std::move(predicate));
}

void Controller::WatchOwned(Informer& informer, const ResourceType& owner, Predicate predicate) {
  Watch(
      informer,
      [owner](const Json& object) -> std::vector<ObjectKey> {
        const Json* reference = ControllerOf(object);
        if (!reference || (*reference)["kind"].AsString() != owner.kind ||
            MakeGvk((*reference)["apiVersion"].AsString(), "").group != owner.group) {
          return {};
        }
        return {{owner.namespaced ? Namespace(object) : "", (*reference)["name"].AsString()}};
      },
      std::move(predicate));
}

void Controller::Enqueue(const ObjectKey& key, Duration after) {
  state_->queue.AddAfter(key, after);
}

void Controller::Start(std::stop_token stop) {
  state_->starter = std::thread([state = state_.get(), stop] {
    std::stop_callback link(stop, [state] {
      state->stop.request_stop();
      state->queue.ShutDown();
    });
    state->Run();
  });
}

void Controller::Join() {
  if (state_->starter.joinable()) state_->starter.join();
}

WorkQueue& Controller::queue() { return state_->queue; }
bool Controller::Idle() const { return state_->queue.size() == 0 && state_->busy == 0; }

bool GenerationChanged(const Json* old_object, const Json* object) {
  return !old_object || !object || Generation(*old_object) != Generation(*object);
}

bool ResourceVersionChanged(const Json* old_object, const Json* object) {
  return !old_object || !object || ResourceVersion(*old_object) != ResourceVersion(*object);
}

}  // namespace kinglet::kube
