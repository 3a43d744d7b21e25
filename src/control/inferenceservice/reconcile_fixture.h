// For tests: the InferenceService controller against an API server in memory.
#pragma once

#include <gtest/gtest.h>

#include "control/inferenceservice/controller.h"
#include "control/testing.h"
#include "kube/conditions.h"
#include "kube/fake_client.h"

namespace kinglet::control {

// A controller against an API server in memory.
class ReconcileTest : public testing::Test {
 protected:
  void SetUp() override {
    Json config = Yaml(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data: {deploy: '{"defaultDeploymentMode": "Standard"}', inferenceService: '{}'}
)");
    config.Path({"data", "ingress"}) = ingress_;
    ASSERT_TRUE(client_.Create(kube::kConfigMap, config));
    Create(kube::kClusterServingRuntime, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {name: kserve-sklearnserver}
spec:
  annotations: {prometheus.kserve.io/port: "8080"}
  supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 1}]
  protocolVersions: [v1, v2]
  containers:
  - name: kserve-container
    image: kserve/sklearnserver:latest
    args: ["--model_name={{.Name}}", --model_dir=/mnt/models]
)");
    controller_ = std::make_unique<InferenceServiceController>(client_, options_);
    controller_->Start(stop_.get_token());
    ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }
  void TearDown() override {
    stop_.request_stop();
    controller_->Join();
  }

  void Create(const kube::ResourceType& type, std::string_view yaml) {
    auto created = client_.Create(type, Yaml(yaml));
    ASSERT_TRUE(created) << created.error().message();
  }

  // The object (of any name where it is "") once `good` holds of it; null where it does not come
  // about.
  Json Await(
      const kube::ResourceType& type, const std::string& name,
      const std::function<bool(const Json&)>& good = [](const Json&) { return true; }) {
    return control::Await(client_, type, name, good);
  }

  // Until the object is not there any more.
  void AwaitGone(const kube::ResourceType& type, const std::string& name) {
    EXPECT_TRUE(control::AwaitGone(client_, type, name)) << name;
  }

  void MakeAvailable(const std::string& name) {
    Json deployment = Await(kube::kDeployment, name);
    ASSERT_TRUE(deployment.IsObject());
    deployment.Set("status", Yaml("{observedGeneration: 1, conditions: [{type: Available, status: "
                                  "'True', reason: MinimumReplicasAvailable}]}"));
    auto updated = client_.UpdateStatus(kube::kDeployment, deployment);
    ASSERT_TRUE(updated) << updated.error().message();
  }

  static constexpr std::string_view kIris = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec:
  predictor:
    model: {modelFormat: {name: sklearn}, storageUri: "file:///models/iris"}
)";

  kube::FakeClient client_;
  // Before SetUp.
  InferenceServiceController::Options options_;
  std::string ingress_ =
      R"({"ingressGateway": "a/b", "ingressDomain": "127.0.0.1:8080", "pathBasedURL": true,
          "pathTemplate": "/serving/{{ .Namespace }}/{{ .Name }}"})";
  std::stop_source stop_;
  std::unique_ptr<InferenceServiceController> controller_;
};

}  // namespace kinglet::control
