// For every call that the controller makes: fail it, refuse it as a conflict, lose its answer, or
// kill the controller right after it; and let watch events of every kind come late, twice, or not
// until the next list. The objects end as they do without the fault.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/log.h"
#include "base/yaml.h"
#include "test/fault/world.h"

namespace kinglet::fault {
namespace {

constexpr std::string_view kBase = R"(
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: inferenceservice-config, namespace: kserve}
  data:
    deploy: '{"defaultDeploymentMode": "RawDeployment"}'
    ingress: '{"ingressGateway": "a/b", "kserveIngressGateway": "a/b", "localGateway": "lo/gw", "localGatewayService": "lo.svc", "ingressDomain": "example.com", "enableGatewayApi": GATEWAY}'
    inferenceService: '{}'
- apiVersion: serving.kserve.io/v1alpha1
  kind: ClusterServingRuntime
  metadata: {name: kserve-sklearnserver}
  spec:
    supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 1}]
    protocolVersions: [v1, v2]
    containers:
    - {name: kserve-container, image: "kserve/sklearnserver:latest", args: ["--model_name={{.Name}}"]}
)";

constexpr std::string_view kIris = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec:
  predictor: {model: {modelFormat: {name: sklearn}, storageUri: "s3://models/iris"}}
)";

struct Step {
  std::string apply;   // YAML
  std::string remove;  // the name of an InferenceService
};

struct Scenario {
  std::string name;
  std::string gateway;  // "true" or "false"
  std::vector<Step> steps;
};

std::string WithAnnotation(std::string_view yaml, std::string_view annotation) {
  std::string out(yaml);
  constexpr std::string_view kPlace = "namespace: ns";
  out.insert(out.find(kPlace) + kPlace.size(), fmt::format(", annotations: {{{}}}", annotation));
  return out;
}

std::vector<Scenario> Scenarios() {
  const std::vector<Step> life = {
      {.apply = std::string(kIris) + "  transformer: {containers: [{image: t}]}\n"},
      // Another model, more replicas, no transformer.
      {.apply = std::string(kIris) + "  transformer: null\n"},
      {.apply = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns, labels: {team: a}}
spec: {predictor: {minReplicas: 2, maxReplicas: 3, model: {storageUri: "s3://models/iris-2"}}}
)"},
      {.remove = "iris"},
  };
  const std::string serverless =
      WithAnnotation(kIris, "serving.kserve.io/deploymentMode: Serverless");
  const std::vector<Step> rollout = {
      {.apply = serverless + "  transformer: {containers: [{image: t}]}\n"},
      // Another model as a canary, no transformer; then for all; then back.
      {.apply = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec:
  transformer: null
  predictor: {canaryTrafficPercent: 20, model: {storageUri: "s3://models/iris-2"}}
)"},
      {.apply = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec: {predictor: {canaryTrafficPercent: null}}
)"},
      {.apply = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec: {predictor: {canaryTrafficPercent: 0}}
)"},
      {.remove = "iris"},
  };
  return {{"Ingress", "false", life}, {"GatewayApi", "true", life}, {"Knative", "false", rollout}};
}

std::string BaseOf(const Scenario& scenario) {
  std::string base(kBase);
  base.replace(base.find("GATEWAY"), 7, scenario.gateway);
  return base;
}

// Plays the steps; returns the objects after each. `wanted` of a run without faults is empty.
std::vector<std::string> Play(World& world, const Scenario& scenario,
                              const std::vector<std::string>& wanted) {
  std::vector<std::string> ends;
  world.Start();
  for (size_t i = 0; i < scenario.steps.size(); ++i) {
    const Step& step = scenario.steps[i];
    if (!step.apply.empty()) world.Apply(*ParseYaml(step.apply));
    if (!step.remove.empty()) world.Delete("InferenceService", step.remove);
    ends.push_back(world.Settle(wanted.empty() ? "" : wanted[i]));
  }
  return ends;
}

class ControllerFault : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    ConfigureLog(LogLevel::kError, LogFormat::kText);
    World world(BaseOf(GetParam()));
    wanted_ = Play(world, GetParam(), {});
    places_ = world.faults().places();
    ASSERT_NE(wanted_[0].find("\"s3://models/iris\""), std::string::npos) << wanted_[0];
    ASSERT_EQ(wanted_.back(), "");
  }
  void TearDown() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  std::vector<std::string> wanted_;
  std::vector<Place> places_;
};

TEST_P(ControllerFault, EndsTheSameWhicheverCallFails) {
  std::ranges::sort(places_);
  ASSERT_GT(places_.size(), 20u);
  size_t fired = 0;
  for (const Place& place : places_) {
    for (Fault fault : {Fault::kRefuse, Fault::kConflict, Fault::kLoseReply, Fault::kCrash}) {
      World world(BaseOf(GetParam()));
      FaultyClient& client = world.faults();
      client.Arm(place, fault);
      auto ends = Play(world, GetParam(), wanted_);
      for (size_t i = 0; i < ends.size(); ++i) {
        ASSERT_EQ(ends[i], wanted_[i])
            << place.ToString() << ": " << FaultText(fault) << ", after step " << i + 1;
      }
      fired += client.fired();
    }
  }
  // Which calls are made depends a little on how events meet; nearly every place must be reached.
  EXPECT_GT(fired, places_.size() * 4 * 3 / 4);
  std::printf("%s: %zu places, %zu faults\n", GetParam().name.c_str(), places_.size(), fired);
}

TEST_P(ControllerFault, EndsTheSameHoweverEventsArrive) {
  for (auto kind :
       {"InferenceService", "Deployment", "Service", "HorizontalPodAutoscaler", "Ingress",
        "HTTPRoute", "VirtualService", "ClusterServingRuntime", "ConfigMap"}) {
    for (Delivery delivery : {Delivery::kTwice, Delivery::kLate, Delivery::kMissed}) {
      World world(BaseOf(GetParam()));
      world.faults().Deliver(kind, delivery);
      auto ends = Play(world, GetParam(), wanted_);
      for (size_t i = 0; i < ends.size(); ++i) {
        ASSERT_EQ(ends[i], wanted_[i])
            << kind << " events " << DeliveryText(delivery) << ", after step " << i + 1;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ControllerFault, testing::ValuesIn(Scenarios()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kinglet::fault
