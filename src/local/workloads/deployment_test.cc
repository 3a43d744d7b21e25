#include "local/workloads/deployment.h"

#include <gtest/gtest.h>

#include "kube/conditions.h"
#include "kube/object.h"
#include "local/workloads/endpoints.h"

namespace kinglet::workloads {
namespace {

Json Parse(std::string_view text) {
  auto parsed = Json::Parse(text);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return parsed ? *parsed : Json();
}

Json MakeDeployment(int replicas, std::string image = "a") {
  Json deployment = Parse(R"({"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": 1},
    "spec": {"selector": {"matchLabels": {"app": "x"}},
             "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c"}]}}}})");
  deployment.Ref("spec").Set("replicas", replicas);
  deployment.Ref("spec")
      .Ref("template")
      .Ref("spec")
      .Ref("containers")
      .MutableArray()[0]
      .Set("image", image);
  return deployment;
}

// A world in which every wanted pod becomes available at once, or never, for the new set.
struct World {
  Json deployment;
  std::vector<Json> sets;
  bool new_pods_work = true;
  int64_t least_available = 1'000'000, most_pods = 0;

  bool Step() {
    auto plan = PlanDeployment(deployment, sets, 0);
    EXPECT_TRUE(plan.has_value());
    bool changed = false;
    if (plan->create) {
      Json set = *plan->create;
      set.Path({"metadata", "creationTimestamp"}) =
          fmt::format("2026-01-01T00:00:{:02}Z", sets.size());
      set.Path({"metadata", "uid"}) = "set-" + std::to_string(sets.size());
      sets.push_back(std::move(set));
      changed = true;
    }
    for (auto& [name, replicas] : plan->scale) {
      for (Json& set : sets) {
        if (kube::Name(set) == name) set.Ref("spec").Set("replicas", replicas);
      }
      changed = true;
    }
    for (const std::string& name : plan->remove) {
      std::erase_if(sets, [&](const Json& set) { return kube::Name(set) == name; });
      changed = true;
    }
    const Json* newest = FindNewReplicaSet(deployment, sets);
    int64_t available = 0, pods = 0;
    for (Json& set : sets) {
      int64_t count = set["spec"]["replicas"].AsInt();
      int64_t good = &set == newest && !new_pods_work ? 0 : count;
      Json& status = set.Ref("status");
      status.Set("replicas", count);
      status.Set("readyReplicas", good);
      status.Set("availableReplicas", good);
      available += good;
      pods += count;
    }
    least_available = std::min(least_available, available);
    most_pods = std::max(most_pods, pods);
    return changed;
  }
  void Settle() {
    for (int i = 0; i < 100 && Step(); ++i) {
    }
  }
};

TEST(PlanDeployment, RollsWithinItsLimits) {
  struct Case {
    int replicas;
    const char *surge, *unavailable;
    int64_t least, most;
  };
  for (const Case& c : {Case{4, "\"25%\"", "\"25%\"", 3, 5}, Case{1, "\"25%\"", "\"25%\"", 1, 2},
                        Case{3, "0", "1", 2, 3}, Case{3, "1", "0", 3, 4}, Case{2, "0", "0", 1, 2},
                        Case{10, "\"100%\"", "0", 10, 20}}) {
    World world{MakeDeployment(c.replicas), {}};
    world.Settle();
    ASSERT_EQ(world.sets.size(), 1u);
    world.deployment = MakeDeployment(c.replicas, "b");
    world.deployment.Ref("spec").Set(
        "strategy",
        Parse(fmt::format(
            R"({{"type": "RollingUpdate", "rollingUpdate": {{"maxSurge": {}, "maxUnavailable": {}}}}})",
            c.surge, c.unavailable)));
    world.least_available = 1'000'000;
    world.most_pods = 0;
    world.Settle();
    const Json* newest = FindNewReplicaSet(world.deployment, world.sets);
    ASSERT_NE(newest, nullptr);
    EXPECT_EQ((*newest)["spec"]["replicas"].AsInt(), c.replicas);
    EXPECT_EQ(kube::Annotation(*newest, kRevisionAnnotation), "2");
    EXPECT_GE(world.least_available, c.least) << c.surge << c.unavailable;
    EXPECT_LE(world.most_pods, c.most) << c.surge << c.unavailable;
    auto status = MakeDeploymentStatus(world.deployment, world.sets, {});
    EXPECT_EQ((*kube::FindCondition(Json::MakeObject({{"status", status.status}}),
                                    "Progressing"))["reason"]
                  .AsString(),
              "NewReplicaSetAvailable");
  }
}

