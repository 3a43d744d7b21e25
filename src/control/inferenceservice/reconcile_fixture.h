// For tests: the InferenceService controller against an API server in memory.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "base/yaml.h"
#include "control/inferenceservice/controller.h"
#include "kube/conditions.h"
#include "kube/fake_client.h"

namespace kinglet::control {

inline Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << value.error().message();
  return value.value_or(Json());
}

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
    ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20))));
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
    std::stop_source done;
    Json result;
    std::jthread limit([&](std::stop_token ended) {
      std::mutex mutex;
      std::condition_variable_any timer;
      std::unique_lock lock(mutex);
      timer.wait_for(lock, ended, std::chrono::seconds(20), [] { return false; });
      done.request_stop();
    });
    auto seen = client_.List(type, "ns");
    kube::WatchOptions from;
    from.resource_version = (*seen)["metadata"]["resourceVersion"].AsString();
    auto look = [&](const Json& object) {
      bool named = name.empty() || object["metadata"]["name"].AsString() == name;
      if (!named || !good(object)) return false;
      result = object;
      done.request_stop();
      return true;
    };
    for (const Json& object : (*seen)["items"].AsArray()) {
      if (look(object)) return result;
    }
    (void)client_.Watch(
        type, "ns", from,
        [&](kube::WatchEvent event) -> Status {
          if (event.type == kube::WatchEvent::Type::kAdded ||
              event.type == kube::WatchEvent::Type::kModified) {
            look(event.object);
          }
          return {};
        },
        done.get_token());
    return result;
  }

  // Until the object is not there any more.
  void AwaitGone(const kube::ResourceType& type, const std::string& name) {
    kube::WatchOptions from;
    from.resource_version = (*client_.List(type, "ns"))["metadata"]["resourceVersion"].AsString();
    if (!client_.Get(type, {.ns = "ns", .name = name})) return;
    std::stop_source gone;
    (void)client_.Watch(
        type, "ns", from,
        [&](kube::WatchEvent event) -> Status {
          if (event.type == kube::WatchEvent::Type::kDeleted &&
              event.object["metadata"]["name"].AsString() == name) {
            gone.request_stop();
          }
          return {};
        },
        gone.get_token());
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
