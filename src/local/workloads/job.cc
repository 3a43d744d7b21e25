#include "local/workloads/job.h"

#include <algorithm>

#include "kube/conditions.h"
#include "kube/object.h"
#include "local/workloads/replica_set.h"

namespace kinglet::workloads {
namespace {

constexpr Duration kFirstBackoff = std::chrono::seconds(10);
constexpr Duration kMostBackoff = std::chrono::minutes(10);
constexpr int64_t kMostAtOnce = 500;

bool HasSucceeded(const Json& pod) { return pod["status"]["phase"].AsString() == "Succeeded"; }

// One that is being deleted is replaced, and counts as failed, at once.
bool HasFailed(const Json& pod) {
  return pod["status"]["phase"].AsString() == "Failed" ||
         (kube::IsDeleting(pod) && !HasSucceeded(pod));
}

// It ended with the machine, not by its own fault: where the machine is a laptop that would soon
// use up the attempts. (Kubernetes needs a podFailurePolicy to see it that way.)
bool WasInterrupted(const Json& pod) {
  return HasFailed(pod) && kube::IsConditionTrue(pod, "DisruptionTarget");
}

WallTime EndOf(const Json& pod) {
  WallTime end{};
  for (const Json& status : pod["status"]["containerStatuses"].AsArray()) {
    const Json& ended = status["state"]["terminated"]["finishedAt"];
    if (auto time = ParseRfc3339(ended.AsString())) end = std::max(end, *time);
  }
  if (end != WallTime{}) return end;
  auto deleted = ParseRfc3339(pod["metadata"]["deletionTimestamp"].AsString());
  auto created = ParseRfc3339(pod["metadata"]["creationTimestamp"].AsString());
  return deleted ? *deleted : created.value_or(WallTime{});
}

// Of pods that are restarted in place.
int64_t Restarts(const Json& pod) {
  int64_t count = 0;
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    for (const Json& status : pod["status"][list].AsArray()) {
      count += status["restartCount"].AsInt();
    }
  }
  return count;
}

// What standalone mode does not do is not left out in silence.
std::string WhyUnsupported(const Json& spec) {
  if (spec["completionMode"].StringOr("NonIndexed") != "NonIndexed") {
    return "standalone mode runs Jobs of completionMode NonIndexed only";
  }
  for (const char* field : {"podFailurePolicy", "successPolicy"}) {
    if (spec.Has(field)) return fmt::format("standalone mode does not know spec.{} of Jobs", field);
  }
  return "";
}

class Planner {
 public:
  Planner(const Json& job, const std::vector<Json>& pods, WallTime now)
      : job_(job), spec_(job["spec"]), pods_(pods), now_(now), changed_(job) {
    if (!changed_["status"].IsObject()) changed_.Set("status", Json::MakeObject());
  }

  JobPlan Plan() {
    Count();
    if (IsOver()) {
      Expire();
    } else if (spec_["suspend"].AsBool()) {
      Suspend();
    } else {
      Work();
    }
    Report();
    plan_.status = changed_["status"];
    return std::move(plan_);
  }

 private:
  Json& status() { return changed_.Ref("status"); }

  bool IsOver() const {
    return kube::IsConditionTrue(changed_, "Complete") || kube::IsConditionTrue(changed_, "Failed");
  }

  void Count() {
    succeeded_ = job_["status"]["succeeded"].AsInt();
    failed_ = job_["status"]["failed"].AsInt();
    const Json& before = job_["status"]["uncountedTerminatedPods"];
    Json uncounted = Json::MakeObject();
    for (const Json& pod : pods_) {
      const bool succeeded = HasSucceeded(pod), failed = HasFailed(pod);
      if (!succeeded && !failed) {
        active_.push_back(pod);
        continue;
      }
      if (!kube::HasFinalizer(pod, kJobFinalizer)) continue;
      plan_.free.push_back(&pod);
      if (WasInterrupted(pod)) continue;
      const char* list = succeeded ? "succeeded" : "failed";
      const auto& known = before[list].AsArray();
      if (std::ranges::find(known, Json(kube::Uid(pod))) == known.end()) {
        ++(succeeded ? succeeded_ : failed_);
      }
      uncounted.Ref(list).Push(kube::Uid(pod));
    }
    status().Set("uncountedTerminatedPods", std::move(uncounted));
  }

  void Expire() {
    RemoveActive();
    const Json& ttl = spec_["ttlSecondsAfterFinished"];
    if (!ttl.IsInt()) return;
    WallTime end{};
    for (const char* type : {"Complete", "Failed"}) {
      const Json* condition = kube::FindCondition(changed_, type);
      if (!condition) continue;
      end =
          std::max(end, ParseRfc3339((*condition)["lastTransitionTime"].AsString()).value_or(now_));
    }
    Wait(end + std::chrono::seconds(ttl.AsInt()));
    plan_.expired = plan_.check_after == Duration::zero();
  }

  void Suspend() {
    RemoveActive();
    status().Erase("startTime");
    Say("Suspended", "True", "JobSuspended", "Job suspended", "Suspended");
  }

