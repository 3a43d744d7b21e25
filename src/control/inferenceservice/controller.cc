#include "control/inferenceservice/controller.h"

#include <algorithm>
#include <sstream>

#include "api/constants.h"
#include "api/core_types.h"
#include "base/log.h"
#include "control/inferenceservice/ca_bundle.h"
#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/cluster.h"
#include "control/inferenceservice/ignored_fields.h"
#include "control/inferenceservice/ingress_reconciler.h"
#include "control/inferenceservice/knative.h"
#include "control/inferenceservice/later_status.h"
#include "control/inferenceservice/runtime_users.h"
#include "control/inferenceservice/status.h"
#include "control/inferenceservice/status_writer.h"
#include "kube/apply.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

constexpr std::string_view kEventSource = "v1beta1Controllers";
// How often it is tried to get a host that another namespace has.
constexpr Duration kAwaitHost = std::chrono::seconds(10);
constexpr Duration kAwaitModelState = std::chrono::seconds(1);

std::vector<ObjectKey> InferenceServiceByLabel(const Json& object) {
  const std::string& name = kube::Label(object, api::label::kInferenceService);
  if (name.empty()) return {};
  return {{.ns = kube::Namespace(object), .name = name}};
}

// Children that KServe took over from nobody have its label only.
std::vector<ObjectKey> OwningInferenceService(const Json& child) {
  const Json* owner = kube::ControllerOf(child);
  if (!owner) return InferenceServiceByLabel(child);
  if ((*owner)["kind"].AsString() != kube::kInferenceService.kind) return {};
  return {{.ns = kube::Namespace(child), .name = (*owner)["name"].AsString()}};
}

// An object was there before and is there still, with another spec: a runtime that goes must not
// take the services with it that run on it.
bool SpecChanged(const Json* before, const Json* after) {
  return before && after && (*before)["spec"] != (*after)["spec"];
}

// Whether it asked to be left alone while it works: changes of its runtime must not reach it.
bool KeepsWhatIs(const api::InferenceService& isvc, const Json& object) {
  return isvc.Annotation(api::annotation::kDisableAutoUpdate) == "true" &&
         kube::IsConditionTrue(object, "Ready");
}

// What of a pod tells about its model.
bool PodStateChanged(const Json* old_pod, const Json* pod) {
  if (!old_pod || !pod) return true;
  const Json &before = (*old_pod)["status"], &after = (*pod)["status"];
  return before["initContainerStatuses"] != after["initContainerStatuses"] ||
         before["containerStatuses"] != after["containerStatuses"];
}

}  // namespace

std::string ClusterDomainFromResolvConf(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "search") continue;
    while (words >> word) {
      constexpr std::string_view kPrefix = "svc.";
      if (!word.starts_with(kPrefix)) continue;
      std::string domain = word.substr(kPrefix.size());
      if (domain.ends_with('.')) domain.pop_back();
      return domain;
    }
  }
  return "cluster.local";
}

struct InferenceServiceController::Impl {
  Impl(kube::Client& api_client, Options given)
      : client(api_client),
        options(std::move(given)),
        clock(options.clock ? *options.clock : Clock::System()),
        cluster(client, options.config_namespace, clock),
        events(kube::MakeEventRecorder(client, std::string(kEventSource), clock)),
        status(client, *events),
        knative({client, cluster, *events, status, clock, runtime_users},
                {options.cluster_domain, options.knative_namespace}),
        ingress(cluster, options.cluster_domain, clock),
        controller({.name = "inferenceservice",
                    .workers = options.workers,
                    .metrics = options.metrics,
                    .clock = options.clock},
                   [this](const ObjectKey& key, std::stop_token) { return Reconcile(key); }) {
    controller.Watch(cluster.services_of_kserve());
    controller.WatchOwned(cluster.deployments(), kube::kInferenceService);
    // Of these, what we wrote ourselves is not news: no status is made of them.
    auto news = [this](const Json*, const Json* after) {
      return !after || !cluster.children().IsOwnWrite(*after);
    };
    auto news_of_spec = [news](const Json* before, const Json* after) {
      return kube::GenerationChanged(before, after) && news(before, after);
    };
    controller.WatchOwned(cluster.services(), kube::kInferenceService, news);
    controller.WatchOwned(cluster.autoscalers(), kube::kInferenceService, news_of_spec);
    controller.WatchOwned(cluster.ingresses(), kube::kInferenceService, news_of_spec);
    // What they wait for may be a kind that is installed later.
    for (auto* informer :
         {&cluster.http_routes(), &cluster.knative_services(), &cluster.virtual_services(),
          &cluster.scaled_objects(), &cluster.collectors()}) {
      controller.WatchOptional(*informer, OwningInferenceService, {},
                               [this] { return NotReady(); });
    }
    controller.Watch(cluster.pods(), InferenceServiceByLabel, PodStateChanged);
    auto waiting = [this](const Json& runtime) { return WaitingForRuntime(runtime); };
    auto users = [this](const Json& runtime) { return runtime_users.Of(kube::KeyOf(runtime)); };
    for (auto* runtimes : {&cluster.runtimes(), &cluster.cluster_runtimes()}) {
      controller.Watch(*runtimes, waiting, kube::GenerationChanged);
      controller.WatchOptional(*runtimes, users, SpecChanged);
    }
    controller.Watch(cluster.storage_containers(),
                     [](const Json&) { return std::vector<ObjectKey>(); });
    controller.Watch(cluster.config().informer(),
                     [](const Json&) { return std::vector<ObjectKey>(); });
    controller.WatchPaced(cluster.config().informer(), [this](const Json&) { return All(); });
  }

