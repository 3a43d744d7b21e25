#include "local/workloads/job.h"

#include <gtest/gtest.h>

#include "base/yaml.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::workloads {
namespace {

const WallTime kNow = *ParseRfc3339("2026-01-01T00:10:00Z");

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value.has_value()) << value.error().message();
  return value.value_or(Json());
}

Json Job(std::string_view spec, std::string_view status = "{startTime: '2026-01-01T00:00:00Z'}") {
  Json job = Yaml("{metadata: {name: j, namespace: ns, uid: u}}");
  job.Set("spec", Yaml(spec));
  job.Set("status", Yaml(status));
  return job;
}

// A pod that the Job has not counted yet.
Json Pod(std::string_view uid, std::string_view phase, std::string_view ended = "") {
  Json pod = Yaml(fmt::format(
      "{{metadata: {{name: {0}, uid: {0}, finalizers: ['{1}']}}, status: {{phase: {2}}}}}", uid,
      kJobFinalizer, phase));
  if (!ended.empty()) {
    pod.Path({"status", "containerStatuses"}) =
        Yaml(fmt::format("[{{state: {{terminated: {{finishedAt: '{}'}}}}}}]", ended));
  }
  return pod;
}

TEST(Job, RunsAsManyPodsAsItMayAndEndsWithTheLast) {
  const Json job = Job("{parallelism: 2, completions: 3}", "{}");
  JobPlan first = PlanJob(job, {}, kNow);
  EXPECT_EQ(first.create, 2);
  EXPECT_EQ(first.status["startTime"].AsString(), "2026-01-01T00:10:00Z");

  const std::vector<Json> pods = {Pod("a", "Running"), Pod("b", "Succeeded")};
  JobPlan second = PlanJob(job, pods, kNow);
  EXPECT_EQ(second.create, 1);
  EXPECT_EQ(second.status["active"].AsInt(), 1);
  EXPECT_EQ(second.status["succeeded"].AsInt(), 1);
  ASSERT_EQ(second.free.size(), 1u);
  EXPECT_EQ(kube::Name(*second.free[0]), "b");

  Json two = job;
  two.Set("status", Yaml("{succeeded: 2}"));
  JobPlan last = PlanJob(two, {Pod("c", "Succeeded")}, kNow);
  EXPECT_EQ(last.create, 0);
  EXPECT_EQ(last.reason, "Completed");
  Json over = two;
  over.Set("status", last.status);
  EXPECT_TRUE(kube::IsConditionTrue(over, "Complete"));
  EXPECT_TRUE(over["status"].Has("completionTime"));
  EXPECT_FALSE(over["status"].Has("active"));
}

TEST(Job, CountsAPodOnceHoweverOftenItLooks) {
  Json job = Job("{completions: 2}");
  const Json done = Pod("a", "Succeeded");
  for (int i = 0; i < 3; ++i) {
    JobPlan plan = PlanJob(job, {done}, kNow);
    EXPECT_EQ(plan.status["succeeded"].AsInt(), 1);
    EXPECT_EQ(plan.status["uncountedTerminatedPods"], Yaml("{succeeded: [a]}"));
    job.Set("status", plan.status);
  }
  // Once its finalizer is gone, the pod may go as well.
  Json freed = done;
  kube::RemoveFinalizer(freed, kJobFinalizer);
  job.Set("status", PlanJob(job, {freed}, kNow).status);
  EXPECT_EQ(job["status"]["uncountedTerminatedPods"], Yaml("{}"));
  EXPECT_EQ(PlanJob(job, {}, kNow).status["succeeded"].AsInt(), 1);
}

TEST(Job, TriesAgainAfterPausesThatDoubleUntilTheLimit) {
  Json job = Job("{completions: 1, backoffLimit: 2}");
  const Json once = Pod("a", "Failed", "2026-01-01T00:09:55Z");
  JobPlan plan = PlanJob(job, {once}, kNow);
  EXPECT_EQ(plan.create, 0);
  EXPECT_EQ(plan.status["failed"].AsInt(), 1);
  EXPECT_EQ(plan.check_after, std::chrono::seconds(5));
  EXPECT_EQ(PlanJob(job, {once}, kNow + std::chrono::seconds(5)).create, 1);
  const Json twice = Pod("b", "Failed", "2026-01-01T00:09:59Z");
  EXPECT_EQ(PlanJob(job, {once, twice}, kNow).check_after, std::chrono::seconds(19));

  job.Set("status", Yaml("{failed: 2}"));
  const std::vector<Json> pods = {Pod("c", "Failed"), Pod("d", "Running")};
  JobPlan over = PlanJob(job, pods, kNow);
  EXPECT_EQ(over.reason, "BackoffLimitExceeded");
  EXPECT_EQ(over.create, 0);
  ASSERT_EQ(over.remove.size(), 1u);
  EXPECT_EQ(kube::Name(*over.remove[0]), "d");
}

