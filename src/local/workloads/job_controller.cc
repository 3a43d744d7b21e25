#include "local/workloads/job_controller.h"

#include "kube/apply.h"
#include "kube/conditions.h"
#include "kube/object.h"
#include "local/workloads/job.h"

namespace kinglet::workloads {

using kube::ObjectKey;
using kube::ReconcileResult;

JobController::JobController(kube::Client& client, kube::InformerFactory& factory,
                             kube::EventRecorder& events, const Clock& clock,
                             MetricsRegistry* metrics)
    : client_(client),
      events_(events),
      clock_(clock),
      jobs_(factory.For(kube::kJob)),
      pods_(factory.For(kube::kPod)),
      controller_({.name = "job",
                   .workers = 2,
                   .metrics = metrics,
                   .clock = &clock,
                   .max_delay = std::chrono::seconds(30)},
                  [this](const ObjectKey& key, std::stop_token) { return Reconcile(key); }) {
  controller_.Watch(jobs_);
  controller_.WatchOwned(pods_, kube::kJob);
}

Result<ReconcileResult> JobController::Reconcile(const ObjectKey& key) {
  if (!expectations_.Met(key, pods_)) return ReconcileResult::After(std::chrono::seconds(5));
  // Not the watched one: what was counted a moment ago must not be counted again.
  auto job = client_.Get(kube::kJob, key);
  if (!job && job.error().code() != Code::kNotFound) return Unexpected(job.error());
  const bool counting = job && !kube::IsDeleting(*job);
  if (counting && !(*job)["spec"]["managedBy"].AsString().empty()) return ReconcileResult::Done();
  std::vector<Json> pods;
  for (const auto& pod : PodsOf(key)) {
    if (counting && kube::IsControlledBy(*pod, *job)) {
      pods.push_back(*pod);
    } else {
      // Of a Job that is gone: nobody counts it any more.
      KINGLET_RETURN_IF_ERROR(Free(*pod));
    }
  }
  if (!counting) {
    expectations_.Forget(key);
    return ReconcileResult::Done();
  }
  const JobPlan plan = PlanJob(*job, pods, clock_.Wall());
  KINGLET_RETURN_IF_ERROR(Apply(key, *std::move(job), plan));
  return ReconcileResult::After(plan.check_after.value_or(Duration::zero()));
}

std::vector<kube::ObjectPtr> JobController::PodsOf(const ObjectKey& key) const {
  std::vector<kube::ObjectPtr> pods = pods_.List(key.ns);
  std::erase_if(pods, [&](const kube::ObjectPtr& pod) {
    const Json* owner = kube::ControllerOf(*pod);
    return !owner || (*owner)["kind"].AsString() != kube::kJob.kind ||
           (*owner)["name"].AsString() != key.name;
  });
  return pods;
}

Status JobController::Free(const Json& pod) {
  if (!kube::HasFinalizer(pod, kJobFinalizer)) return {};
  auto freed = kube::DropFinalizer(client_, kube::kPod, pod, kJobFinalizer);
  if (!freed && freed.error().code() != Code::kNotFound) return Unexpected(freed.error());
  return {};
}

Status JobController::Apply(const ObjectKey& key, Json job, const JobPlan& plan) {
  if (!kube::SemanticallyEqual(job["status"], plan.status)) {
    job.Set("status", plan.status);
    KINGLET_TRY(job, client_.UpdateStatus(kube::kJob, job));
  }
  if (!plan.reason.empty()) {
    const bool bad = kube::IsConditionTrue(job, "Failed");
    events_.Event(job, bad ? "Warning" : "Normal", plan.reason, plan.message);
  }
  for (const Json* pod : plan.free) KINGLET_RETURN_IF_ERROR(Free(*pod));
  for (const Json* pod : plan.remove) {
    KINGLET_RETURN_IF_ERROR(
        client_.DeleteIfExists(kube::kPod, kube::KeyOf(*pod), {.uid = kube::Uid(*pod)}));
    expectations_.Deleted(key, *pod);
    events_.Normal(job, "SuccessfulDelete", "Deleted pod: " + kube::Name(*pod));
  }
  for (int64_t made = 0; made < plan.create; ++made) {
    auto pod = client_.Create(kube::kPod, MakeJobPod(job));
    if (!pod) {
      events_.Warning(job, "FailedCreate", "Error creating: " + pod.error().message());
      return Unexpected(pod.error());
    }
    expectations_.Created(key, *pod);
    events_.Normal(job, "SuccessfulCreate", "Created pod: " + kube::Name(*pod));
  }
  if (!plan.expired) return {};
  return client_.DeleteIfExists(
      kube::kJob, key,
      {.propagation = kube::DeleteOptions::Propagation::kBackground, .uid = kube::Uid(job)});
}

}  // namespace kinglet::workloads
