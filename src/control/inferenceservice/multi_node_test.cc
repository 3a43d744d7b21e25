#include "control/inferenceservice/multi_node.h"

#include <gtest/gtest.h>

#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/readiness.h"
#include "control/inferenceservice/reconcile_fixture.h"

namespace kinglet::control {
namespace {

TEST(RayGroup, Arithmetic) {
  const struct {
    int64_t total, head, worker;
    int64_t nodes, head_gpus, worker_gpus;  // nodes 0: an error
  } kCases[] = {
      {4, 0, 0, 4, 1, 1},  // nobody says: a GPU a node
      {4, 0, 2, 2, 2, 2},  // the worker says
      {5, 0, 2, 3, 1, 2},  // the head takes what is left
      {4, 0, 4, 1, 4, 0},  // one node is enough
      {4, 4, 1, 1, 4, 0},  // the head alone is enough
      {4, 2, 2, 2, 2, 2},  // both say
      {4, 1, 2, 0, 0, 0},  // and do not suffice
      {4, 2, 0, 3, 2, 1},  // the head says: workers of one GPU
      {2, 4, 0, 1, 4, 1},
  };
  for (const auto& c : kCases) {
    auto group = ComputeRayGroup(c.total, c.head, c.worker);
    ASSERT_EQ(group.has_value(), c.nodes > 0) << c.total << c.head << c.worker;
    if (!group) continue;
    EXPECT_EQ(group->nodes, c.nodes) << c.total << " " << c.head << " " << c.worker;
    EXPECT_EQ(group->head_gpus, c.head_gpus) << c.total << " " << c.head << " " << c.worker;
    EXPECT_EQ(group->worker_gpus, c.worker_gpus) << c.total << " " << c.head << " " << c.worker;
  }
}

constexpr std::string_view kRuntime = R"(
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: multi}
spec:
  supportedModelFormats: [{name: huggingface, version: "1", autoSelect: true}]
  protocolVersions: [v2, v1]
  containers: [{name: kserve-container, image: head, env: [{name: MODEL_NAME, value: x}]}]
  workerSpec:
    pipelineParallelSize: 2
    tensorParallelSize: 1
    labels: {of: workers}
    annotations: {by: runtime}
    containers: [{name: worker-container, image: worker, args: [a]}]
)";

class WorkersTest : public testing::Test {
 protected:
  ModelResult<WorkerPlan> Plan(std::string_view worker_spec, std::string_view annotations = "{}",
                               std::string_view compatibility = "") {
    isvc_ = *api::Decode<api::InferenceService>(Yaml(fmt::format(R"(
metadata: {{name: llama, namespace: ns, generation: 3, labels: {{team: a}}, annotations: {}}}
spec: {{predictor: {{workerSpec: {}}}}}
)",
                                                                 annotations, worker_spec)));
    config_ = api::ParseConfig(
        Json::MakeObject({{"data", Json::MakeObject({{"compatibility", compatibility}})}}));
    head_ = Json::MakeObject({{"containers", runtime_.spec.pod["containers"]}});
    return PlanWorkers(isvc_, &runtime_, isvc_.metadata["annotations"], Json::MakeObject(), config_,
                       head_);
  }

  api::ServingRuntime runtime_ = *api::Decode<api::ServingRuntime>(Yaml(kRuntime));
  api::InferenceService isvc_;
  api::Config config_ = api::ParseConfig(Json());
  Json head_;
};

TEST_F(WorkersTest, AgreeWithTheHead) {
  auto plan = Plan(
      "{pipelineParallelSize: 3, tensorParallelSize: 2, nodeSelector: {gpu: a100}, "
      "containers: [{args: [b]}]}",
      "{internal.serving.kserve.io/storage-initializer-sourceuri: 'pvc://c/m'}");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->name, "llama-predictor-worker");
  EXPECT_EQ(plan->replicas, 2);
  EXPECT_EQ(plan->head_service, "llama-head-3");
  EXPECT_EQ(plan->worker_service, "");
  EXPECT_TRUE(kube::SemanticallyEqual(
      plan->labels, Yaml("{of: workers, team: a, isvc.generation: '3', component: predictor, "
                         "serving.kserve.io/inferenceservice: llama}")));
  EXPECT_EQ(plan->annotations["by"].AsString(), "runtime");
  EXPECT_EQ(plan->pod["nodeSelector"]["gpu"].AsString(), "a100");
  const Json& worker = plan->pod["containers"][0];
  EXPECT_EQ(worker["args"], Yaml("[a, b]"));
  EXPECT_EQ(worker["env"], Yaml("[{name: PIPELINE_PARALLEL_SIZE, value: '3'}, {name: ISVC_NAME, "
                                "value: llama}, {name: HEAD_SVC, value: llama-head-3}]"));
  EXPECT_EQ(head_["containers"][0]["env"],
            Yaml("[{name: MODEL_NAME, value: llama}, {name: PIPELINE_PARALLEL_SIZE, value: '3'}, "
                 "{name: TENSOR_PARALLEL_SIZE, value: '2'}, {name: MODEL_DIR, value: "
                 "/mnt/models}]"));
  for (const Json* container : {&worker, &head_["containers"][0]}) {
    EXPECT_TRUE(kube::SemanticallyEqual(
        (*container)["resources"],
        Yaml("{limits: {nvidia.com/gpu: '2'}, requests: {nvidia.com/gpu: '2'}}")));
  }
}

