#include "control/inferenceservice/canary.h"

#include <gtest/gtest.h>

#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/reconcile_fixture.h"

namespace kinglet::control {
namespace {

class CanaryTest : public testing::Test {
 protected:
  CanaryTest() {
    runtimes_.push_back(*api::Decode<api::ServingRuntime>(Yaml(R"(
metadata: {name: r}
spec: {supportedModelFormats: [{name: sklearn, autoSelect: true}], containers: [{name: kserve-container, image: i}]}
)")));
  }
  ComponentInput Input() { return {config_, runtimes_, {}, legacy_, {}}; }
  api::InferenceService Service(std::string_view spec) {
    auto isvc = api::Decode<api::InferenceService>(
        Yaml(fmt::format("{{metadata: {{name: iris, namespace: ns}}, spec: {}}}", spec)));
    EXPECT_TRUE(isvc);
    return *isvc;
  }

  api::Config config_ = api::ParseConfig(Json());
  std::vector<api::ServingRuntime> runtimes_;
  std::vector<std::string> legacy_;
};

TEST_F(CanaryTest, LiesOverTheStablePredictor) {
  const auto isvc = Service(R"({
    predictor: {name: one, minReplicas: 5, maxReplicas: 9, scaleTarget: 50, timeout: 7, model:
      {modelFormat: {name: sklearn}, storageUri: 's3://b/1', env: [{name: A, value: a}]}},
    canary: [{predictor: {name: two, model: {storageUri: 's3://b/2'}}, trafficPercent: 30},
             {predictor: {name: three, minReplicas: 1}, trafficPercent: 50}]})");
  auto plans = PlanCanaries(isvc, Input(), {"three"});
  ASSERT_TRUE(plans) << plans.error().error.message();
  ASSERT_EQ(plans->size(), 2u);
  const auto &two = (*plans)[0], &three = (*plans)[1];
  EXPECT_EQ(two.component.name, "iris-two-predictor");
  EXPECT_EQ(two.component.public_name, "iris-predictor");
  EXPECT_EQ(two.replicas, 2);  // 30 % of 5, rounded up
  EXPECT_FALSE(two.ready);
  EXPECT_EQ(two.isvc->spec.predictor.model->storage_uri, "s3://b/2");
  EXPECT_EQ(two.isvc->spec.predictor.timeout, 7);
  EXPECT_EQ(two.isvc->spec.predictor.max_replicas, 0);
  EXPECT_FALSE(two.isvc->spec.predictor.scale_target);
  EXPECT_EQ(two.component.pod["containers"][0]["env"], Yaml("[{name: A, value: a}]"));
  EXPECT_EQ(three.replicas, 1);
  EXPECT_TRUE(three.ready);

  // Only what answers carries a part.
  EXPECT_EQ(StableReplicas(isvc, *plans), 4);
  const auto split = SplitTraffic("iris-one-predictor", *plans);
  ASSERT_EQ(split.size(), 2u);
  EXPECT_EQ(split[0].weight, 50);
  EXPECT_EQ(split[1].name, "iris-three-predictor");
  EXPECT_EQ(split[1].weight, 50);
  EXPECT_EQ(SplitTraffic("s", {}).at(0).weight, 1);
}

TEST_F(CanaryTest, BadPredictorIsAnError) {
  const auto isvc = Service(
      "{predictor: {model: {modelFormat: {name: sklearn}}}, canary: [{predictor: {name: 7}}]}");
  EXPECT_FALSE(PlanCanaries(isvc, Input(), {}));
}

TEST_F(CanaryTest, RoutesSplitTraffic) {
  config_ = api::ParseConfig(Yaml(R"(
data:
  inferenceService: '{}'
  ingress: '{"enableGatewayApi": true, "kserveIngressGateway": "a/b", "ingressGateway": "a/b", "ingressDomain": "x.y"}'
)"));
  auto isvc = Service("{predictor: {name: one, model: {modelFormat: {name: sklearn}}}}");
  auto stable = PlanPredictor(isvc, Input());
  ASSERT_TRUE(stable);
  const std::vector<WeightedService> split = {{"iris-one-predictor", 80},
                                              {"iris-two-predictor", 20}};
  auto routes = MakeHttpRoutes(isvc, {&*stable, 1}, split, config_);
  ASSERT_TRUE(routes) << routes.error().message();
  ASSERT_EQ(routes->size(), 2u);
  EXPECT_EQ(kube::Name((*routes)[0]), "iris-predictor");
  EXPECT_EQ((*routes)[0]["spec"]["hostnames"], Yaml("[iris-predictor-ns.x.y]"));
  for (const Json& route : *routes) {
    const Json& backends = route["spec"]["rules"][0]["backendRefs"];
    ASSERT_EQ(backends.size(), 2u);
    EXPECT_EQ(backends[0]["name"].AsString(), "iris-one-predictor");
    EXPECT_EQ(backends[0]["weight"].AsInt(), 80);
    EXPECT_EQ(backends[1]["weight"].AsInt(), 20);
  }
}

TEST_F(CanaryTest, TwoProtocolsHaveTwoRules) {
  constexpr std::string_view kData = R"(
data:
  inferenceService: '{{}}'
  compatibility: {}
  ingress: '{{"enableGatewayApi": true, "kserveIngressGateway": "a/b", "ingressGateway": "a/b", "ingressDomain": "x.y"}}'
)";
  runtimes_[0]
      .spec.pod.Ref("containers")
      .MutableArray()[0]
      .Set("ports", Yaml("[{name: h2c, containerPort: 9000}, {name: http, containerPort: 8080}]"));
  for (std::string_view compatibility : {"latest", "'0.15'"}) {
    config_ = api::ParseConfig(Yaml(fmt::format(kData, compatibility)));
    auto isvc = Service("{predictor: {timeout: 5, model: {modelFormat: {name: sklearn}}}}");
    auto stable = PlanPredictor(isvc, Input());
    ASSERT_TRUE(stable);
    auto routes = MakeHttpRoutes(isvc, {&*stable, 1}, SplitTraffic("iris-predictor", {}), config_);
    ASSERT_TRUE(routes);
    const Json& rules = (*routes)[1]["spec"]["rules"];
    if (compatibility != "latest") {
      EXPECT_EQ(rules.size(), 1u);
      EXPECT_EQ(rules[0]["backendRefs"][0]["port"].AsInt(), 80);
      continue;
    }
    ASSERT_EQ(rules.size(), 2u);
    EXPECT_EQ(rules[0]["matches"][0]["path"]["value"].AsString(),
              R"(^/inference\.GRPCInferenceService/.*$)");
    EXPECT_EQ(rules[0]["matches"][0]["headers"][0]["name"].AsString(), "content-type");
    EXPECT_EQ(rules[0]["backendRefs"][0]["port"].AsInt(), 80);
    EXPECT_EQ(rules[1]["backendRefs"][0]["port"].AsInt(), 8080);
    EXPECT_EQ(rules[1]["timeouts"]["request"].AsString(), "5s");
  }
}

TEST_F(ReconcileTest, CanaryFromTrialToPromotion) {
  Create(kube::kInferenceService, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec:
  predictor: {name: one, model: {modelFormat: {name: sklearn}, storageUri: "s3://b/1"}}
  canary: [{predictor: {name: two, model: {storageUri: "s3://b/2"}}, trafficPercent: 20}]
)");
  Json canary = Await(kube::kDeployment, "iris-two-predictor");
  ASSERT_TRUE(canary.IsObject());
  EXPECT_EQ(canary["spec"]["replicas"].AsInt(), 1);
  EXPECT_TRUE(Await(kube::kService, "iris-two-predictor").IsObject());
  EXPECT_TRUE(Await(kube::kDeployment, "iris-one-predictor").IsObject());
  Json isvc = Await(kube::kInferenceService, "iris", [](const Json& object) {
    return kube::IsConditionFalse(object, "CanaryPredictorReady");
  });
  EXPECT_EQ(isvc["status"]["canaryStatuses"],
            Yaml("[{name: two, ready: false, trafficPercent: 20}]"));

  canary = *client_.Get(kube::kDeployment, {.ns = "ns", .name = "iris-two-predictor"});
  canary.Set("status", Yaml("{availableReplicas: 1}"));
  ASSERT_TRUE(client_.UpdateStatus(kube::kDeployment, canary));
  isvc = Await(kube::kInferenceService, "iris", [](const Json& object) {
    return kube::IsConditionTrue(object, "CanaryPredictorReady");
  });
  ASSERT_TRUE(isvc.IsObject());
  EXPECT_TRUE((*client_.List(kube::kHorizontalPodAutoscaler, "ns"))["items"].size() == 1);
  const Json before = *client_.Get(kube::kDeployment, {.ns = "ns", .name = "iris-two-predictor"});

  // Promoted: its Deployment is the stable one now, with the pods that it has.
  isvc = *client_.Get(kube::kInferenceService, {.ns = "ns", .name = "iris"});
  isvc.Ref("spec").Set("predictor", Yaml("{name: two, model: {modelFormat: {name: sklearn}, "
                                         "storageUri: 's3://b/2'}}"));
  isvc.Ref("spec").Erase("canary");
  ASSERT_TRUE(client_.Update(kube::kInferenceService, isvc));
  MakeAvailable("iris-two-predictor");
  isvc = Await(kube::kInferenceService, "iris", [](const Json& object) {
    return kube::IsConditionTrue(object, "Ready") && !object["status"].Has("canaryStatuses");
  });
  ASSERT_TRUE(isvc.IsObject());
  AwaitGone(kube::kDeployment, "iris-one-predictor");
  const Json after = *client_.Get(kube::kDeployment, {.ns = "ns", .name = "iris-two-predictor"});
  EXPECT_EQ(after["spec"]["template"], before["spec"]["template"]);
  EXPECT_EQ(kube::Uid(after), kube::Uid(before));
}

}  // namespace
}  // namespace kinglet::control
