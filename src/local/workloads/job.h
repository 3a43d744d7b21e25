// What a Job wants of its pods, and what they have come to. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::workloads {

// Holds a pod until it is counted, so that none is lost with its count.
inline constexpr std::string_view kJobFinalizer = "batch.kubernetes.io/job-tracking";

struct JobPlan {
  Json status;
  int64_t create = 0;               // pods to make
  std::vector<const Json*> remove;  // pods to delete
  std::vector<const Json*> free;    // pods that are counted, or need not be: their finalizer goes
  std::optional<Duration> check_after;
  bool expired = false;  // ttlSecondsAfterFinished has passed: the Job goes
  // What became of it by this plan, for an event: "Completed", "BackoffLimitExceeded", ...
  std::string reason, message;
};

// `pods`: those that the Job controls; the plan points into them. The status has to be written,
// over the Job that was given, before anything else is done: a pod is counted once only because its
// uid stands in status.uncountedTerminatedPods until its finalizer is gone.
JobPlan PlanJob(const Json& job, const std::vector<Json>& pods, WallTime now);

// A pod of the Job's template with a generated name.
Json MakeJobPod(const Json& job);

}  // namespace kinglet::workloads
