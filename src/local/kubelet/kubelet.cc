#include "local/kubelet/kubelet.h"

#include <map>
#include <set>

#include "base/log.h"
#include "kube/apply.h"
#include "kube/conditions.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/informer.h"
#include "kube/object.h"
#include "local/kubelet/context.h"
#include "local/kubelet/node.h"
#include "local/kubelet/pod_worker.h"
#include "local/kubelet/scheduling.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

class KubeletImpl : public Kubelet {
 public:
  KubeletImpl(kube::Client& client, Options options)
      : client_(client),
        options_(std::move(options)),
        events_(kube::MakeEventRecorder(client, "kubelet")) {
    if (options_.bin_dir.empty()) options_.bin_dir = ExecutableDir();
  }

  ~KubeletImpl() override { Stop(Deadline::After(Duration::zero())); }

  Status Start() override {
    std::error_code error;
    fs::create_directories(options_.data_dir / "pods", error);
    // Pods see their own parts of it through mounts; nobody else has business there.
    if (!error) fs::permissions(options_.data_dir / "pods", fs::perms::owner_all, error);
    if (error) {
      return Fail(Code::kPermissionDenied, "cannot make the folder {}: {}",
                  (options_.data_dir / "pods").string(), error.message());
    }
    fs::path data_dir = fs::canonical(options_.data_dir, error);
    fs::path bin_dir = fs::weakly_canonical(options_.bin_dir, error);
    capabilities_ = ProbeCapabilities(bin_dir, options_.isolation,
                                      FindHostIds(data_dir, options_.first_host_id));
    if (options_.isolation == IsolationChoice::kNamespaces &&
        capabilities_.isolation != Isolation::kNamespaces) {
      const Capabilities::Note& note = capabilities_.notes.front();
      return Fail(Code::kFailedPrecondition, "{} To change that: {}", note.what, note.next);
    }
    for (const Capabilities::Note& note : capabilities_.notes) {
      if (note.warning) LogWarning(note.what, {{"next", note.next}});
    }
    NodeFacts facts = ReadNodeFacts(options_.node_name);
    context_.reset(new Context{.client = client_,
                               .events = *events_,
                               .data_dir = data_dir,
                               .bin_dir = bin_dir,
                               .extra_host_paths = options_.extra_host_paths,
                               .node_name = options_.node_name,
                               .host_ip = facts.ip,
                               .node_cpu_milli = facts.cpu_milli,
                               .node_memory = facts.memory,
                               .capabilities = capabilities_,
                               .images = ImageTable(bin_dir, options_.extra_images),
                               .before_stop = options_.before_stop,
                               .max_relayed = options_.max_relayed});
    context_->services.Start(stop_.get_token());
    KINGLET_RETURN_IF_ERROR(RegisterNode(facts));
    pods_ = std::make_unique<kube::Informer>(client_, kube::kPod);
    controller_ = std::make_unique<kube::Controller>(
        kube::ControllerOptions{.name = "kubelet",
                                .workers = 2,
                                .metrics = options_.metrics,
                                .max_delay = std::chrono::seconds(5)},
        [this](const kube::ObjectKey& key, std::stop_token) { return Reconcile(key); });
    nodes_ = std::make_unique<kube::Informer>(
        client_, kube::kNode,
        kube::InformerOptions{.field_selector = "metadata.name=" + options_.node_name});
    claims_ = std::make_unique<kube::Informer>(client_, kube::kPersistentVolumeClaim);
    controller_->Watch(*pods_);
    // What may have kept a pod from being taken.
    auto waiting = [this](const Json&) { return UnclaimedPods(); };
    controller_->Watch(*nodes_, waiting);
    controller_->Watch(*claims_, waiting);
    for (kube::Informer* informer : {pods_.get(), nodes_.get(), claims_.get()}) {
      informer->Start(stop_.get_token());
    }
    for (kube::Informer* informer : {pods_.get(), nodes_.get(), claims_.get()}) {
      if (!informer->WaitForSync(Deadline::After(std::chrono::seconds(30)))) {
        return Fail(Code::kUnavailable, "the API server does not list {}", informer->type().plural);
      }
    }
    if (!context_->services.WaitForSync(Deadline::After(std::chrono::seconds(30)))) {
      return Fail(Code::kUnavailable, "the API server does not list services");
    }
    RemoveStaleFolders();
    controller_->Start(stop_.get_token());
    return {};
  }

