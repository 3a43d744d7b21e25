// What later releases of KServe added: stop, recorded modes, runtimes that are left alone, files
// from several places.
#include <gtest/gtest.h>

#include "api/constants.h"
#include "control/inferenceservice/later_status.h"
#include "control/inferenceservice/reconcile_fixture.h"
#include "control/inferenceservice/storage_uris.h"

namespace kinglet::control {
namespace {

api::Config Config(std::string_view data) {
  return api::ParseConfig(Json::MakeObject({{"data", Yaml(data)}}));
}

TEST(Modes, RecordedOnlyWhereLaterNamesAreUsed) {
  const struct {
    std::string_view annotation, config, want;
  } kCases[] = {
      {"RawDeployment", "{}", ""},
      {"Standard", "{}", "Standard"},
      {"RawDeployment", "{compatibility: latest}", "Standard"},
      {"RawDeployment", "{deploy: '{\"defaultDeploymentMode\": \"Knative\"}'}", "Standard"},
      {"RawDeployment", "{deploy: '{\"defaultDeploymentMode\": \"Serverless\"}'}", ""},
  };
  for (const auto& c : kCases) {
    api::InferenceService isvc;
    isvc.metadata = Json::MakeObject();
    isvc.metadata.Path({"annotations", api::annotation::kDeploymentMode}) = c.annotation;
    Json object = Json::MakeObject();
    RecordMode(object, isvc, api::Mode::kRawDeployment, Config(c.config));
    EXPECT_EQ(object["status"]["deploymentMode"].AsString(), c.want) << c.annotation << c.config;
  }
}

TEST(StorageUris, ClaimsAndDownloads) {
  const auto config = Config(
      "{storageInitializer: '{\"image\": \"i\", \"memoryRequest\": \"1\", \"memoryLimit\": \"1\", "
      "\"cpuRequest\": \"1\", \"cpuLimit\": \"1\"}'}");
  Json pod = Yaml(
      "{containers: [{name: kserve-container}, {name: transformer-container}, "
      "{name: other}]}");
  const std::vector<api::StorageUri> places = {
      {"s3://b/base", "/mnt/models/base"},
      {"hf://a/lora", "/mnt/models/lora"},
      {"pvc://claim/sub/dir", "/data"},
  };
  ASSERT_TRUE(AddStorageUris(places, Json(), config, {}, pod));
  EXPECT_EQ(pod["initContainers"][0]["args"],
            Yaml("['s3://b/base', /mnt/models/base, 'hf://a/lora', /mnt/models/lora]"));
  EXPECT_EQ(pod["initContainers"][0]["volumeMounts"],
            Yaml("[{name: mnt-models, mountPath: /mnt/models}]"));
  for (int i : {0, 1}) {
    EXPECT_EQ(pod["containers"][static_cast<size_t>(i)]["volumeMounts"],
              Yaml("[{name: data, mountPath: /data, readOnly: true, subPath: sub/dir}, {name: "
                   "mnt-models, mountPath: /mnt/models, readOnly: true}]"));
  }
  EXPECT_FALSE(pod["containers"][2].Has("volumeMounts"));
  EXPECT_TRUE(kube::SemanticallyEqual(
      Json::MakeObject({{"v", pod["volumes"]}}),
      Yaml("{v: [{name: data, persistentVolumeClaim: {claimName: claim}}, {name: mnt-models, "
           "emptyDir: {}}]}")))
      << pod["volumes"].Dump();

  api::ClusterStorageContainer single;
  single.spec.container = Yaml("{name: mine, image: x}");
  single.spec.supported_uri_formats = {{"s3://", ""}};
  pod = Yaml("{containers: [{name: kserve-container}]}");
  auto refused = AddStorageUris(places, Json(), config, {&single, 1}, pod);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "storage container \"mine\" does not support multi-model download; use the default "
            "kserve storage initializer or a compatible storage container");
  single.spec.supports_multi_model_download = true;
  pod = Yaml("{containers: [{name: kserve-container}]}");
  ASSERT_TRUE(AddStorageUris(places, Json(), config, {&single, 1}, pod));
  EXPECT_EQ(pod["initContainers"][0]["image"].AsString(), "x");
  EXPECT_EQ(pod["initContainers"][0]["name"].AsString(), "storage-initializer");
}

void Annotate(kube::FakeClient& client, std::string_view key, std::string_view value) {
  Json isvc = *client.Get(kube::kInferenceService, {.ns = "ns", .name = "iris"});
  isvc.Path({"metadata", "annotations", key}) = value;
  ASSERT_TRUE(client.Update(kube::kInferenceService, isvc));
}

bool IsReady(const Json& object) { return kube::IsConditionTrue(object, "Ready"); }

TEST_F(ReconcileTest, StopAndResume) {
  Create(kube::kInferenceService, kIris);
  MakeAvailable("iris-predictor");
  ASSERT_TRUE(Await(kube::kInferenceService, "iris", IsReady).IsObject());

  Annotate(client_, "serving.kserve.io/stop", "True");
  AwaitGone(kube::kDeployment, "iris-predictor");
  AwaitGone(kube::kService, "iris-predictor");
  AwaitGone(kube::kHorizontalPodAutoscaler, "iris-predictor");
  AwaitGone(kube::kIngress, "iris");
  Json isvc = Await(kube::kInferenceService, "iris",
                    [](const Json& object) { return kube::IsConditionTrue(object, "Stopped"); });
  ASSERT_TRUE(isvc.IsObject());
  EXPECT_EQ((*kube::FindCondition(isvc, "Ready"))["reason"].AsString(), "Stopped");
  EXPECT_EQ((*kube::FindCondition(isvc, "PredictorReady"))["reason"].AsString(), "Stopped");
  EXPECT_FALSE(isvc["status"].Has("url"));
  EXPECT_EQ(isvc["status"]["deploymentMode"].AsString(), "Standard");

  Annotate(client_, "serving.kserve.io/stop", "false");
  MakeAvailable("iris-predictor");
  isvc = Await(kube::kInferenceService, "iris", IsReady);
  ASSERT_TRUE(isvc.IsObject());
  EXPECT_TRUE(kube::IsConditionFalse(isvc, "Stopped"));
}

void SetImage(kube::FakeClient& client, std::string_view image) {
  Json runtime =
      *client.Get(kube::kClusterServingRuntime, {.ns = "", .name = "kserve-sklearnserver"});
  runtime.Ref("spec").Ref("containers").MutableArray()[0].Set("image", image);
  ASSERT_TRUE(client.Update(kube::kClusterServingRuntime, runtime));
}

TEST_F(ReconcileTest, ChangesOfARuntimeReachItsServices) {
  Create(kube::kInferenceService, kIris);
  MakeAvailable("iris-predictor");
  ASSERT_TRUE(Await(kube::kInferenceService, "iris", IsReady).IsObject());
  auto has_image = [](std::string_view image) {
    return [image](const Json& deployment) {
      return deployment.At({"spec", "template", "spec", "containers"})[0]["image"].AsString() ==
             image;
    };
  };
  SetImage(client_, "two");
  EXPECT_TRUE(Await(kube::kDeployment, "iris-predictor", has_image("two")).IsObject());

  Annotate(client_, "serving.kserve.io/disable-auto-update", "true");
  SetImage(client_, "three");
  Annotate(client_, "serving.kserve.io/disable-auto-update", "false");
  EXPECT_TRUE(Await(kube::kDeployment, "iris-predictor", has_image("three")).IsObject());
}

// A kind that is installed while the controller runs.
TEST_F(ReconcileTest, KedaThatComesLater) {
  std::vector<kube::ResourceType> types;
  for (const auto* type : kube::KnownResources()) {
    if (*type != kube::kScaledObject) types.push_back(*type);
  }
  stop_.request_stop();
  controller_->Join();
  client_.Serve(types);
  stop_ = std::stop_source();
  controller_ =
      std::make_unique<InferenceServiceController>(client_, InferenceServiceController::Options{});
  controller_->Start(stop_.get_token());
  ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));

  std::string yaml(kIris);
  yaml.replace(yaml.find("namespace: ns"), 13,
               "namespace: ns, annotations: {serving.kserve.io/autoscalerClass: keda}");
  Create(kube::kInferenceService, yaml);
  ASSERT_TRUE(Await(kube::kService, "iris-predictor").IsObject());
  types.push_back(kube::kScaledObject);
  client_.Serve(types);
  EXPECT_TRUE(Await(kube::kScaledObject, "iris-predictor").IsObject());
}

}  // namespace
}  // namespace kinglet::control
