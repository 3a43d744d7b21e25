#include "control/localmodelnode/controller.h"

#include <algorithm>
#include <span>

#include "base/log.h"
#include "control/lazy_watches.h"
#include "control/localmodel/node_group.h"
#include "control/localmodel/volumes.h"
#include "control/localmodelnode/cache_facts.h"
#include "control/localmodelnode/decision.h"
#include "control/localmodelnode/download_job.h"
#include "control/localmodelnode/download_jobs.h"
#include "control/localmodelnode/job_credentials.h"
#include "control/localmodelnode/job_failures.h"
#include "control/localmodelnode/model_store.h"
#include "control/localmodelnode/node_report.h"
#include "control/localmodelnode/room.h"
#include "control/watched_config.h"
#include "kube/apply.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/quantity.h"

namespace kinglet::control {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

constexpr std::string_view kEventSource = "LocalModelNodeAgent";
constexpr std::string_view kRetry = "serving.kserve.io/retry";
constexpr size_t kMaxFolderName = 200;  // records and staging folders have longer names
constexpr int64_t kDefaultPeriod = 60;  // seconds between two looks at the disk

int64_t Bytes(const Json& quantity) {
  auto parsed = kube::Quantity::FromJson(quantity);
  return parsed ? parsed->Value() : 0;
}

// One model in the making of a pass.
struct Model {
  ObjectKey key;
  std::string uri, group, folder;
  CredentialWish credentials;
  const Json* job = nullptr;
  ModelRecord record, stored;
  FolderState state;
  Room room = Room::kKeep;
  Decision decision;
  std::optional<Error> error;  // of this pass: nothing more is done about the model in it

  // Models of one scope, source and credentials: whoever may read one may read the other.
  bool SameAs(const Model& other) const {
    return uri == other.uri && credentials == other.credentials;
  }
  std::string Content() const {
    return fmt::format("{} {} {} {}", uri, credentials.ns, credentials.service_account,
                       credentials.storage.Dump());
  }
};

}  // namespace

struct LocalModelNodeController::Impl {
  Impl(kube::Client& api_client, Options given)
      : client(api_client),
        options(std::move(given)),
        clock(options.clock ? *options.clock : Clock::System()),
        key{.ns = "", .name = options.node},
        store(options.models_root),
        node_models(client, kube::kLocalModelNode,
                    {.field_selector = "metadata.name=" + options.node,
                     .transform = kube::DropManagedFields},
                    clock),
        nodes(client, kube::kNode,
              {.field_selector = "metadata.name=" + options.node, .transform = KeepNodeFacts},
              clock),
        groups(client, kube::kLocalModelNodeGroup, {.transform = kube::DropManagedFields}, clock),
        containers(client, kube::kClusterStorageContainer, {.transform = kube::DropManagedFields},
                   clock),
        caches(client, kube::kLocalModelCache, {.transform = KeepCacheFacts}, clock),
        namespace_caches(client, kube::kLocalModelNamespaceCache, {.transform = KeepCacheFacts},
                         clock),
        config(client, options.config_namespace, clock),
        events(kube::MakeEventRecorder(client, std::string(kEventSource), clock)),
        jobs(
            client, options.node, [this] { controller.Enqueue(key); }, clock),
        failures(client),
        report(client, *events),
        // One worker: there is one disk.
        controller(
            {.name = "localmodelnode",
             .workers = 1,
             .metrics = options.metrics,
             .clock = options.clock,
             .max_delay = std::chrono::seconds(60)},
            [this](const ObjectKey& name, std::stop_token stop) { return Reconcile(name, stop); }) {
    auto this_node = [this](const Json&) -> std::vector<ObjectKey> { return {key}; };
    controller.Watch(node_models, this_node, [](const Json* before, const Json* after) {
      return kube::GenerationChanged(before, after) ||
             kube::Annotations(*before) != kube::Annotations(*after);
    });
    controller.WatchOptional(groups, this_node, kube::GenerationChanged);
    controller.WatchOptional(caches, this_node, CacheFactsChanged);
    controller.WatchOptional(namespace_caches, this_node, CacheFactsChanged);
    controller.WatchPaced(config.informer(), this_node);
  }