TEST_F(WorkersTest, KindOfGpu) {
  const struct {
    std::string_view resources, annotations, want;
  } kCases[] = {
      {"{limits: {amd.com/gpu: 4}}", "{}", "amd.com/gpu"},
      {"{limits: {amd.com/gpu: 0}}", "{}", "nvidia.com/gpu"},
      {"{requests: {x.y/z: 1}}", "{serving.kserve.io/gpu-resource-types: '[\"x.y/z\"]'}", "x.y/z"},
      {"{requests: {x.y/z: 1}}", "{serving.kserve.io/gpu-resource-types: 'a/b,x.y/z'}", "x.y/z"},
      {"{limits: {nvidia.com/mig-1g.5gb: 1}}", "{}", "nvidia.com/mig-1g.5gb"},
  };
  for (const auto& c : kCases) {
    auto plan =
        Plan(fmt::format("{{containers: [{{resources: {}}}]}}", c.resources), c.annotations);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->pod["containers"][0]["resources"]["limits"][c.want].AsString(), "1")
        << plan->pod.Dump();
  }
}

TEST_F(WorkersTest, LaterReleasesReckonByGpus) {
  const std::string_view two_gpus =
      "{pipelineParallelSize: 2, tensorParallelSize: 2, containers: [{resources: {requests: "
      "{nvidia.com/gpu: 4}}}]}";
  for (auto [annotations, compatibility] :
       {std::pair("{serving.kserve.io/autoscalerClass: none}", ""), std::pair("{}", "latest")}) {
    auto plan = Plan(two_gpus, annotations, compatibility);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->replicas, 0);
    EXPECT_EQ(plan->worker_service, "llama-workers-3");
    const Json* count = api::FindEnv(head_["containers"][0], "REQUEST_GPU_COUNT");
    ASSERT_NE(count, nullptr);
    EXPECT_EQ((*count)["value"].AsString(), "4");
  }
  // 0.15 does not look at the GPUs that are asked for.
  auto old = Plan(two_gpus);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->replicas, 1);

  runtime_.spec.pod.Path({"annotations", "multinode/executor-backend"}) = "mp";
  auto message_passing = Plan(two_gpus);
  ASSERT_TRUE(message_passing);
  EXPECT_EQ(message_passing->replicas, 1);
  EXPECT_EQ(
      message_passing->pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"].AsString(),
      "2");
  const Json* service = api::FindEnv(message_passing->pod["containers"][0], "WORKER_SVC");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ((*service)["value"].AsString(), "llama-workers-3");
}

TEST_F(WorkersTest, WhatCannotBe) {
  auto scarce = Plan(
      "{pipelineParallelSize: 2, tensorParallelSize: 2, containers: [{resources: {requests: "
      "{nvidia.com/gpu: 2}}}]}",
      "{}", "latest");
  ASSERT_TRUE(scarce);
  runtime_.spec.pod.Ref("containers").MutableArray()[0].Path({"resources", "requests"}) =
      Yaml("{nvidia.com/gpu: 1}");
  scarce = Plan(
      "{pipelineParallelSize: 2, tensorParallelSize: 2, containers: [{resources: "
      "{requests: {nvidia.com/gpu: 2}}}]}",
      "{}", "latest");
  ASSERT_FALSE(scarce);
  EXPECT_EQ(scarce.error().condition_reason, "InvalidGPUAllocation");

  runtime_.spec.worker_spec->pod.Set("containers", Json::MakeArray());
  auto empty = Plan("{}");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().reason, "InvalidPredictorSpec");

  runtime_.spec.worker_spec.reset();
  auto single = Plan("{}");
  ASSERT_FALSE(single);
  EXPECT_EQ(single.error().condition_reason, "InvalidWorkerSpecNotSet");
  EXPECT_EQ(single.error().reason, "");
}

