#include "control/testing.h"
#include "control/trainedmodel/controller.h"
#include "control/trainedmodel/model_config.h"
#include "control/trainedmodel/status.h"
#include "kube/conditions.h"

namespace kinglet::control {
namespace {

api::TrainedModel Model(std::string_view name, std::string_view memory) {
  api::TrainedModel model;
  model.metadata = Json::MakeObject({{"name", name}, {"namespace", "ns"}});
  model.spec.model = {
      .storage_uri = "gs://m", .framework = "sklearn", .memory = {.value = Json(memory)}};
  return model;
}

TEST(ModelConfig, PutAndDrop) {
  Json map = Yaml("{metadata: {name: modelconfig-iris-0}, data: {models.json: '[]', other: x}}");
  EXPECT_EQ(PutModelConfig(map, Model("a", "1024Mi")), true);
  // To the letter what KServe writes.
  EXPECT_EQ(map["data"]["models.json"].AsString(),
            R"([{"modelName":"a","modelSpec":{"storageUri":"gs://m","framework":"sklearn",)"
            R"("memory":"1Gi"}}])");
  EXPECT_EQ(PutModelConfig(map, Model("a", "1Gi")), false);
  EXPECT_EQ(PutModelConfig(map, Model("b", "1")), true);
  EXPECT_EQ(PutModelConfig(map, Model("a", "2Gi")), true);
  EXPECT_EQ(DropModelConfig(map, "a"), true);
  EXPECT_EQ(DropModelConfig(map, "a"), false);
  EXPECT_EQ((*Json::Parse(map["data"]["models.json"].AsString()))[0]["modelName"].AsString(), "b");
  EXPECT_EQ(map["data"]["other"].AsString(), "x");

  map.Ref("data").Set("models.json", "{}");
  EXPECT_FALSE(PutModelConfig(map, Model("a", "1")));
  map.Erase("data");
  EXPECT_EQ(PutModelConfig(map, Model("a", "1")), true);
}

TEST(Parent, WhatAModelAsks) {
  auto facts = [](std::string_view spec, std::string_view status = "{}") {
    api::InferenceService isvc;
    isvc.spec = *api::Decode<api::InferenceServiceSpec>(Yaml(spec));
    isvc.status = Yaml(status);
    return ParentServiceOf(isvc);
  };
  ParentService parent = facts(
      "{predictor: {model: {modelFormat: {name: sklearn}, protocolVersion: v2, resources: {limits: "
      "{memory: 2Gi}}}}}",
      "{url: http://u, address: {url: http://a}, conditions: [{type: Ready, status: 'True'}]}");
  EXPECT_TRUE(parent.ready);
  EXPECT_TRUE(parent.multi_model);
  EXPECT_EQ(parent.memory.ToString(), "2Gi");
  EXPECT_EQ(parent.protocol, "v2");
  EXPECT_EQ(parent.address, "http://a");
  EXPECT_EQ(ParentService::FromJson(parent.ToJson()).ToJson(), parent.ToJson());

  EXPECT_FALSE(
      facts("{predictor: {model: {modelFormat: {name: sklearn}, storageUri: a}}}").multi_model);
  EXPECT_FALSE(facts("{predictor: {}}").multi_model);
  parent = facts(
      "{predictor: {containers: [{name: kserve-container, env: [{name: MULTI_MODEL_SERVER, value: "
      "'true'}], resources: {limits: {memory: 1Gi}}}]}}");
  EXPECT_TRUE(parent.multi_model);
  EXPECT_EQ(parent.memory.ToString(), "1Gi");
}

class TrainedModelTest : public testing::Test {
 protected:
  void SetUp() override {
    controller_ =
        std::make_unique<TrainedModelController>(client_, TrainedModelController::Options());
    controller_->Start(stop_.get_token());
    ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }
  void TearDown() override {
    stop_.request_stop();
    controller_->Join();
  }
  void CreateService() {
    Create(client_, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec: {predictor: {model: {modelFormat: {name: sklearn}, resources: {limits: {memory: 3Gi}}}}}
)");
    Create(client_, R"(
apiVersion: v1
kind: ConfigMap
metadata:
  name: modelconfig-iris-0
  namespace: ns
  ownerReferences: [{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, name: iris, uid: u, controller: true}]
data: {models.json: '[]'}
)");
  }
  void MakeReady() {
    SetStatus(
        client_, kube::kInferenceService, "iris",
        "{url: http://iris.x, address: {url: http://iris}, conditions: [{type: Ready, status: "
        "'True'}]}");
  }
  void CreateModel(std::string_view name, std::string_view memory) {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {{name: {}, namespace: ns}}
spec: {{inferenceService: iris, model: {{storageUri: "gs://m", framework: sklearn, memory: {}}}}}
)",
                                name, memory));
  }
  Json AwaitReady(const std::string& name) {
    return Await(client_, kube::kTrainedModel, name,
                 [](const Json& model) { return kube::IsConditionTrue(model, "Ready"); });
  }
  bool AwaitModels(std::string_view want) {
    return !Await(client_, kube::kConfigMap, "modelconfig-iris-0", [&](const Json& map) {
              std::string names;
              auto models = Json::Parse(map["data"]["models.json"].AsString());
              for (const Json& model : models->AsArray()) {
                names += model["modelName"].AsString() + " ";
              }
              return names == want;
            }).IsNull();
  }

  kube::FakeClient client_;
  std::stop_source stop_;
  std::unique_ptr<TrainedModelController> controller_;
};