  Result<ReconcileResult> Reconcile(const ObjectKey& name, const std::stop_token& stop);
  std::vector<Model> ReadModels(const Json& object, const std::vector<Json>& all) const;
  Status Inspect(const Json& object, Model& model, const std::stop_token& stop);
  void GiveRoom(std::vector<Model>& models, const std::vector<Json>& own_groups);
  // Does what was decided, as far as possible.
  Status Act(const Json& object, Model& model, std::span<const Model> before,
             const std::vector<Json>& own_groups, const api::Config& current,
             const std::vector<Json>& all_jobs);
  Status Download(const Json& object, Model& model, const std::vector<Json>& own_groups,
                  const api::Config& current);
  std::vector<Json> OwnGroups();
  kube::ObjectPtr CacheOf(const ObjectKey& model) const;
  int64_t LimitOf(const std::string& group) const {
    kube::ObjectPtr found = groups.Get({.ns = "", .name = group});
    return found ? Bytes((*found)["spec"]["storageLimit"]) : 0;
  }
  int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.Wall().time_since_epoch())
        .count();
  }

  kube::Client& client;
  const Options options;
  const Clock& clock;
  const ObjectKey key;
  const ModelStore store;
  kube::Informer node_models, nodes, groups, containers, caches, namespace_caches;
  WatchedConfig config;
  LazyWatches neighbours;
  std::unique_ptr<kube::EventRecorder> events;
  // Of the worker alone.
  DownloadJobs jobs;
  JobFailures failures;
  NodeReport report;
  kube::Controller controller;  // last: its threads use what is above
};

Result<ReconcileResult> LocalModelNodeController::Impl::Reconcile(const ObjectKey& name,
                                                                  const std::stop_token& stop) {
  if (name != key) return ReconcileResult::Done();
  kube::ObjectPtr seen = node_models.Get(key);
  // Without it nothing is known, so nothing is removed.
  if (!seen || kube::IsDeleting(*seen)) return ReconcileResult::Done();
  for (auto* informer :
       {&config.informer(), &nodes, &groups, &containers, &caches, &namespace_caches}) {
    KINGLET_RETURN_IF_ERROR(neighbours.Need(*informer));
  }
  auto now = config.Read();
  if (!now->local_model) return Unexpected(now->local_model.error());
  const api::LocalModelConfig& settings = *now->local_model;
  if (auto opened = store.Open(); !opened) {
    events->Warning(*seen, "ModelsRootUnusable", opened.error().message());
    return Unexpected(opened.error());
  }
  // Not the watched ones: a job that was just made must be seen, or it would be made twice.
  auto all_jobs = jobs.List(*seen, settings.job_namespace);
  if (!all_jobs) {
    events->Warning(*seen, "JobsUnusable", all_jobs.error().message());
    return Unexpected(all_jobs.error());
  }
  jobs.Watch(settings.job_namespace, stop);
  std::vector<Model> models = ReadModels(*seen, *all_jobs);
  for (const Json& job : *all_jobs) {
    const ObjectKey of = ModelOfJob(job);
    if (of.name.empty() || std::ranges::find(models, of, &Model::key) != models.end()) continue;
    KINGLET_RETURN_IF_ERROR(jobs.Delete(job));
  }
  // What is wrong with one model must not keep the others from being downloaded and reported.
  for (Model& model : models) {
    if (model.error) continue;
    auto inspected = Inspect(*seen, model, stop);
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    if (!inspected) model.error = inspected.error();
  }
  const std::vector<Json> own_groups = OwnGroups();
  GiveRoom(models, own_groups);

  Status outcome;
  Duration wait = std::chrono::seconds(
      std::max<int64_t>(1, settings.reconcilation_frequency_in_secs.value_or(kDefaultPeriod)));
  auto note = [&](Status status) {
    if (!status && outcome) outcome = std::move(status);
  };
  for (size_t i = 0; i < models.size(); ++i) {
    Model& model = models[i];
    if (model.error) {
      model.decision = {.state = "ModelDownloadError", .reason = model.error->message()};
      note(Unexpected(model.error->WithContext(fmt::format("model {}", model.key.ToString()))));
      continue;
    }
    note(Act(*seen, model, std::span<const Model>(models).first(i), own_groups, *now, *all_jobs));
    if (model.decision.wait > Duration::zero()) wait = std::min(wait, model.decision.wait);
    if (model.record != model.stored) note(store.WriteRecord(model.folder, model.record));
  }
  std::vector<ModelReport> lines;
  std::vector<std::string> wanted;
  for (const Model& model : models) {
    wanted.push_back(model.folder);
    lines.push_back({ModelStatusName(model.key), model.decision.state, model.decision.reason});
  }
  KINGLET_RETURN_IF_ERROR(report.Write(*seen, lines));
  note(store.RemoveExcept(wanted));
  if (!outcome) return Unexpected(outcome.error());
  return ReconcileResult::After(wait);
}

