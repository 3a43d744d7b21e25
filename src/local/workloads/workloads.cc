#include "local/workloads/workloads.h"

#include <algorithm>

#include "kube/conditions.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/informer.h"
#include "kube/object.h"
#include "local/workloads/deployment.h"
#include "local/workloads/endpoints.h"
#include "local/workloads/expectations.h"
#include "local/workloads/job_controller.h"
#include "local/workloads/replica_set.h"
#include "local/workloads/volume_binder.h"

namespace kinglet::workloads {
namespace {

using kube::ObjectKey;
using kube::ReconcileResult;

class WorkloadsImpl : public Workloads {
 public:
  WorkloadsImpl(kube::Client& client, Options options)
      : client_(client),
        clock_(options.clock ? *options.clock : Clock::System()),
        events_(kube::MakeEventRecorder(client, "workload-controller", clock_)),
        factory_(client, clock_),
        pods_(factory_.For(kube::kPod)),
        sets_(factory_.For(kube::kReplicaSet)),
        deployments_(factory_.For(kube::kDeployment)),
        services_(factory_.For(kube::kService)),
        endpoints_(factory_.For(kube::kEndpoints)),
        slices_(factory_.For(kube::kEndpointSlice)),
        scalers_(factory_.For(kube::kHorizontalPodAutoscaler)),
        jobs_(client, factory_, *events_, clock_, options.metrics),
        volumes_(client, factory_, *events_, clock_, options.metrics) {
    pods_.AddIndex("controller", kube::IndexByControllerUid);
    sets_.AddIndex("controller", kube::IndexByControllerUid);
    auto make = [&](std::string name, auto method) {
      kube::ControllerOptions controller{.name = std::move(name),
                                         .workers = 2,
                                         .metrics = options.metrics,
                                         .clock = options.clock,
                                         .max_delay = std::chrono::seconds(30)};
      controllers_.push_back(std::make_unique<kube::Controller>(
          controller,
          [this, method](const ObjectKey& key, std::stop_token) { return (this->*method)(key); }));
      return controllers_.back().get();
    };
    kube::Controller* deployments = make("deployment", &WorkloadsImpl::ReconcileDeployment);
    deployments->Watch(deployments_);
    deployments->WatchOwned(sets_, kube::kDeployment);
    // Recreate waits for the last old pod to go.
    deployments->Watch(
        pods_, [this](const Json& pod) { return DeploymentsOf(pod); },
        [](const Json*, const Json* now) { return !now || !IsActivePod(*now); });
    kube::Controller* sets = make("replicaset", &WorkloadsImpl::ReconcileReplicaSet);
    sets->Watch(sets_);
    sets->WatchOwned(pods_, kube::kReplicaSet);
    kube::Controller* services = make("endpoints", &WorkloadsImpl::ReconcileService);
    services->Watch(services_);
    services->Watch(endpoints_);
    services->Watch(slices_, [](const Json& slice) {
      return std::vector<ObjectKey>{
          {kube::Namespace(slice), kube::Label(slice, "kubernetes.io/service-name")}};
    });
    services->Watch(pods_, [this](const Json& pod) { return ServicesOf(pod); });
    kube::Controller* scalers = make("horizontalpodautoscaler", &WorkloadsImpl::ReconcileScaler);
    scalers->Watch(scalers_);
    scalers->Watch(
        deployments_, [this](const Json& target) { return ScalersOf(target); },
        kube::GenerationChanged);
  }

  ~WorkloadsImpl() override { Stop(); }

  Status Start() override {
    factory_.Start(stop_.get_token());
    if (!factory_.WaitForSync(Deadline::After(std::chrono::seconds(30)), stop_.get_token())) {
      return Fail(Code::kUnavailable,
                  "the API server does not list the kinds that workload controllers need");
    }
    for (auto& controller : controllers_) controller->Start(stop_.get_token());
    jobs_.Start(stop_.get_token());
    volumes_.Start(stop_.get_token());
    return {};
  }

  void Stop() override {
    stop_.request_stop();
    for (auto& controller : controllers_) controller->Join();
    jobs_.Join();
    volumes_.Join();
  }

 private:
  std::vector<ObjectKey> DeploymentsOf(const Json& pod) {
    const Json* owner = kube::ControllerOf(pod);
    if (!owner || (*owner)["kind"].AsString() != "ReplicaSet") return {};
    auto set = sets_.Get({kube::Namespace(pod), (*owner)["name"].AsString()});
    const Json* deployment = set ? kube::ControllerOf(*set) : nullptr;
    if (!deployment) return {};
    return {{kube::Namespace(pod), (*deployment)["name"].AsString()}};
  }