  std::vector<ObjectKey> All() {
    std::vector<ObjectKey> keys;
    for (const auto& object : cluster.services_of_kserve().List()) {
      keys.push_back(kube::KeyOf(*object));
    }
    return keys;
  }

  // A kind that was installed may be what they wait for; one that was removed, another reason.
  std::vector<ObjectKey> NotReady() {
    std::vector<ObjectKey> keys;
    for (const auto& object : cluster.services_of_kserve().List()) {
      if (!kube::IsConditionTrue(*object, "Ready")) keys.push_back(kube::KeyOf(*object));
    }
    return keys;
  }

  // InferenceServices whose model no runtime served: a new or changed one may.
  std::vector<ObjectKey> WaitingForRuntime(const Json& runtime) {
    std::vector<ObjectKey> keys;
    for (const auto& object : cluster.services_of_kserve().List(kube::Namespace(runtime))) {
      if (object->At({"status", "modelStatus", "transitionStatus"}).AsString() == "InvalidSpec") {
        keys.push_back(kube::KeyOf(*object));
      }
    }
    return keys;
  }

  Result<ReconcileResult> Reconcile(const ObjectKey& key);
  Result<ReconcileResult> ReconcileStandard(Json object, api::InferenceService isvc,
                                            const api::Config& config);
  Result<ReconcileResult> Delete(const Json& object, const ObjectKey& key);
  // Events about fields without effect, once for each version of the spec.
  void TellIgnoredFields(const Json& object, const api::InferenceService& isvc, api::Mode mode,
                         const api::Config& config);
  // Takes everything down; the InferenceService stays.
  Result<ReconcileResult> Stop(Json object, const api::InferenceService& isvc, api::Mode mode,
                               const api::Config& config);
  // predictor.name of canaries with a replica that answers.
  std::set<std::string> ReadyCanaries(const api::InferenceService& isvc);
  kube::Client& client;
  const Options options;
  const Clock& clock;
  Cluster cluster;
  std::unique_ptr<kube::EventRecorder> events;
  StatusWriter status;
  RuntimeUsers runtime_users;
  KnativeReconciler knative;
  IngressReconciler ingress;
  Guarded<std::map<ObjectKey, int64_t>> told;  // the generation whose ignored fields were told
  kube::Controller controller;                 // last: its threads use what is above
};

Result<ReconcileResult> InferenceServiceController::Impl::Reconcile(const ObjectKey& key) {
  kube::ObjectPtr seen = cluster.services_of_kserve().Get(key);
  if (!seen) {
    cluster.children().Forget(key);
    ingress.Forget(key);
    told.With([&](auto& generations) { generations.erase(key); });
    runtime_users.Forget(key);
    return ReconcileResult::Done();
  }
  if (kube::IsDeleting(*seen)) return Delete(*seen, key);

  auto config = cluster.config().Read();
  if (!config->deploy) return Unexpected(config->deploy.error());
  auto isvc = api::DecodeObject<api::InferenceService>(kube::kInferenceService.kind, *seen);
  if (!isvc) {
    events->Warning(*seen, "InternalError", isvc.error().message());
    return ReconcileResult::Terminal(isvc.error().WithContext("cannot read the InferenceService"));
  }
  const api::Mode mode = ModeOf(*isvc, config->deploy->mode);
  // All of it but transformers is ModelMesh's.
  if (mode == api::Mode::kModelMesh && !isvc->spec.transformer) return ReconcileResult::Done();

  Json object = *seen;
  if (!kube::HasFinalizer(object, api::kFinalizer)) {
    KINGLET_TRY(object,
                kube::EnsureFinalizer(client, kube::kInferenceService, object, api::kFinalizer));
  }
  if (auto copied = CopyCaBundle(client, *config, options.config_namespace, key.ns); !copied) {
    events->Warning(object, "InternalError", copied.error().message());
    return Unexpected(copied.error());
  }
  if (IsStopped(*isvc)) return Stop(std::move(object), *isvc, mode, *config);
  if (KeepsWhatIs(*isvc, object)) return ReconcileResult::Done();
  TellIgnoredFields(object, *isvc, mode, *config);
  if (mode == api::Mode::kRawDeployment) {
    return ReconcileStandard(std::move(object), *std::move(isvc), *config);
  }
  return knative.Reconcile(std::move(object), *std::move(isvc), *config, mode);
}