std::vector<Model> LocalModelNodeController::Impl::ReadModels(const Json& object,
                                                              const std::vector<Json>& all) const {
  std::vector<Model> out;
  for (const Json& entry : object["spec"]["localModels"].AsArray()) {
    Model model;
    model.key = KeyOfNodeEntry(entry);
    model.uri = entry["sourceModelUri"].AsString();
    model.group = entry["nodeGroup"].AsString();
    model.credentials = {.service_account = entry["serviceAccountName"].AsString(),
                         .storage = entry["storage"],
                         .ns = model.key.ns};
    model.folder = ModelFolderName(model.key);
    // The name becomes a path.
    if (!kube::CheckDnsSubdomain(model.key.name) ||
        (!model.key.ns.empty() && !kube::CheckDnsLabel(model.key.ns))) {
      LogWarning("a model's name cannot be a folder's", {{"model", model.key.ToString()}});
      continue;
    }
    if (model.folder.size() > kMaxFolderName) {
      model.error = Error(Code::kInvalidArgument,
                          fmt::format("the names of the cache and its namespace have over {} "
                                      "characters together: they name a folder",
                                      kMaxFolderName));
      out.push_back(std::move(model));
      continue;
    }
    std::vector<const Json*> own;
    for (const Json& job : all) {
      if (ModelOfJob(job) == model.key) own.push_back(&job);
    }
    model.job = LatestJob(own);
    model.record = model.stored = store.ReadRecord(model.folder);
    const std::string& retry = kube::Annotation(object, kRetry);
    if (model.record.retry != retry) {
      model.record.retry = retry;
      model.record.attempts = 0;
    }
    out.push_back(std::move(model));
  }
  return out;
}

Status LocalModelNodeController::Impl::Inspect(const Json& object, Model& model,
                                               const std::stop_token& stop) {
  ModelRecord& record = model.record;
  const int64_t now = Now();
  if (record.uri != model.uri) {
    // Another model under the same name, or a new one.
    record = {.uri = model.uri, .files = {}, .last_used = now, .retry = record.retry};
  }
  if (auto cache = CacheOf(model.key); cache && (*cache)["used"].AsBool()) record.last_used = now;
  KINGLET_TRY(model.state, store.Inspect(model.folder, model.uri, record, stop));
  const bool was_whole = record.whole;
  switch (model.state.health) {
    case Health::kWhole:
      if (!was_whole) record.whole_since = now;
      record.whole = true;
      record.files = model.state.files;
      record.bytes = model.state.bytes;
      record.damage.clear();
      if (record.attempts > 0 && now - record.whole_since >= kLastingSeconds) record.attempts = 0;
      return {};
    case Health::kUnknown:
      return {};
    case Health::kMissing:
      if (!was_whole) return {};
      record.damage = "the model's folder is gone";
      break;
    case Health::kDamaged:
      record.damage = model.state.problem;
      break;
  }
  record.whole = false;
  record.files.clear();
  // Also one that is not reported as over: the model was whole, so it has done what it can.
  if (model.job) record.spent_job = kube::Uid(*model.job);
  // Before the files go: what follows must survive a restart.
  KINGLET_RETURN_IF_ERROR(store.WriteRecord(model.folder, record));
  model.stored = record;
  events->Warning(object, "ModelDamaged",
                  fmt::format("{}: {}", model.key.ToString(), record.damage));
  LogWarning("a cached model is damaged",
             {{"model", model.key.ToString()}, {"problem", record.damage}});
  if (model.state.health == Health::kDamaged) {
    KINGLET_RETURN_IF_ERROR(store.Invalidate(model.folder, model.state));
    model.state.health = Health::kUnknown;
  }
  return {};
}