  std::vector<ObjectKey> ServicesOf(const Json& pod) {
    std::vector<ObjectKey> keys;
    for (const auto& service : services_.List(kube::Namespace(pod))) {
      const Json& selector = (*service)["spec"]["selector"];
      if (!selector.empty() && kube::LabelSelector::FromMap(selector).Matches(kube::Labels(pod))) {
        keys.push_back(kube::KeyOf(*service));
      }
    }
    return keys;
  }

  std::vector<ObjectKey> ScalersOf(const Json& target) {
    std::vector<ObjectKey> keys;
    for (const auto& scaler : scalers_.List(kube::Namespace(target))) {
      const Json& reference = (*scaler)["spec"]["scaleTargetRef"];
      if (reference["kind"].AsString() == "Deployment" &&
          reference["name"].AsString() == kube::Name(target)) {
        keys.push_back(kube::KeyOf(*scaler));
      }
    }
    return keys;
  }

  // Writes status where it differs. A conflict or a vanished object is the watch's business.
  Status WriteStatus(const kube::ResourceType& type, const Json& object, const Json& status) {
    if (kube::SemanticallyEqual(object["status"], status)) return {};
    Json changed = object;
    changed.Set("status", status);
    auto written = client_.UpdateStatus(type, changed);
    if (!written && written.error().code() != Code::kNotFound) {
      return Unexpected(written.error());
    }
    return {};
  }

  Result<ReconcileResult> ReconcileDeployment(const ObjectKey& key) {
    auto deployment = deployments_.Get(key);
    if (!deployment || kube::IsDeleting(*deployment)) return ReconcileResult::Done();
    std::vector<Json> sets;
    for (const auto& set : sets_.ByIndex("controller", kube::Uid(*deployment))) {
      if (!kube::IsDeleting(*set)) sets.push_back(*set);
    }
    const Json* newest = FindNewReplicaSet(*deployment, sets);
    int64_t old_pods = 0;
    for (const Json& set : sets) {
      if (&set == newest) continue;
      for (const auto& pod : pods_.ByIndex("controller", kube::Uid(set))) {
        const std::string& phase = (*pod)["status"]["phase"].AsString();
        old_pods += phase != "Succeeded" && phase != "Failed";
      }
    }
    auto plan = PlanDeployment(*deployment, sets, old_pods);
    if (!plan) {
      events_->Warning(*deployment, "InvalidSpec", plan.error().message());
      return ReconcileResult::Terminal(plan.error());
    }
    KINGLET_RETURN_IF_ERROR(ApplyPlan(*deployment, newest, *plan, sets));
    DeploymentStatus status = MakeDeploymentStatus(*deployment, sets, clock_.Wall());
    KINGLET_RETURN_IF_ERROR(WriteStatus(kube::kDeployment, *deployment, status.status));
    return ReconcileResult::After(status.check_after.value_or(Duration::zero()));
  }

  Status ApplyPlan(const Json& deployment, const Json* newest, const DeploymentPlan& plan,
                   std::vector<Json>& sets) {
    const std::string& ns = kube::Namespace(deployment);
    if (plan.create) {
      auto made = client_.Create(kube::kReplicaSet, *plan.create);
      if (made) {
        events_->Normal(deployment, "ScalingReplicaSet",
                        fmt::format("Scaled up replica set {} from 0 to {}", kube::Name(*made),
                                    (*made)["spec"]["replicas"].AsInt()));
        sets.push_back(std::move(*made));
      } else if (made.error().code() == Code::kAlreadyExists) {
        KINGLET_RETURN_IF_ERROR(ResolveCollision(deployment, *plan.create));
      } else {
        events_->Warning(deployment, "FailedCreate", made.error().message());
        return Unexpected(made.error());
      }
    } else if (newest && kube::Annotation(*newest, kRevisionAnnotation) != plan.revision) {
      KINGLET_RETURN_IF_ERROR(Annotate(kube::kReplicaSet, *newest, plan.revision));
    }
    if (kube::Annotation(deployment, kRevisionAnnotation) != plan.revision) {
      KINGLET_RETURN_IF_ERROR(Annotate(kube::kDeployment, deployment, plan.revision));
    }
    for (const auto& [name, replicas] : plan.scale) {
      auto before = sets_.Get({ns, name});
      Json patch = Json::MakeObject({{"spec", Json::MakeObject({{"replicas", replicas}})}});
      auto written = client_.Patch(kube::kReplicaSet, {ns, name}, kube::PatchType::kMerge, patch);
      if (!written) return Unexpected(written.error());
      int64_t was = before ? (*before)["spec"]["replicas"].AsInt(1) : 0;
      events_->Normal(deployment, "ScalingReplicaSet",
                      fmt::format("Scaled {} replica set {} from {} to {}",
                                  replicas > was ? "up" : "down", name, was, replicas));
    }
    for (const std::string& name : plan.remove) {
      KINGLET_RETURN_IF_ERROR(client_.DeleteIfExists(kube::kReplicaSet, {ns, name}));
    }
    return {};
  }