  void Work() {
    if (!status().Has("startTime")) status().Set("startTime", FormatRfc3339(now_));
    if (kube::IsConditionTrue(changed_, "Suspended")) {
      Say("Suspended", "False", "JobResumed", "Job resumed", "Resumed");
    }
    if (std::string why = WhyUnsupported(spec_); !why.empty()) return Fail("NotSupported", why);
    if (PastBackoffLimit()) {
      return Fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    if (PastDeadline()) {
      return Fail("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    const Json& completions = spec_["completions"];
    const auto active = static_cast<int64_t>(active_.size());
    // Without a number of completions the first success ends it, when its peers have ended, too.
    const bool complete =
        completions.IsInt() ? succeeded_ >= completions.AsInt() : succeeded_ > 0 && active == 0;
    if (complete) {
      RemoveActive();
      status().Set("completionTime", FormatRfc3339(now_));
      return Say("Complete", "True", "CompletionsReached",
                 "Reached expected number of succeeded pods", "Completed", "Job completed");
    }
    int64_t wanted = spec_["parallelism"].AsInt(1);
    if (completions.IsInt()) {
      wanted = std::min(wanted, completions.AsInt() - succeeded_);
    } else if (succeeded_ > 0) {
      wanted = std::min(wanted, active);
    }
    if (active > wanted) {
      Remove(static_cast<size_t>(active - wanted));
    } else if (active < wanted && RestedLongEnough()) {
      plan_.create = std::min(wanted - active, kMostAtOnce);
    }
  }

  bool PastBackoffLimit() const {
    const int64_t limit = spec_["backoffLimit"].AsInt(6);
    if (failed_ > limit) return true;
    if (spec_["template"]["spec"]["restartPolicy"].AsString() != "OnFailure") return false;
    int64_t restarts = 0;
    for (const Json& pod : active_) restarts += Restarts(pod);
    return restarts > 0 && restarts >= limit;
  }

  bool PastDeadline() {
    const Json& seconds = spec_["activeDeadlineSeconds"];
    auto start = ParseRfc3339(status()["startTime"].AsString());
    if (!seconds.IsInt() || !start) return false;
    Wait(*start + std::chrono::seconds(seconds.AsInt()));
    return plan_.check_after == Duration::zero();
  }

  // After a failure 10 s, doubled by each further one.
  bool RestedLongEnough() {
    WallTime success{}, failure{};
    for (const Json& pod : pods_) {
      if (HasSucceeded(pod)) success = std::max(success, EndOf(pod));
    }
    int failures = 0;
    for (const Json& pod : pods_) {
      if (!HasFailed(pod) || WasInterrupted(pod) || EndOf(pod) <= success) continue;
      ++failures;
      failure = std::max(failure, EndOf(pod));
    }
    if (failures == 0) return true;
    const Duration pause =
        std::min(kMostBackoff, kFirstBackoff * (1 << std::min(failures - 1, 10)));
    if (now_ >= failure + pause) return true;
    Wait(failure + pause);
    return false;
  }

  void Fail(std::string reason, std::string message) {
    RemoveActive();
    std::string event = reason;
    Say("Failed", "True", std::move(reason), std::move(message), std::move(event));
  }

  void Say(std::string type, std::string value, std::string reason, std::string message,
           std::string event, std::string event_message = "") {
    const std::string told = event_message.empty() ? message : event_message;
    if (kube::SetMetaCondition(changed_,
                               {.type = std::move(type),
                                .status = std::move(value),
                                .reason = std::move(reason),
                                .message = std::move(message)},
                               now_)) {
      plan_.reason = std::move(event);
      plan_.message = told;
    }
  }

  void RemoveActive() { Remove(active_.size()); }
  void Remove(size_t count) {
    for (const Json* victim : ChooseVictims(active_, count)) {
      const std::string& uid = kube::Uid(*victim);
      auto pod = std::ranges::find_if(pods_, [&](const Json& p) { return kube::Uid(p) == uid; });
      plan_.remove.push_back(&*pod);
    }
  }

  void Wait(WallTime until) {
    const Duration left = std::max<Duration>(until - now_, Duration::zero());
    plan_.check_after = plan_.check_after ? std::min(*plan_.check_after, left) : left;
  }

  void Report() {
    int64_t ready = 0, terminating = 0;
    for (const Json& pod : active_) ready += IsPodReady(pod);
    for (const Json& pod : pods_) {
      const std::string& phase = pod["status"]["phase"].AsString();
      terminating += kube::IsDeleting(pod) && phase != "Failed" && phase != "Succeeded";
    }
    // Those about to be removed are not active; those about to be made are, when they are there.
    const auto active = static_cast<int64_t>(active_.size() - plan_.remove.size());
    for (auto [name, count] :
         {std::pair{"active", active}, {"succeeded", succeeded_}, {"failed", failed_}}) {
      if (count > 0) {
        status().Set(name, count);
      } else {
        status().Erase(name);
      }
    }
    status().Set("ready", active > 0 ? ready : 0);
    status().Set("terminating", terminating);
  }

  const Json& job_;
  const Json& spec_;
  const std::vector<Json>& pods_;
  const WallTime now_;
  Json changed_;
  JobPlan plan_;
  std::vector<Json> active_;
  int64_t succeeded_ = 0, failed_ = 0;
};

}  // namespace

JobPlan PlanJob(const Json& job, const std::vector<Json>& pods, WallTime now) {
  return Planner(job, pods, now).Plan();
}

Json MakeJobPod(const Json& job) {
  Json pod = MakePod(job);
  kube::AddFinalizer(pod, kJobFinalizer);
  return pod;
}

}  // namespace kinglet::workloads
