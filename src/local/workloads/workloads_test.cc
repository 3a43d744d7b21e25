// The controllers together over a fake API; pods become ready when the test says so.
#include "local/workloads/workloads.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "kube/conditions.h"
#include "kube/fake_client.h"
#include "kube/informer.h"
#include "kube/object.h"

namespace kinglet::workloads {
namespace {

class WorkloadsTest : public testing::Test {
 protected:
  WorkloadsTest()
      : pods_(client_, kube::kPod),
        deployments_(client_, kube::kDeployment),
        endpoints_(client_, kube::kEndpoints),
        scalers_(client_, kube::kHorizontalPodAutoscaler),
        jobs_(client_, kube::kJob),
        claims_(client_, kube::kPersistentVolumeClaim),
        volumes_(client_, kube::kPersistentVolume),
        workloads_(Workloads::Make(client_)) {
    for (kube::Informer* informer :
         {&pods_, &deployments_, &endpoints_, &scalers_, &jobs_, &claims_, &volumes_}) {
      informer->AddHandler({.on_add = [this](const auto&, bool) { Changed(); },
                            .on_update = [this](const auto&, const auto&) { Changed(); },
                            .on_delete = [this](const auto&) { Changed(); }});
      informer->Start(stop_.get_token());
    }
  }
  ~WorkloadsTest() override {
    workloads_->Stop();
    stop_.request_stop();
  }

  void Changed() {
    std::lock_guard lock(mutex_);
    condition_.notify_all();
  }
  void Await(const char* what, const std::function<bool()>& holds) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(condition_.wait_for(lock, std::chrono::seconds(20), holds)) << what;
  }

  void Create(const kube::ResourceType& type, std::string_view name, std::string_view spec) {
    Json object = kube::MakeObjectMeta(type.ApiVersion(), type.kind, {"ns", std::string(name)});
    object.Set("spec", *Json::Parse(spec));
    auto made = client_.Create(type, object);
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }
  void MakeReady(const Json& pod, std::string ip) {
    Json changed = pod;
    changed.Set("status", Json::MakeObject({{"phase", "Running"}, {"podIP", std::move(ip)}}));
    kube::SetMetaCondition(changed, {.type = "Ready", .status = "True"}, WallTime{});
    Report(pod, changed["status"]);
  }
  void Finish(const Json& pod, std::string_view phase) {
    Report(pod, Json::MakeObject({{"phase", phase}}));
  }
  // As a kubelet does, whoever writes to the pod meanwhile.
  void Report(const Json& pod, const Json& status) {
    auto patched = client_.Patch(kube::kPod, kube::KeyOf(pod), kube::PatchType::kMerge,
                                 Json::MakeObject({{"status", status}}), {.subresource = "status"});
    ASSERT_TRUE(patched) << patched.error().message();
  }
  Json Status() {
    auto object = deployments_.Get({"ns", "d"});
    return object ? (*object)["status"] : Json();
  }
  std::vector<kube::ObjectPtr> PodsWith(std::string_view image) {
    std::vector<kube::ObjectPtr> found;
    for (const auto& pod : pods_.List()) {
      if ((*pod)["spec"]["containers"][0]["image"].AsString() == image) found.push_back(pod);
    }
    return found;
  }

  static constexpr std::string_view kSpec =
      R"({"replicas": 2, "selector": {"matchLabels": {"app": "x"}},
    "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "a"}]}}})";

  kube::FakeClient client_;
  std::mutex mutex_;
  std::condition_variable condition_;
  std::stop_source stop_;
  kube::Informer pods_, deployments_, endpoints_, scalers_, jobs_, claims_, volumes_;
  std::unique_ptr<Workloads> workloads_;
};

TEST_F(WorkloadsTest, ADeploymentBecomesAvailableRollsAndScales) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(kube::kService, "s",
         R"({"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]})");
  Create(kube::kDeployment, "d", kSpec);
  Await("two pods", [&] { return pods_.size() == 2; });
  int ip = 1;
  for (const auto& pod : pods_.List()) MakeReady(*pod, "127.64.0." + std::to_string(ip++));
  Await("available", [&] { return Status()["availableReplicas"].AsInt() == 2; });
  Await("endpoints", [&] {
    auto object = endpoints_.Get({"ns", "s"});
    return object && (*object)["subsets"][0]["addresses"].size() == 2;
  });
  // Never more pods than wanted, however fast the queue is.
  EXPECT_EQ(pods_.size(), 2u);

  Json image = *Json::Parse(
      R"([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "b"}])");
  ASSERT_TRUE(
      client_.Patch(kube::kDeployment, {"ns", "d"}, kube::PatchType::kJson, image).has_value());
  Await("a new pod", [&] { return PodsWith("b").size() == 1; });
  EXPECT_EQ(PodsWith("a").size(), 2u);  // 25% of 2 unavailable is none
  MakeReady(*PodsWith("b")[0], "127.64.0.9");
  Await("an old pod less", [&] { return PodsWith("a").size() <= 1 && PodsWith("b").size() == 2; });
  for (const auto& pod : PodsWith("b")) {
    if (!kube::IsConditionTrue(*pod, "Ready")) MakeReady(*pod, "127.64.0.10");
  }
  Await("the end of the rollout", [&] {
    return PodsWith("a").empty() && Status()["updatedReplicas"].AsInt() == 2 &&
           Status()["replicas"].AsInt() == 2 && Status()["availableReplicas"].AsInt() == 2;
  });

  Json none = *Json::Parse(R"({"spec": {"replicas": 0}})");
  ASSERT_TRUE(
      client_.Patch(kube::kDeployment, {"ns", "d"}, kube::PatchType::kMerge, none).has_value());
  Await("no pods", [&] { return pods_.size() == 0; });
}