  Status Annotate(const kube::ResourceType& type, const Json& object, const std::string& revision) {
    Json patch = Json::MakeObject();
    patch.Path({"metadata", "annotations"}).Set(kRevisionAnnotation, revision);
    auto written = client_.Patch(type, kube::KeyOf(object), kube::PatchType::kMerge, patch);
    if (!written && written.error().code() != Code::kNotFound) return Unexpected(written.error());
    return {};
  }

  // The name is taken: by our own set that the informer has not shown yet, or by a stranger, whom
  // the next name avoids.
  Status ResolveCollision(const Json& deployment, const Json& wanted) {
    KINGLET_TRY(Json there, client_.Get(kube::kReplicaSet, kube::KeyOf(wanted)));
    if (kube::IsControlledBy(there, deployment) &&
        FindNewReplicaSet(deployment, {there}) != nullptr) {
      return {};
    }
    Json status = deployment["status"].IsObject() ? deployment["status"] : Json::MakeObject();
    status.Set("collisionCount", status["collisionCount"].AsInt() + 1);
    return WriteStatus(kube::kDeployment, deployment, status);
  }

  Result<ReconcileResult> ReconcileReplicaSet(const ObjectKey& key) {
    auto set = sets_.Get(key);
    if (!set) {
      expectations_.Forget(key);
      return ReconcileResult::Done();
    }
    if (!expectations_.Met(key, pods_)) return ReconcileResult::After(std::chrono::seconds(5));
    std::vector<Json> active;
    for (const auto& pod : pods_.ByIndex("controller", kube::Uid(*set))) {
      if (IsActivePod(*pod)) active.push_back(*pod);
    }
    std::string failure;
    if (!kube::IsDeleting(*set)) failure = Scale(key, *set, active);
    ReplicaSetStatus status = MakeReplicaSetStatus(*set, active, failure, clock_.Wall());
    KINGLET_RETURN_IF_ERROR(WriteStatus(kube::kReplicaSet, *set, status.status));
    if (!failure.empty()) return Fail(Code::kUnavailable, "{}", failure);
    return ReconcileResult::After(status.check_after.value_or(Duration::zero()));
  }

  // Why it could not be done, or "".
  std::string Scale(const ObjectKey& key, const Json& set, const std::vector<Json>& active) {
    int64_t missing = set["spec"]["replicas"].AsInt(1) - static_cast<int64_t>(active.size());
    for (; missing > 0; --missing) {
      auto made = client_.Create(kube::kPod, MakePod(set));
      if (!made) {
        events_->Warning(set, "FailedCreate", "Error creating: " + made.error().message());
        return made.error().message();
      }
      expectations_.Created(key, *made);
      events_->Normal(set, "SuccessfulCreate", "Created pod: " + kube::Name(*made));
    }
    if (missing == 0) return "";
    for (const Json* pod : ChooseVictims(active, static_cast<size_t>(-missing))) {
      kube::DeleteOptions options;
      options.uid = kube::Uid(*pod);
      Status gone = client_.DeleteIfExists(kube::kPod, kube::KeyOf(*pod), options);
      if (!gone) {
        events_->Warning(set, "FailedDelete", "Error deleting: " + gone.error().message());
        return gone.error().message();
      }
      expectations_.Deleted(key, *pod);
      events_->Normal(set, "SuccessfulDelete", "Deleted pod: " + kube::Name(*pod));
    }
    return "";
  }

  Result<ReconcileResult> ReconcileService(const ObjectKey& key) {
    auto service = services_.Get(key);
    if (!service || kube::IsDeleting(*service)) {
      // The owner reference ends them, too; a name that comes back must not find old addresses.
      auto left = endpoints_.Get(key);
      if (left && kube::ControllerOf(*left)) {
        KINGLET_RETURN_IF_ERROR(client_.DeleteIfExists(kube::kEndpoints, key));
      }
      return ReconcileResult::Done();
    }
    std::vector<Json> pods;
    const Json& selector = (*service)["spec"]["selector"];
    if (!selector.empty()) {
      for (const auto& pod : pods_.List(key.ns, kube::LabelSelector::FromMap(selector))) {
        pods.push_back(*pod);
      }
    }
    Json wanted = MakeEndpoints(*service, pods);
    if (wanted.IsNull()) return ReconcileResult::Done();
    KINGLET_RETURN_IF_ERROR(Put(kube::kEndpoints, endpoints_, wanted, {"subsets"}));
    KINGLET_RETURN_IF_ERROR(Put(kube::kEndpointSlice, slices_, MakeEndpointSlice(*service, wanted),
                                {"endpoints", "ports"}));
    return ReconcileResult::Done();
  }

