#include "control/trainedmodel/controller.h"

#include "api/constants.h"
#include "api/core_types.h"
#include "base/log.h"
#include "control/inferenceservice/status.h"
#include "control/lazy_watches.h"
#include "control/trainedmodel/model_config.h"
#include "control/trainedmodel/status.h"
#include "kube/apply.h"
#include "kube/conditions.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

constexpr std::string_view kEventSource = "v1beta1Controllers";
constexpr std::string_view kFinalizer = "trainedmodel.finalizer";
constexpr std::string_view kByParent = "parent";
constexpr std::string_view kFacts = "facts";

ObjectKey ParentOf(const Json& model) {
  return {.ns = kube::Namespace(model), .name = model["spec"]["inferenceService"].AsString()};
}

// Of an InferenceService only what its models ask about.
void KeepFacts(Json& object) {
  auto isvc = api::Decode<api::InferenceService>(object);
  Json facts = isvc ? ParentServiceOf(*isvc).ToJson() : ParentService().ToJson();
  object = kube::Identity(object);
  object.Set(kFacts, std::move(facts));
}

kube::Quantity MemoryOf(const Json& model) {
  return kube::Quantity::FromJson(model.At({"spec", "model", "memory"})).value_or(kube::Quantity());
}

bool IsAllocated(const Json& model) {
  return kube::Label(model, api::label::kTrainedModelAllocated) == ParentOf(model).name;
}

Error NotTheParents(const Json& config_map) {
  return Error(Code::kAlreadyExists,
               fmt::format("ConfigMap {} does not belong to the InferenceService: delete or rename "
                           "it, so that the controller can make its own",
                           kube::Name(config_map)));
}

}  // namespace

struct TrainedModelController::Impl {
  Impl(kube::Client& api_client, Options given)
      : client(api_client),
        options(std::move(given)),
        clock(options.clock ? *options.clock : Clock::System()),
        models(client, kube::kTrainedModel, {.transform = kube::DropManagedFields}, clock),
        inference_services(client, kube::kInferenceService, {.transform = KeepFacts}, clock),
        events(kube::MakeEventRecorder(client, std::string(kEventSource), clock)),
        // One worker: two models must not take the same memory.
        controller({.name = "trainedmodel",
                    .workers = 1,
                    .metrics = options.metrics,
                    .clock = options.clock},
                   [this](const ObjectKey& key, std::stop_token) { return Reconcile(key); }) {
    models.AddIndex(std::string(kByParent), [](const Json& model) -> std::vector<std::string> {
      return {ParentOf(model).ToString()};
    });
    controller.Watch(models);
    // Memory that a model gives back may be what another one waits for.
    controller.WatchOptional(
        models, [this](const Json& model) { return WaitingFor(ParentOf(model)); },
        [](const Json* before, const Json* after) {
          return before && (!after || MemoryOf(*before) != MemoryOf(*after));
        });
    controller.WatchOptional(
        inference_services,
        [this](const Json& service) {
          std::vector<ObjectKey> keys;
          for (const auto& model : models.ByIndex(kByParent, kube::KeyOf(service).ToString())) {
            keys.push_back(kube::KeyOf(*model));
          }
          return keys;
        },
        [](const Json* before, const Json* after) {
          return !before || !after || (*before)[kFacts] != (*after)[kFacts];
        });
  }

  std::vector<ObjectKey> WaitingFor(const ObjectKey& parent) {
    std::vector<ObjectKey> keys;
    for (const auto& model : models.ByIndex(kByParent, parent.ToString())) {
      if (!kube::IsConditionTrue(*model, "MemoryResourceAvailable")) {
        keys.push_back(kube::KeyOf(*model));
      }
    }
    return keys;
  }

  Result<ReconcileResult> Reconcile(const ObjectKey& key);
  Result<ReconcileResult> ReconcileOrphan(const Json& object);
  Result<ReconcileResult> Delete(const Json& object);
  Status WriteStatus(const Json& before, const Json& object);
  // Whether the parent has the memory for this model beside those that it was promised to.
  Result<bool> HasMemory(const Json& object, const ParentService& parent);
  // Brings metadata to what it is in `changed`. The object as stored.
  Result<Json> PatchMetadata(const Json& object, const Json& changed);