TEST_F(WorkloadsTest, ALostPodIsReplaced) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(kube::kDeployment, "d", kSpec);
  Await("two pods", [&] { return pods_.size() == 2; });
  std::string lost = kube::Name(*pods_.List()[0]);
  ASSERT_TRUE(client_.Delete(kube::kPod, {"ns", lost}).has_value());
  Await("two pods again", [&] { return pods_.size() == 2 && !pods_.Get({"ns", lost}); });
}

TEST_F(WorkloadsTest, AnAutoscalerSaysThatItHasNoMetricsAndKeepsItsBounds) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(
      kube::kHorizontalPodAutoscaler, "d",
      R"({"minReplicas": 3, "maxReplicas": 4, "scaleTargetRef": {"kind": "Deployment", "name": "d"}})");
  Create(kube::kDeployment, "d", kSpec);
  Await("three pods", [&] { return pods_.size() == 3; });
  Await("the condition", [&] {
    auto object = scalers_.Get({"ns", "d"});
    return object && kube::IsConditionFalse(*object, "ScalingActive") &&
           (*object)["status"]["desiredReplicas"].AsInt() == 3;
  });
}

TEST_F(WorkloadsTest, AJobRunsToItsEndAndGoesWithItsPods) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(kube::kJob, "j", R"({"completions": 2, "parallelism": 1, "backoffLimit": 6,
    "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never"}}})");
  auto status = [&]() -> Json {
    auto job = jobs_.Get({"ns", "j"});
    return job ? (*job)["status"] : Json();
  };
  Await("the first pod", [&] { return pods_.size() == 1; });
  const Json first = *pods_.List()[0];
  MakeReady(first, "127.64.0.1");
  Await("a ready pod", [&] { return status()["ready"].AsInt() == 1; });
  Finish(*pods_.Get(kube::KeyOf(first)), "Succeeded");
  Await("the second pod", [&] { return pods_.size() == 2; });
  // A pod that was counted may be deleted: the count stays.
  Await("the first is let go",
        [&] { return !(*pods_.Get(kube::KeyOf(first)))["metadata"].Has("finalizers"); });
  ASSERT_TRUE(client_.Delete(kube::kPod, kube::KeyOf(first)).has_value());
  Await("one pod", [&] { return pods_.size() == 1; });
  EXPECT_EQ(status()["succeeded"].AsInt(), 1);
  Finish(*pods_.List()[0], "Succeeded");
  Await("the end", [&] {
    auto job = jobs_.Get({"ns", "j"});
    return kube::IsConditionTrue(*job, "Complete") && (*job)["status"]["succeeded"].AsInt() == 2;
  });
  ASSERT_TRUE(client_.Delete(kube::kJob, {"ns", "j"}).has_value());
  Await("no pods", [&] { return pods_.size() == 0; });
}

TEST_F(WorkloadsTest, APodWhoseJobIsGoneIsLetGo) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(kube::kJob, "j",
         R"({"completions": 1, "template": {"spec": {"restartPolicy": "Never"}}})");
  Await("a pod", [&] { return pods_.size() == 1; });
  ASSERT_TRUE(client_.Delete(kube::kJob, {"ns", "j"}).has_value());
  Await("no pods", [&] { return pods_.size() == 0; });
}

TEST_F(WorkloadsTest, ClaimsAreBoundToTheVolumesTheyName) {
  ASSERT_TRUE(workloads_->Start().has_value());
  Create(kube::kPersistentVolumeClaim, "c",
         R"({"volumeName": "v", "accessModes": ["ReadWriteOnce"]})");
  Json volume = kube::MakeObjectMeta("v1", "PersistentVolume", {"", "v"});
  volume.Set("spec", *Json::Parse(R"({"accessModes": ["ReadWriteOnce"]})"));
  ASSERT_TRUE(client_.Create(kube::kPersistentVolume, volume).has_value());
  auto phase = [](const kube::ObjectPtr& object) {
    return object ? (*object)["status"]["phase"].AsString() : std::string();
  };
  Await("both bound", [&] {
    return phase(claims_.Get({"ns", "c"})) == "Bound" && phase(volumes_.Get({"", "v"})) == "Bound";
  });
  ASSERT_TRUE(client_.Delete(kube::kPersistentVolumeClaim, {"ns", "c"}).has_value());
  Await("the volume released", [&] { return phase(volumes_.Get({"", "v"})) == "Released"; });
}

}  // namespace
}  // namespace kinglet::workloads