void InferenceServiceController::Impl::TellIgnoredFields(const Json& object,
                                                         const api::InferenceService& isvc,
                                                         api::Mode mode,
                                                         const api::Config& config) {
  const bool is_told = told.With([&](auto& generations) {
    return std::exchange(generations[kube::KeyOf(object)], kube::Generation(object)) ==
           kube::Generation(object);
  });
  if (is_told) return;
  for (const auto& field : FindIgnoredFields(isvc, mode, config)) {
    events->Warning(object, field.reason, field.message);
  }
}

Result<ReconcileResult> InferenceServiceController::Impl::Delete(const Json& object,
                                                                 const ObjectKey& key) {
  if (!kube::HasFinalizer(object, api::kFinalizer)) return ReconcileResult::Done();
  kube::ListOptions models;
  models.label_selector = fmt::format("{}={}", api::label::kTrainedModelParent, key.name);
  auto list = client.ListAll(kube::kTrainedModel, key.ns, models);
  // Without the kind there are no trained models.
  if (!list && list.error().code() != Code::kNotFound) return Unexpected(list.error());
  if (list) {
    for (const Json& model : *list) {
      auto deleted =
          client.DeleteIfExists(kube::kTrainedModel, kube::KeyOf(model),
                                {.propagation = kube::DeleteOptions::Propagation::kBackground});
      if (!deleted) {
        LogWarning("cannot delete a TrainedModel",
                   {{"name", kube::KeyOf(model).ToString()}, {"error", deleted.error().message()}});
      }
    }
  }
  auto dropped = kube::DropFinalizer(client, kube::kInferenceService, object, api::kFinalizer);
  if (!dropped && dropped.error().code() != Code::kNotFound) return Unexpected(dropped.error());
  return ReconcileResult::Done();
}

Result<ReconcileResult> InferenceServiceController::Impl::Stop(Json object,
                                                               const api::InferenceService& isvc,
                                                               api::Mode mode,
                                                               const api::Config& config) {
  const Json before = object;
  KINGLET_RETURN_IF_ERROR(cluster.children().DeleteOthers(object, {}));
  RecordMode(object, isvc, mode, config);
  SetStopped(object, isvc, clock);
  KeepTransitionTimes(object, before);
  KINGLET_RETURN_IF_ERROR(status.Write(before, object));
  return ReconcileResult::Done();
}

std::set<std::string> InferenceServiceController::Impl::ReadyCanaries(
    const api::InferenceService& isvc) {
  std::set<std::string> ready;
  for (const auto& canary : isvc.spec.canary) {
    const std::string& name = canary.predictor["name"].AsString();
    kube::ObjectPtr deployment = cluster.deployments().Get(
        {.ns = isvc.ns(), .name = fmt::format("{}-{}-predictor", isvc.name(), name)});
    if (deployment && (*deployment)["status"]["availableReplicas"].AsInt() > 0) ready.insert(name);
  }
  return ready;
}