TEST_F(TrainedModelTest, FromWaitingToLoadedToGone) {
  CreateService();
  CreateModel("m", "1Gi");
  Json waiting = Await(client_, kube::kTrainedModel, "m",
                       [](const Json& model) { return kube::IsConditionFalse(model, "Ready"); });
  EXPECT_EQ((*kube::FindCondition(waiting, "Ready"))["reason"].AsString(),
            "InferenceServiceNotReady");
  EXPECT_TRUE(kube::IsConditionTrue(waiting, "IsMMSPredictor"));
  EXPECT_TRUE(kube::IsConditionTrue(waiting, "MemoryResourceAvailable"));
  EXPECT_EQ(kube::Labels(waiting),
            Yaml("{inferenceservice: iris, serving.kserve.io/trainedmodel-allocated: iris}"));
  EXPECT_TRUE(kube::HasFinalizer(waiting, "trainedmodel.finalizer"));
  EXPECT_TRUE(AwaitModels(""));

  MakeReady();
  Json ready = AwaitReady("m");
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://iris.x/v1/models/m:predict");
  EXPECT_EQ(ready.At({"status", "address", "url"}).AsString(), "http://iris/v1/models/m:predict");
  EXPECT_TRUE(AwaitModels("m "));

  ASSERT_TRUE(client_.Delete(kube::kTrainedModel, {.ns = "ns", .name = "m"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kTrainedModel, "m"));
  EXPECT_TRUE(AwaitModels(""));
}

TEST_F(TrainedModelTest, MemoryIsPromisedOnce) {
  CreateService();
  MakeReady();
  CreateModel("a", "2Gi");
  ASSERT_FALSE(AwaitReady("a").IsNull());
  CreateModel("b", "2Gi");
  Json waiting = Await(client_, kube::kTrainedModel, "b",
                       [](const Json& model) { return kube::IsConditionFalse(model, "Ready"); });
  EXPECT_EQ((*kube::FindCondition(waiting, "Ready"))["reason"].AsString(),
            "MemoryResourceNotAvailable");
  EXPECT_EQ(kube::Label(waiting, "serving.kserve.io/trainedmodel-allocated"), "");
  CreateModel("c", "1Gi");
  ASSERT_FALSE(AwaitReady("c").IsNull());
  // What a gives back is b's.
  ASSERT_TRUE(client_.Delete(kube::kTrainedModel, {.ns = "ns", .name = "a"}));
  EXPECT_FALSE(AwaitReady("b").IsNull());
  EXPECT_TRUE(AwaitModels("c b "));
}

TEST_F(TrainedModelTest, GoesWithoutItsService) {
  CreateModel("m", "1Gi");
  EXPECT_TRUE(AwaitGone(client_, kube::kTrainedModel, "m"));
}

TEST_F(TrainedModelTest, GoesWithItsService) {
  CreateService();
  MakeReady();
  CreateModel("m", "1Gi");
  ASSERT_FALSE(AwaitReady("m").IsNull());
  // Also where the ConfigMap went first.
  ASSERT_TRUE(client_.Delete(kube::kConfigMap, {.ns = "ns", .name = "modelconfig-iris-0"}));
  ASSERT_TRUE(client_.Delete(kube::kInferenceService, {.ns = "ns", .name = "iris"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kTrainedModel, "m"));
}

}  // namespace
}  // namespace kinglet::control