  void Stop(Deadline deadline) override {
    stop_.request_stop();
    if (controller_) controller_->Join();
    std::map<std::string, std::shared_ptr<PodWorker>> workers;
    workers_.With([&](auto& map) { workers = map; });
    for (auto& [uid, worker] : workers) worker->ShutDown(deadline);
    for (auto& [uid, worker] : workers) worker->Join();
    workers.clear();
    workers_.With([&](auto& map) { map.clear(); });
    if (events_) events_->Flush(deadline);
    controller_.reset();
    claims_.reset();
    nodes_.reset();
    pods_.reset();
  }

  const Capabilities& capabilities() const override { return capabilities_; }

  Status ReadLogs(const std::string& pod_namespace, const std::string& pod_name,
                  const std::string& container, const LogOptions& options, const LogSink& sink,
                  std::stop_token stop) override {
    auto pod = client_.Get(kube::kPod, {pod_namespace, pod_name});
    if (!pod) return Unexpected(pod.error());
    std::vector<std::string> names;
    for (const char* list : {"containers", "initContainers"}) {
      for (const Json& each : (*pod)["spec"][list].AsArray()) {
        names.push_back(each["name"].AsString());
      }
    }
    std::string name = container;
    if (name.empty()) {
      if ((*pod)["spec"]["containers"].size() != 1) {
        return Fail(Code::kInvalidArgument, "a container name must be specified for pod {}",
                    pod_name);
      }
      name = (*pod)["spec"]["containers"][0]["name"].AsString();
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return Fail(Code::kInvalidArgument, "container {} is not valid for pod {}", name, pod_name);
    }
    std::string uid = kube::Uid(*pod);
    auto worker = workers_.With([&](auto& map) {
      auto it = map.find(uid);
      return it == map.end() ? nullptr : it->second;
    });
    PodWorker::LogRun run;
    if (worker) run = worker->FindLogRun(name, options.previous);
    if (!run.exists) {
      if (options.previous) {
        return Fail(Code::kInvalidArgument,
                    "previous terminated container \"{}\" in pod \"{}\" not found", name, pod_name);
      }
      std::string why = "ContainerCreating";
      for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
        for (const Json& status : (*pod)["status"][list].AsArray()) {
          if (status["name"].AsString() != name) continue;
          const Json& waiting = status["state"]["waiting"];
          why = waiting["reason"].StringOr(why);
          if (!waiting["message"].AsString().empty()) why += ": " + waiting["message"].AsString();
        }
      }
      return Fail(Code::kInvalidArgument, "container \"{}\" in pod \"{}\" is waiting to start: {}",
                  name, pod_name, why);
    }
    fs::path path = LogPath(context_->PodDir(uid), name, run.run);
    return ReadLogFile(
        path, options, sink,
        [&] {
          PodWorker::LogRun now = worker->FindLogRun(name, false);
          return worker->Finished() || now.run != run.run || !now.live;
        },
        stop);
  }

 private:
  Status RegisterNode(const NodeFacts& facts) {
    node_ = MakeNode(facts, capabilities_, Clock::System().Wall());
    for (const auto& [key, value] : options_.node_labels) {
      node_.Path({"metadata", "labels"}).Set(key, value);
    }
    Json status = node_["status"];
    auto made = client_.Create(kube::kNode, node_);
    if (!made && made.error().code() != Code::kAlreadyExists) {
      return Unexpected(made.error().WithContext("cannot register the node"));
    }
    if (!made) {
      Json meta = Json::MakeObject(
          {{"metadata", Json::MakeObject({{"labels", kube::Labels(node_)},
                                          {"annotations", kube::Annotations(node_)}})}});
      made = client_.Patch(kube::kNode, {"", facts.name}, kube::PatchType::kMerge, meta);
    }
    kube::WriteOptions options;
    options.subresource = "status";
    made = client_.Patch(kube::kNode, {"", facts.name}, kube::PatchType::kMerge,
                         Json::MakeObject({{"status", status}}), options);
    if (!made) return Unexpected(made.error().WithContext("cannot register the node"));
    node_ = std::move(*made);
    events_->Normal(node_, "Starting",
                    "Pods run with isolation by " +
                        std::string(IsolationName(capabilities_.isolation)) + ". " +
                        capabilities_.notes.back().what);
    return {};
  }

  void RemoveStaleFolders() {
    std::set<std::string> known;
    for (const auto& pod : pods_->List()) known.insert(kube::Uid(*pod));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(context_->data_dir / "pods", error)) {
      if (!known.contains(entry.path().filename().string())) RemovePodFolder(entry.path());
    }
  }

  Result<kube::ReconcileResult> Reconcile(const kube::ObjectKey& key) {
    kube::ObjectPtr pod = pods_->Get(key);
    std::string uid = pod ? kube::Uid(*pod) : "";
    // Workers of earlier pods of that name, and those that have nothing left to do.
    std::vector<std::shared_ptr<PodWorker>> finished;
    workers_.With([&](auto& map) {
      for (auto it = map.begin(); it != map.end();) {
        auto& [worker_uid, worker] = *it;
        if (auto name = names_.find(worker_uid);
            name != names_.end() && name->second == key && worker_uid != uid) {
          worker->Vanished();
          names_.erase(name);
        }
        if (worker->Finished() && worker_uid != uid) {
          finished.push_back(worker);
          it = map.erase(it);
        } else {
          ++it;
        }
      }
    });
    finished.clear();  // joins outside the lock
    if (!pod) return kube::ReconcileResult::Done();
    const std::string& node = (*pod)["spec"]["nodeName"].AsString();
    if (node.empty()) return Claim(*pod);
    if (node != options_.node_name) return kube::ReconcileResult::Done();
    Adopt(*pod);
    return kube::ReconcileResult::Done();
  }

  void Adopt(const Json& pod) {
    const std::string& uid = kube::Uid(pod);
    workers_.With([&](auto& map) {
      auto& worker = map[uid];
      if (worker) {
        worker->Update(pod);
      } else {
        worker = std::make_shared<PodWorker>(*context_, pod);
        names_[uid] = kube::KeyOf(pod);
      }
    });
  }

  std::vector<kube::ObjectKey> UnclaimedPods() const {
    std::vector<kube::ObjectKey> keys;
    for (const auto& pod : pods_->List()) {
      if ((*pod)["spec"]["nodeName"].AsString().empty()) keys.push_back(kube::KeyOf(*pod));
    }
    return keys;
  }

  Result<kube::ReconcileResult> Claim(const Json& pod) {
    if (kube::IsDeleting(pod)) {
      kube::DeleteOptions options;
      options.grace_period_seconds = 0;
      options.uid = kube::Uid(pod);
      KINGLET_RETURN_IF_ERROR(client_.DeleteIfExists(kube::kPod, kube::KeyOf(pod), options));
      return kube::ReconcileResult::Done();
    }
    kube::ObjectPtr node = nodes_->Get({.ns = "", .name = options_.node_name});
    KINGLET_TRY(std::string why,
                WhyUnschedulable(pod, node ? *node : node_,
                                 [&](const kube::ResourceType& type, const std::string& name) {
                                   return client_.Get(
                                       type, {type.namespaced ? kube::Namespace(pod) : "", name});
                                 }));
    if (!why.empty()) {
      Json changed = pod;
      bool news = kube::SetMetaCondition(
          changed,
          {.type = "PodScheduled", .status = "False", .reason = "Unschedulable", .message = why},
          Clock::System().Wall());
      if (!news) return kube::ReconcileResult::Done();
      events_->Warning(pod, "FailedScheduling", why);
      changed.Ref("status").Set("phase", "Pending");
      KINGLET_TRY(auto written, client_.UpdateStatus(kube::kPod, changed));
      (void)written;
      return kube::ReconcileResult::Done();
    }
    Json patch = Json::MakeObject({{"metadata", Json::MakeObject({{"uid", kube::Uid(pod)}})},
                                   {"spec", Json::MakeObject({{"nodeName", options_.node_name}})}});
    auto claimed = client_.Patch(kube::kPod, kube::KeyOf(pod), kube::PatchType::kMerge, patch);
    if (!claimed) {
      if (claimed.error().code() == Code::kNotFound) return kube::ReconcileResult::Done();
      return Unexpected(claimed.error());
    }
    events_->Normal(*claimed, "Scheduled",
                    fmt::format("Successfully assigned {} to {}", kube::KeyOf(pod).ToString(),
                                options_.node_name));
    // Not waiting for the watch to say what we just did.
    Adopt(*claimed);
    return kube::ReconcileResult::Done();
  }

  kube::Client& client_;
  Options options_;
  std::unique_ptr<kube::EventRecorder> events_;
  Capabilities capabilities_;
  std::unique_ptr<Context> context_;
  Json node_;
  std::stop_source stop_;
  Guarded<std::map<std::string, std::shared_ptr<PodWorker>>> workers_;  // by uid
  std::map<std::string, kube::ObjectKey> names_;                        // under workers_' lock
  std::unique_ptr<kube::Informer> pods_, nodes_, claims_;
  std::unique_ptr<kube::Controller> controller_;
};

}  // namespace

std::unique_ptr<Kubelet> Kubelet::Make(kube::Client& client, Options options) {
  return std::make_unique<KubeletImpl>(client, std::move(options));
}

}  // namespace kinglet::kubelet