TEST(Job, RestartsInPlaceCountAgainstTheLimit) {
  const Json job =
      Job("{completions: 1, backoffLimit: 2, template: {spec: {restartPolicy: OnFailure}}}");
  Json pod = Pod("a", "Running");
  pod.Path({"status", "containerStatuses"}) = Yaml("[{restartCount: 1}]");
  EXPECT_EQ(PlanJob(job, {pod}, kNow).reason, "");
  pod.Path({"status", "containerStatuses"}) = Yaml("[{restartCount: 2}]");
  EXPECT_EQ(PlanJob(job, {pod}, kNow).reason, "BackoffLimitExceeded");
}

TEST(Job, WhatEndedWithTheMachineIsNoFailure) {
  const Json job = Job("{completions: 1, backoffLimit: 0}");
  Json pod = Pod("a", "Failed", "2026-01-01T00:09:59Z");
  pod.Path({"status", "conditions"}) = Yaml("[{type: DisruptionTarget, status: 'True'}]");
  JobPlan plan = PlanJob(job, {pod}, kNow);
  EXPECT_EQ(plan.create, 1);
  EXPECT_FALSE(plan.status.Has("failed"));
  EXPECT_EQ(plan.free.size(), 1u);
}

TEST(Job, APodThatIsBeingDeletedIsReplaced) {
  const Json job = Job("{completions: 1, backoffLimit: 6}");
  Json pod = Pod("a", "Running");
  pod.Ref("metadata").Set("deletionTimestamp", "2026-01-01T00:09:40Z");
  JobPlan plan = PlanJob(job, {pod}, kNow);
  EXPECT_EQ(plan.create, 1);
  EXPECT_EQ(plan.status["failed"].AsInt(), 1);
  EXPECT_EQ(plan.status["terminating"].AsInt(), 1);
}

TEST(Job, DeadlineSuspensionAndTimeToLive) {
  JobPlan late =
      PlanJob(Job("{completions: 1, activeDeadlineSeconds: 600}"), {Pod("a", "Running")}, kNow);
  EXPECT_EQ(late.reason, "DeadlineExceeded");
  EXPECT_EQ(late.remove.size(), 1u);
  JobPlan in_time = PlanJob(Job("{completions: 1, activeDeadlineSeconds: 630}"), {}, kNow);
  EXPECT_EQ(in_time.create, 1);
  EXPECT_EQ(in_time.check_after, std::chrono::seconds(30));

  Json job = Job("{completions: 1, suspend: true}");
  JobPlan suspended = PlanJob(job, {Pod("a", "Running")}, kNow);
  EXPECT_EQ(suspended.remove.size(), 1u);
  EXPECT_FALSE(suspended.status.Has("startTime"));
  job.Set("status", suspended.status);
  job.Set("spec", Yaml("{completions: 1}"));
  JobPlan resumed = PlanJob(job, {}, kNow);
  EXPECT_EQ(resumed.reason, "Resumed");
  EXPECT_EQ(resumed.create, 1);

  const Json over = Job("{completions: 1, ttlSecondsAfterFinished: 60}",
                        "{conditions: [{type: Complete, status: 'True', lastTransitionTime: "
                        "'2026-01-01T00:09:30Z'}]}");
  EXPECT_EQ(PlanJob(over, {}, kNow).check_after, std::chrono::seconds(30));
  EXPECT_FALSE(PlanJob(over, {}, kNow).expired);
  EXPECT_TRUE(PlanJob(over, {}, kNow + std::chrono::seconds(30)).expired);
}

TEST(Job, WithoutCompletionsTheFirstSuccessEndsIt) {
  const Json job = Job("{parallelism: 2}");
  EXPECT_EQ(PlanJob(job, {}, kNow).create, 2);
  EXPECT_EQ(PlanJob(job, {Pod("a", "Succeeded"), Pod("b", "Running")}, kNow).create, 0);
  EXPECT_EQ(PlanJob(job, {Pod("a", "Succeeded"), Pod("b", "Succeeded")}, kNow).reason, "Completed");
}

TEST(Job, WhatIsNotDoneHereIsSaid) {
  JobPlan plan = PlanJob(Job("{completions: 1, completionMode: Indexed}"), {}, kNow);
  EXPECT_EQ(plan.reason, "NotSupported");
  EXPECT_EQ(plan.create, 0);
}

TEST(Job, ItsPodsWaitToBeCounted) {
  const Json pod = MakeJobPod(
      Job("{template: {metadata: {labels: {job-name: j}}, spec: {restartPolicy: Never}}}"));
  EXPECT_TRUE(kube::HasFinalizer(pod, kJobFinalizer));
  EXPECT_EQ(pod["metadata"]["generateName"].AsString(), "j-");
  EXPECT_EQ(kube::Label(pod, "job-name"), "j");
}

}  // namespace
}  // namespace kinglet::workloads