  kube::Client& client;
  const Options options;
  const Clock& clock;
  kube::Informer models, inference_services;
  LazyWatches neighbours;
  std::unique_ptr<kube::EventRecorder> events;
  kube::Controller controller;  // last: its threads use what is above
};

Result<ReconcileResult> TrainedModelController::Impl::Reconcile(const ObjectKey& key) {
  kube::ObjectPtr seen = models.Get(key);
  if (!seen) return ReconcileResult::Done();
  KINGLET_RETURN_IF_ERROR(neighbours.Need(inference_services));
  if (kube::IsDeleting(*seen)) return Delete(*seen);
  kube::ObjectPtr service = inference_services.Get(ParentOf(*seen));
  if (!service) return ReconcileOrphan(*seen);
  auto model = api::DecodeObject<api::TrainedModel>(kube::kTrainedModel.kind, *seen);
  if (!model) {
    events->Warning(*seen, "InternalError", model.error().message());
    return ReconcileResult::Terminal(model.error().WithContext("cannot read the TrainedModel"));
  }

  Json object = *seen;
  const std::string& parent_name = model->spec.inference_service;
  Json wish = object;
  kube::SetLabel(wish, api::label::kTrainedModelParent, parent_name);
  kube::AddFinalizer(wish, kFinalizer);
  KINGLET_TRY(object, PatchMetadata(object, wish));

  const ParentService parent = ParentService::FromJson((*service)[kFacts]);
  KINGLET_TRY(bool memory, HasMemory(object, parent));
  if (memory && !IsAllocated(object)) {
    wish = object;
    kube::SetLabel(wish, api::label::kTrainedModelAllocated, parent_name);
    KINGLET_TRY(object, PatchMetadata(object, wish));
  }
  const Json before = object;
  const std::string waits = SetTrainedModelStatus(object, parent, memory, clock);
  KeepTransitionTimes(object, before);
  KINGLET_RETURN_IF_ERROR(WriteStatus(before, object));
  if (!waits.empty()) {
    // A change of the InferenceService, or of another model of it, brings the next pass.
    LogInfo("a TrainedModel waits", {{"name", key.ToString()}, {"reason", waits}});
    return ReconcileResult::Done();
  }
  std::optional<Error> unreadable;
  auto written = kube::UpdateWithRetry(client, kube::kConfigMap,
                                       {.ns = key.ns, .name = ModelConfigName(parent_name)},
                                       [&](Json& config_map) {
                                         if (!IsModelConfigOf(config_map, parent_name)) {
                                           unreadable = NotTheParents(config_map);
                                           return false;
                                         }
                                         auto changed = PutModelConfig(config_map, *model);
                                         if (!changed) unreadable = changed.error();
                                         return changed && *changed;
                                       });
  if (unreadable) {
    events->Warning(object, "InternalError", unreadable->message());
    return Unexpected(unreadable->WithContext(
        fmt::format("Can not add or update a model {} from config", key.name)));
  }
  if (!written) return Unexpected(written.error());
  return ReconcileResult::Done();
}

// Without its InferenceService there is nothing that could load the model.
Result<ReconcileResult> TrainedModelController::Impl::ReconcileOrphan(const Json& object) {
  const ObjectKey parent = ParentOf(object);
  auto there = client.Get(kube::kInferenceService, parent);
  // The watch of InferenceServices may be behind that of TrainedModels.
  if (there) return Fail(Code::kAborted, "InferenceService {} is not seen yet", parent.ToString());
  if (there.error().code() != Code::kNotFound) return Unexpected(there.error());
  LogInfo("Parent InferenceService does not exists, deleting TrainedModel",
          {{"name", kube::KeyOf(object).ToString()}, {"inferenceService", parent.name}});
  kube::DeleteOptions options;
  options.uid = kube::Uid(object);
  auto deleted = client.DeleteIfExists(kube::kTrainedModel, kube::KeyOf(object), options);
  if (!deleted) return Unexpected(deleted.error());
  return ReconcileResult::Done();
}