  // Creates the object or brings the named members of the one there to what is wanted.
  Status Put(const kube::ResourceType& type, const kube::Informer& informer, const Json& wanted,
             std::initializer_list<std::string_view> members) {
    auto there = informer.Get(kube::KeyOf(wanted));
    if (!there) {
      auto made = client_.Create(type, wanted);
      if (!made && made.error().code() != Code::kAlreadyExists) return Unexpected(made.error());
      return {};
    }
    bool differs = false;
    Json changed = *there;
    for (std::string_view member : members) {
      differs |= !kube::SemanticallyEqual((*there)[member], wanted[member]);
      changed.Set(member, wanted[member]);
    }
    if (!differs) return {};
    auto written = client_.Update(type, changed);
    if (!written && written.error().code() != Code::kNotFound) return Unexpected(written.error());
    return {};
  }

  // There are no metrics here, and the object says so. Its bounds still hold.
  Result<ReconcileResult> ReconcileScaler(const ObjectKey& key) {
    auto scaler = scalers_.Get(key);
    if (!scaler || kube::IsDeleting(*scaler)) return ReconcileResult::Done();
    const Json& spec = (*scaler)["spec"];
    auto target = deployments_.Get({key.ns, spec["scaleTargetRef"]["name"].AsString()});
    Json changed = *scaler;
    int64_t current = 0;
    if (target) {
      current = (*target)["spec"]["replicas"].AsInt(1);
      int64_t least = std::max<int64_t>(spec["minReplicas"].AsInt(1), 1);
      int64_t wanted = std::clamp(current, least, std::max(spec["maxReplicas"].AsInt(1), least));
      if (current == 0) wanted = 0;  // switched off by hand, as in Kubernetes
      if (wanted != current) {
        Json patch = Json::MakeObject({{"spec", Json::MakeObject({{"replicas", wanted}})}});
        auto written =
            client_.Patch(kube::kDeployment, kube::KeyOf(*target), kube::PatchType::kMerge, patch);
        if (!written) return Unexpected(written.error());
        events_->Normal(
            *scaler, "SuccessfulRescale",
            fmt::format("New size: {}; reason: Current number of replicas {} the bounds "
                        "of spec",
                        wanted, wanted > current ? "below" : "above"));
        current = wanted;
      }
    }
    Json& status = changed.Ref("status");
    status.Set("currentReplicas", current);
    status.Set("desiredReplicas", current);
    status.Set("observedGeneration", kube::Generation(*scaler));
    kube::SetMetaCondition(changed,
                           {.type = "AbleToScale",
                            .status = target ? "True" : "False",
                            .reason = target ? "SucceededGetScale" : "FailedGetScale",
                            .message = target ? "the bounds of the number of replicas are kept"
                                              : "the scale target does not exist"},
                           clock_.Wall());
    bool news = kube::SetMetaCondition(
        changed,
        {.type = "ScalingActive",
         .status = "False",
         .reason = "FailedGetResourceMetric",
         .message = "metrics are not available in standalone mode: the number of replicas stays "
                    "within minReplicas and maxReplicas but does not follow the load"},
        clock_.Wall());
    if (news) {
      events_->Warning(*scaler, "FailedGetResourceMetric",
                       kube::FindCondition(changed, "ScalingActive")->At({"message"}).AsString());
    }
    KINGLET_RETURN_IF_ERROR(
        WriteStatus(kube::kHorizontalPodAutoscaler, *scaler, changed["status"]));
    return ReconcileResult::Done();
  }

  kube::Client& client_;
  const Clock& clock_;
  std::unique_ptr<kube::EventRecorder> events_;
  std::stop_source stop_;
  kube::InformerFactory factory_;
  kube::Informer &pods_, &sets_, &deployments_, &services_, &endpoints_, &slices_, &scalers_;
  Expectations expectations_;
  std::vector<std::unique_ptr<kube::Controller>> controllers_;
  JobController jobs_;
  VolumeBinder volumes_;
};

}  // namespace

std::unique_ptr<Workloads> Workloads::Make(kube::Client& client, Options options) {
  return std::make_unique<WorkloadsImpl>(client, options);
}

}  // namespace kinglet::workloads