TEST(Readiness, OfHeadAndWorker) {
  const Json yes = Yaml(R"({status: {conditions: [
    {type: Progressing, status: 'True', reason: NewReplicaSetAvailable, message: done},
    {type: Available, status: 'True', reason: Min, message: yes}]}})");
  const Json no = Yaml(R"({status: {conditions: [
    {type: Available, status: 'False', reason: Few, message: no}]}})");
  const Json stuck = Yaml(R"({status: {conditions: [
    {type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: late}]}})");
  const Json rolling = Yaml(R"({status: {conditions: [
    {type: Progressing, status: 'True', reason: ReplicaSetUpdated, message: going}]}})");

  EXPECT_FALSE(ReadinessOf({}));
  EXPECT_FALSE(ReadinessOf({&stuck}));
  EXPECT_FALSE(ReadinessOf({&yes, nullptr, true}));
  auto both = ReadinessOf({&yes, &no, true});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->status, "False");
  EXPECT_EQ(both->message, "predictor-container: yes, worker-container: no");
  EXPECT_EQ(both->reason, "predictor-container: NewReplicaSetAvailable");
  both = ReadinessOf({&yes, &yes, true});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->status, "True");

  const struct {
    Deployments deployments;
    std::string_view status, reason;
  } kLatest[] = {
      {{}, "False", ""},
      {{&yes}, "True", "Min"},
      {{&no}, "False", "Few"},
      {{&stuck}, "False", "ProgressDeadlineExceeded"},
      {{&rolling}, "Unknown", "ReplicaSetUpdated"},
      {{&yes, &no, true}, "False", "predictor-container: Min, worker-container: Few"},
      {{&yes, &yes, true}, "True", "Min"},
  };
  for (const auto& c : kLatest) {
    auto readiness = LatestReadinessOf(c.deployments);
    ASSERT_TRUE(readiness);
    EXPECT_EQ(readiness->status, c.status);
    EXPECT_EQ(readiness->reason, c.reason);
  }
}

TEST_F(ReconcileTest, SpansNodes) {
  Create(kube::kClusterServingRuntime, kRuntime);
  Create(kube::kInferenceService, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llama, namespace: ns, annotations: {serving.kserve.io/autoscalerClass: external}}
spec:
  predictor:
    model: {modelFormat: {name: huggingface}, storageUri: "pvc://claim/llama"}
    deploymentStrategy: {type: RollingUpdate}
    workerSpec: {pipelineParallelSize: 2}
)");
  Json worker = Await(kube::kDeployment, "llama-predictor-worker");
  ASSERT_TRUE(worker.IsObject());
  EXPECT_EQ(worker["spec"]["replicas"].AsInt(), 1);
  EXPECT_EQ(worker.At({"spec", "strategy", "rollingUpdate"}),
            Yaml("{maxUnavailable: 0%, maxSurge: 100%}"));
  EXPECT_EQ(worker.At({"spec", "selector", "matchLabels", "app"}).AsString(),
            "isvc.llama-predictor-worker");
  Json head = Await(kube::kService, "llama-head-1");
  EXPECT_TRUE(head["spec"]["publishNotReadyAddresses"].AsBool());
  EXPECT_EQ(head["spec"]["selector"], Yaml("{app: isvc.llama-predictor, isvc.generation: '1'}"));
  EXPECT_EQ(head["metadata"]["labels"]["multinode/role"].AsString(), "head");

  MakeAvailable("llama-predictor");
  MakeAvailable("llama-predictor-worker");
  Json isvc = Await(kube::kInferenceService, "llama",
                    [](const Json& object) { return kube::IsConditionTrue(object, "Ready"); });
  ASSERT_TRUE(isvc.IsObject());

  // Each generation has a head Service; three are kept.
  for (int size = 3; size < 6; ++size) {
    isvc = *client_.Get(kube::kInferenceService, {.ns = "ns", .name = "llama"});
    isvc.Path({"spec", "predictor", "workerSpec", "pipelineParallelSize"}) = size;
    ASSERT_TRUE(client_.Update(kube::kInferenceService, isvc));
    EXPECT_TRUE(Await(kube::kService, fmt::format("llama-head-{}", size - 1)).IsObject());
  }
  AwaitGone(kube::kService, "llama-head-1");
  EXPECT_TRUE(client_.Get(kube::kService, {.ns = "ns", .name = "llama-head-2"}));
}

}  // namespace
}  // namespace kinglet::control