Result<ReconcileResult> TrainedModelController::Impl::Delete(const Json& object) {
  if (!kube::HasFinalizer(object, kFinalizer)) return ReconcileResult::Done();
  std::optional<Error> unreadable;
  auto written = kube::UpdateWithRetry(
      client, kube::kConfigMap,
      {.ns = kube::Namespace(object), .name = ModelConfigName(ParentOf(object).name)},
      [&](Json& config_map) {
        // Ours was never written into it.
        if (!IsModelConfigOf(config_map, ParentOf(object).name)) return false;
        auto changed = DropModelConfig(config_map, kube::Name(object));
        if (!changed) unreadable = changed.error();
        return changed && *changed;
      });
  // Without a ConfigMap there is nothing to take out; KServe would wait for ever.
  const bool gone = !written && written.error().code() == Code::kNotFound;
  if (!written && !gone) return Unexpected(written.error());
  if (unreadable) {
    return Unexpected(unreadable->WithContext(
        fmt::format("Can not remove model {} from config", kube::Name(object))));
  }
  auto dropped = kube::DropFinalizer(client, kube::kTrainedModel, object, kFinalizer);
  if (!dropped && dropped.error().code() != Code::kNotFound) return Unexpected(dropped.error());
  return ReconcileResult::Done();
}

Result<bool> TrainedModelController::Impl::HasMemory(const Json& object,
                                                     const ParentService& parent) {
  const ObjectKey key = ParentOf(object);
  // What was promised a moment ago may not be seen yet, so the server is asked before a promise.
  kube::Quantity sum = MemoryOf(object);
  if (IsAllocated(object)) {
    for (const auto& other : models.ByIndex(kByParent, key.ToString())) {
      if (IsAllocated(*other) && kube::Name(*other) != kube::Name(object)) {
        sum = sum + MemoryOf(*other);
      }
    }
  } else {
    kube::ListOptions promised;
    promised.label_selector = fmt::format("{}={},{}={}", api::label::kTrainedModelParent, key.name,
                                          api::label::kTrainedModelAllocated, key.name);
    KINGLET_TRY(auto others, client.ListAll(kube::kTrainedModel, key.ns, promised));
    for (const Json& other : others) {
      if (kube::Name(other) != kube::Name(object)) sum = sum + MemoryOf(other);
    }
  }
  return sum <= parent.memory;
}

Result<Json> TrainedModelController::Impl::PatchMetadata(const Json& object, const Json& changed) {
  if (object == changed) return object;
  return client.Patch(
      kube::kTrainedModel, kube::KeyOf(object), kube::PatchType::kMerge,
      Json::MakeObject(
          {{"metadata", Json::MakeObject({{"labels", kube::Labels(changed)},
                                          {"finalizers", changed["metadata"]["finalizers"]},
                                          {"resourceVersion", kube::ResourceVersion(object)}})}}));
}

Status TrainedModelController::Impl::WriteStatus(const Json& before, const Json& object) {
  if (object["status"] == before["status"]) return {};
  auto written = client.UpdateStatus(kube::kTrainedModel, object);
  if (written || written.error().code() == Code::kNotFound) return {};
  if (written.error().code() != Code::kAborted) {
    events->Warning(object, "UpdateFailed",
                    fmt::format("Failed to update status for TrainedModel \"{}\": {}",
                                kube::Name(object), written.error().message()));
  }
  return Unexpected(written.error());
}

TrainedModelController::TrainedModelController(kube::Client& client, Options options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}

TrainedModelController::~TrainedModelController() = default;

void TrainedModelController::Start(std::stop_token stop) {
  impl_->neighbours.SetStop(stop);
  impl_->models.Start(stop);
  impl_->controller.Start(stop);
}

bool TrainedModelController::WaitForSync(Deadline deadline, std::stop_token stop) {
  return impl_->models.WaitForSync(deadline, stop);
}

void TrainedModelController::Join() { impl_->controller.Join(); }

bool TrainedModelController::Idle() const { return impl_->controller.Idle(); }

}  // namespace kinglet::control