Result<ReconcileResult> InferenceServiceController::Impl::ReconcileStandard(
    Json object, api::InferenceService isvc, const api::Config& config) {
  const Json before = object;
  RecordMode(object, isvc, api::Mode::kRawDeployment, config);
  SetNotStopped(object, config, clock);
  if (!config.ingress) return Unexpected(config.ingress.error());
  auto runtimes = cluster.Runtimes(isvc.ns());
  auto containers = cluster.StorageContainers();
  auto legacy = cluster.LegacyServices({.ns = isvc.ns(), .name = isvc.name()});
  ComponentInput input{config, *runtimes, *containers, legacy, nullptr, ReadyCanaries(isvc)};
  Plan plan = MakePlan(isvc, input);

  std::optional<Error> failure;
  size_t done = 0;
  for (; done < plan.objects.size(); ++done) {
    if (auto applied = cluster.children().Apply(object, plan.objects[done]); !applied) {
      // A conflict is a race with another writer, not news.
      if (applied.error().code() == Code::kAborted) return Unexpected(applied.error());
      failure = applied.error();
      break;
    }
  }
  for (const auto& component : plan.components) {
    if (component.objects_end > done) break;  // nothing is said of it and those behind it
    KINGLET_TRY(std::string url, MakeComponentUrl(component.public_name, isvc, *config.ingress));
    auto get = [&](const std::string& name) {
      return cluster.deployments().Get({.ns = isvc.ns(), .name = name});
    };
    kube::ObjectPtr main = get(component.name);
    kube::ObjectPtr worker = component.worker ? get(component.worker->name) : nullptr;
    SetComponentStatus(object, component.kind,
                       {main.get(), worker.get(), component.worker.has_value()}, url,
                       config.latest ? LatestReadinessOf : ReadinessOf, clock);
  }
  SetCanaryStatus(object, plan.canaries, clock);
  if (!plan.components.empty()) {
    const ComponentPlan& predictor = plan.components[0];
    runtime_users.Set(kube::KeyOf(object), RuntimeOf(predictor, isvc.ns()));
    RecordRuntime(object, predictor.runtime, predictor.cluster_runtime, config);
  }
  if (failure || plan.failure) {
    // The predictor before it was reconciled to the end.
    if (!plan.components.empty() && plan.components[0].objects_end <= done) {
      KINGLET_TRY(auto pods, cluster.PodsOf(isvc.ns(), plan.components[0].name,
                                            IsComponentDecided(object, ComponentKind::kPredictor)));
      if (!SetModelStatus(object, {.pods = pods})) return ReconcileResult::After(kAwaitModelState);
    }
  }
  if (!failure && plan.failure) {
    const ModelFailure& what = plan.failure->what;
    failure = what.error;
    if (!what.reason.empty()) SetModelFailure(object, what);
    if (!what.condition_reason.empty()) {
      MarkComponentFailure(object, plan.failure->component, what.condition_reason, what.message,
                           clock);
    }
  }
  if (failure) {
    KeepTransitionTimes(object, before);
    events->Warning(object, "InternalError", failure->message());
    KINGLET_RETURN_IF_ERROR(status.Write(before, object));
    Error error = failure->WithContext("fails to reconcile component");
    // What no runtime serves is tried again when a runtime changes.
    bool waits = plan.failure && !plan.failure->what.reason.empty();
    if (waits) return ReconcileResult::Terminal(std::move(error));
    return Unexpected(std::move(error));
  }

  auto wanted = plan.objects;
  auto entry = ingress.Reconcile(plan, isvc, config, wanted, object);
  // KServe 0.15 says nothing until the components behind a gateway are ready; their Deployments'
  // changes bring the next pass.
  if (entry && *entry == Entry::kWaiting) return ReconcileResult::Done();
  if (!entry) {
    // The status says nothing of it, as in KServe.
    if (entry.error().code() != Code::kAborted) {
      events->Warning(object, "InternalError", entry.error().message());
    }
    return Unexpected(entry.error().WithContext("fails to reconcile ingress"));
  }
  KINGLET_TRY(auto pods, cluster.PodsOf(isvc.ns(), plan.components[0].name,
                                        IsComponentDecided(object, ComponentKind::kPredictor)));
  if (!SetModelStatus(object, {.pods = pods})) return ReconcileResult::After(kAwaitModelState);
  KeepTransitionTimes(object, before);
  KINGLET_RETURN_IF_ERROR(status.Write(before, object));
  if (plan.components[0].worker) {
    KeepRecentGroupServices(cluster.services().List(isvc.ns()), object, wanted);
  }
  KINGLET_RETURN_IF_ERROR(cluster.children().DeleteOthers(
      object, wanted, [&](const kube::ResourceType& type, const Json& child) {
        return MayGo(plan, isvc, type, child);
      }));
  if (*entry == Entry::kTaken) return ReconcileResult::After(kAwaitHost);
  return ReconcileResult::Done();
}

InferenceServiceController::InferenceServiceController(kube::Client& client, Options options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}

InferenceServiceController::~InferenceServiceController() = default;

void InferenceServiceController::Start(std::stop_token stop) {
  impl_->cluster.Start(stop);
  impl_->controller.Start(stop);
}

bool InferenceServiceController::WaitForSync(Deadline deadline, std::stop_token stop) {
  return impl_->cluster.WaitForSync(deadline, stop);
}

void InferenceServiceController::Join() { impl_->controller.Join(); }

bool InferenceServiceController::Idle() const { return impl_->controller.Idle(); }

}  // namespace kinglet::control