TEST(PlanDeployment, ABrokenTemplateKeepsTheOldPods) {
  World world{MakeDeployment(4), {}};
  world.Settle();
  world.deployment = MakeDeployment(4, "broken");
  world.new_pods_work = false;
  world.least_available = 1'000'000;
  world.Settle();
  EXPECT_GE(world.least_available, 3);
  // Going back finds the old set again and gives it a newer revision.
  world.deployment = MakeDeployment(4);
  world.new_pods_work = true;
  world.Settle();
  const Json* newest = FindNewReplicaSet(world.deployment, world.sets);
  EXPECT_EQ((*newest)["spec"]["replicas"].AsInt(), 4);
  auto plan = PlanDeployment(world.deployment, world.sets, 0);
  EXPECT_EQ(plan->revision, "3");
}

TEST(PlanDeployment, RecreateWaitsForTheOldPods) {
  World world{MakeDeployment(2), {}};
  world.Settle();
  world.deployment = MakeDeployment(2, "b");
  world.deployment.Ref("spec").Set("strategy", Json::MakeObject({{"type", "Recreate"}}));
  auto plan = PlanDeployment(world.deployment, world.sets, 2);
  EXPECT_FALSE(plan->create.has_value());
  EXPECT_EQ(plan->scale.begin()->second, 0);
  world.sets[0].Ref("spec").Set("replicas", 0);
  EXPECT_FALSE(PlanDeployment(world.deployment, world.sets, 1)->create.has_value());
  EXPECT_TRUE(PlanDeployment(world.deployment, world.sets, 0)->create.has_value());
}

TEST(PlanDeployment, ForgetsOldRevisionsBeyondTheLimit) {
  World world{MakeDeployment(1), {}};
  for (int i = 0; i < 6; ++i) {
    world.deployment = MakeDeployment(1, "image-" + std::to_string(i));
    world.deployment.Ref("spec").Set("revisionHistoryLimit", 2);
    world.Settle();
  }
  EXPECT_EQ(world.sets.size(), 3u);
}

TEST(MakeDeploymentStatus, TimesOutAndRecovers) {
  Json deployment = MakeDeployment(1);
  deployment.Ref("spec").Set("progressDeadlineSeconds", 60);
  World world{deployment, {}};
  world.new_pods_work = false;
  world.Settle();
  WallTime start{};
  auto status = MakeDeploymentStatus(world.deployment, world.sets, start);
  ASSERT_TRUE(status.check_after.has_value());
  EXPECT_EQ(*status.check_after, 60s);
  world.deployment.Set("status", status.status);
  EXPECT_TRUE(kube::IsConditionFalse(world.deployment, "Available"));
  status = MakeDeploymentStatus(world.deployment, world.sets, start + 61s);
  world.deployment.Set("status", status.status);
  EXPECT_EQ((*kube::FindCondition(world.deployment, "Progressing"))["reason"].AsString(),
            "ProgressDeadlineExceeded");
  world.new_pods_work = true;
  world.Step();
  status = MakeDeploymentStatus(world.deployment, world.sets, start + 62s);
  world.deployment.Set("status", status.status);
  EXPECT_TRUE(kube::IsConditionTrue(world.deployment, "Progressing"));
  EXPECT_TRUE(kube::IsConditionTrue(world.deployment, "Available"));
}

TEST(MakeEndpoints, ListsReadyPodsByPorts) {
  Json service =
      Parse(R"({"metadata": {"name": "s", "namespace": "ns"}, "spec": {"selector": {"app": "x"},
    "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}})");
  std::vector<Json> pods = {
      Parse(
          R"({"metadata": {"name": "a"}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"podIP": "127.64.0.2", "conditions": [{"type": "Ready", "status": "True"}]}})"),
      Parse(
          R"({"metadata": {"name": "b"}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"podIP": "127.64.0.1", "conditions": [{"type": "Ready", "status": "False"}]}})"),
      Parse(R"({"metadata": {"name": "c", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"podIP": "127.64.0.3", "conditions": [{"type": "Ready", "status": "True"}]}})")};
  Json endpoints = MakeEndpoints(service, pods);
  ASSERT_EQ(endpoints["subsets"].size(), 1u);
  const Json& subset = endpoints["subsets"][0];
  ASSERT_EQ(subset["addresses"].size(), 1u);
  EXPECT_EQ(subset["addresses"][0]["ip"].AsString(), "127.64.0.2");
  EXPECT_EQ(subset["notReadyAddresses"][0]["ip"].AsString(), "127.64.0.1");
  EXPECT_EQ(subset["ports"][0]["port"].AsInt(), 8080);
}

}  // namespace
}  // namespace kinglet::workloads