std::vector<Json> LocalModelNodeController::Impl::OwnGroups() {
  std::vector<Json> out;
  kube::ObjectPtr node = nodes.Get(key);
  if (!node) return out;
  for (const auto& group : groups.List()) {
    if (IsInNodeGroup(*group, *node)) out.push_back(*group);
  }
  return out;
}

kube::ObjectPtr LocalModelNodeController::Impl::CacheOf(const ObjectKey& model) const {
  return (model.ns.empty() ? caches : namespace_caches).Get(model);
}

void LocalModelNodeController::Impl::GiveRoom(std::vector<Model>& models,
                                              const std::vector<Json>& own_groups) {
  int64_t limit = 0;  // the tightest
  for (const Json& group : own_groups) {
    const int64_t other = Bytes(group["spec"]["storageLimit"]);
    if (other > 0 && (limit == 0 || other < limit)) limit = other;
  }
  std::vector<RoomRequest> requests;
  for (const Model& model : models) {
    kube::ObjectPtr cache = CacheOf(model.key);
    const int64_t promised = cache ? Bytes((*cache)["spec"]["modelSize"]) : 0;
    requests.push_back({.content = model.Content(),
                        .bytes = std::max({promised, model.state.bytes, model.record.bytes}),
                        .pinned = cache && (*cache)["used"].AsBool(),
                        .present = model.state.health == Health::kWhole,
                        .last_used = model.record.last_used});
  }
  const std::vector<Room> rooms = ShareRoom(requests, limit);
  for (size_t i = 0; i < models.size(); ++i) models[i].room = rooms[i];
}

Status LocalModelNodeController::Impl::Act(const Json& object, Model& model,
                                           std::span<const Model> before,
                                           const std::vector<Json>& own_groups,
                                           const api::Config& current,
                                           const std::vector<Json>& all_jobs) {
  auto same = [&](const Model& other) {
    return other.SameAs(model) && !other.error && other.room == Room::kKeep;
  };
  auto twin = std::ranges::find_if(before, same);
  ModelFacts facts{.health = model.state.health,
                   .record = model.record,
                   .job = model.job,
                   .room = model.room,
                   .twin = twin == before.end() ? nullptr : &twin->decision,
                   .twin_whole = twin != before.end() && twin->state.health == Health::kWhole};
  model.decision = Decide(facts, Now());
  if (model.decision.action == Decision::Action::kShare) {
    auto shared = store.Share(twin->folder, twin->state, model.folder, model.uri);
    if (shared) {
      LogInfo("a cached model is shared",
              {{"model", model.key.ToString()}, {"with", twin->key.ToString()}});
      KINGLET_TRY(model.state, store.Inspect(model.folder, model.uri, model.record, {}));
      model.record.whole = model.state.health == Health::kWhole;
      model.record.files = model.state.files;
      model.record.whole_since = Now();
      return {};
    }
    // Another file system, or files of a user whose files this one may not link.
    LogInfo("a model cannot be shared and is downloaded",
            {{"model", model.key.ToString()}, {"why", shared.error().message()}});
    facts.twin = nullptr;
    model.decision = Decide(facts, Now());
  }
  switch (model.decision.action) {
    case Decision::Action::kNothing:
    case Decision::Action::kShare:
      if (model.decision.state == "ModelDownloadError" && model.decision.reason.empty()) {
        if (model.job) model.decision.reason = failures.Explain(*model.job);
      }
      return {};
    case Decision::Action::kAdopt:
      model.record.whole = true;
      model.record.files = model.state.files;
      model.record.bytes = model.state.bytes;
      model.record.whole_since = Now();
      model.record.damage.clear();
      return {};
    case Decision::Action::kDownload:
      return Download(object, model, own_groups, current);
    case Decision::Action::kRemove:
      model.record.whole = false;
      model.record.files.clear();
      model.record.damage.clear();
      for (const Json& job : all_jobs) {
        if (ModelOfJob(job) == model.key) KINGLET_RETURN_IF_ERROR(jobs.Delete(job));
      }
      if (model.state.health == Health::kMissing) return {};
      LogInfo("a cached model is removed to make room", {{"model", model.key.ToString()}});
      return store.Remove(model.folder);
  }
  return {};
}

Status LocalModelNodeController::Impl::Download(const Json& object, Model& model,
                                                const std::vector<Json>& own_groups,
                                                const api::Config& current) {
  const api::LocalModelConfig& settings = *current.local_model;
  // The group that the model was given to comes first; a node may be in several.
  std::string group = model.group;
  if (group.empty() && !own_groups.empty()) group = kube::Name(own_groups[0]);
  if (auto cache = CacheOf(model.key); cache && model.group.empty()) {
    for (const Json& wanted : (*cache)["spec"]["nodeGroups"].AsArray()) {
      auto has_name = [&](const Json& other) { return kube::Name(other) == wanted.AsString(); };
      if (std::ranges::none_of(own_groups, has_name)) continue;
      group = wanted.AsString();
      break;
    }
  }
  auto launch = [&]() -> Result<Json> {
    if (group.empty()) {
      return Fail(Code::kNotFound, "did not find matching nodegroup for node: {}", options.node);
    }
    KINGLET_RETURN_IF_ERROR(CheckSource(model.key, model.uri));
    std::vector<Json> storage_containers;
    for (const auto& container : containers.List()) storage_containers.push_back(*container);
    KINGLET_TRY(Json container, DownloadContainer(storage_containers, model.uri, settings));
    Json job = MakeDownloadJob({.model = model.key,
                                .uri = model.uri,
                                .service_account = model.credentials.service_account,
                                .node = options.node,
                                .claim = DownloadClaimName(model.key, group),
                                .max_bytes = LimitOf(group),
                                .scheduled = !model.group.empty()},
                               std::move(container), settings);
    if (auto added = AddJobCredentials(client, current.credentials, model.credentials, job);
        !added) {
      if (added.error().code() == Code::kPermissionDenied && !model.key.ns.empty()) {
        return Unexpected(added.error());
      }
      // The source may be one that needs none; if not, the job says so.
      const std::string why = fmt::format("{}: {}", model.key.ToString(), added.error().message());
      LogWarning("a download job lacks credentials", {{"why", why}});
      events->Warning(object, "CredentialsNotAdded", why);
    }
    KINGLET_RETURN_IF_ERROR(kube::SetControllerReference(job, object));
    // Counted first: what happens between must not make the attempts endless.
    if (model.decision.again) {
      ++model.record.attempts;
      model.record.damage = model.decision.damage;
      model.record.last_attempt = Now();
      KINGLET_RETURN_IF_ERROR(store.WriteRecord(model.folder, model.record));
      model.stored = model.record;
    }
    KINGLET_RETURN_IF_ERROR(store.MakeFolder(model.folder));
    return client.Create(kube::kJob, job);
  };
  auto job = launch();
  if (!job) {
    if (job.error().code() == Code::kPermissionDenied) {
      model.decision.state = "ModelDownloadError";
    }
    model.decision.reason = job.error().message();
    return Unexpected(job.error().WithContext(fmt::format("model {}", model.key.ToString())));
  }
  model.decision.state = ModelStateOfJob(*job);
  LogInfo("a download job is made", {{"model", model.key.ToString()},
                                     {"job", kube::KeyOf(*job).ToString()},
                                     {"why", model.decision.reason}});
  return {};
}

LocalModelNodeController::LocalModelNodeController(kube::Client& client, Options options)
    : impl_(std::make_unique<Impl>(client, std::move(options))) {}

LocalModelNodeController::~LocalModelNodeController() = default;

void LocalModelNodeController::Start(std::stop_token stop) {
  impl_->neighbours.SetStop(stop);
  impl_->node_models.Start(stop);
  impl_->controller.Start(stop);
}

bool LocalModelNodeController::WaitForSync(Deadline deadline, std::stop_token stop) {
  return impl_->node_models.WaitForSync(deadline, stop);
}

void LocalModelNodeController::Join() {
  impl_->controller.Join();
  impl_->jobs.StopWatch();  // it wakes the controller
}

bool LocalModelNodeController::Idle() const { return impl_->controller.Idle(); }

}  // namespace kinglet::control
