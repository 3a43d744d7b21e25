// Standard mode against an API server in memory; the test plays the part of those who run pods and
// gateways.
#include "control/child_merge.h"
#include "control/inferenceservice/reconcile_fixture.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

class StandardTest : public ReconcileTest {
 protected:
  void SetIngress(std::string_view more) {
    SetConfig("ingress",
              fmt::format(R"({{"ingressGateway": "in/gw", "ingressDomain": "x.com"{}}})", more));
  }

  void SetConfig(std::string_view key, std::string_view value) {
    const kube::ObjectKey config{.ns = "kserve", .name = "inferenceservice-config"};
    Json object = *client_.Get(kube::kConfigMap, config);
    object.Ref("data").Set(key, value);
    ASSERT_TRUE(client_.Update(kube::kConfigMap, object));
  }

  void SetAvailable(const std::string& name, std::string_view status) {
    Json deployment = Await(kube::kDeployment, name);
    ASSERT_TRUE(deployment.IsObject()) << name;
    deployment.Set("status",
                   Json::MakeObject(
                       {{"conditions", Json::MakeArray({Json::MakeObject({{"type", "Available"},
                                                                          {"status", status},
                                                                          {"reason", "R"},
                                                                          {"message", "m"}})})}}));
    ASSERT_TRUE(client_.UpdateStatus(kube::kDeployment, deployment));
  }

  void AcceptRoute(const std::string& name) {
    Json route = Await(kube::kHttpRoute, name);
    ASSERT_TRUE(route.IsObject()) << name;
    route.Set("status", Yaml("{parents: [{conditions: [{type: Accepted, status: 'True'}]}]}"));
    ASSERT_TRUE(client_.UpdateStatus(kube::kHttpRoute, route));
  }

  Json AwaitCondition(std::string_view type, std::string_view status, std::string_view reason) {
    return Await(kube::kInferenceService, "iris", [&](const Json& isvc) {
      const Json* condition = kube::FindCondition(isvc, type);
      return condition && (*condition)["status"].AsString() == status &&
             (*condition)["reason"].AsString() == reason;
    });
  }

  bool AwaitEvent(std::string_view reason, std::string_view message) {
    return Await(kube::kEvent, "",
                 [&](const Json& event) {
                   return event["reason"].AsString() == reason &&
                          event["message"].AsString().find(message) != std::string::npos;
                 })
        .IsObject();
  }

  bool Exists(const kube::ResourceType& type, const std::string& name) {
    return client_.Get(type, {.ns = "ns", .name = name}).has_value();
  }
};

// The name of an InferenceService gives no right to what has the name of one of its children.
TEST_F(StandardTest, ObjectsOfOthersAreLeftAlone) {
  constexpr std::string_view kTheirs = R"(
apiVersion: v1
kind: Service
metadata: {name: iris-predictor, namespace: ns}
spec: {selector: {app: theirs}, ports: [{port: 80}]}
)";
  Create(kube::kService, kTheirs);
  Create(kube::kInferenceService, kIris);
  EXPECT_TRUE(AwaitEvent("InternalError", "exists and was not made for InferenceService iris"));
  Json service = *client_.Get(kube::kService, {.ns = "ns", .name = "iris-predictor"});
  EXPECT_EQ(service["spec"], Yaml(kTheirs)["spec"]);
  EXPECT_FALSE(kube::ControllerOf(service));
  // With the label of the InferenceService it is one that KServe wrote over: it is taken over.
  kube::SetLabel(service, "serving.kserve.io/inferenceservice", "iris");
  ASSERT_TRUE(client_.Update(kube::kService, service));
  Json ours = Await(kube::kService, "iris-predictor",
                    [](const Json& now) { return kube::ControllerOf(now) != nullptr; });
  EXPECT_EQ(ours["spec"]["selector"]["app"].AsString(), "isvc.iris-predictor");
}

TEST_F(StandardTest, RoutesOfReadyComponentsAndTheirGateways) {
  SetIngress(R"(, "enableGatewayApi": true, "kserveIngressGateway": "kserve/gw")");
  Create(kube::kInferenceService,
         std::string(kIris) + "  transformer: {containers: [{image: t}]}\n");
  SetAvailable("iris-transformer", "True");
  EXPECT_TRUE(Await(kube::kHttpRoute, "iris-transformer").IsObject());
  EXPECT_FALSE(Exists(kube::kHttpRoute, "iris-predictor"));
  EXPECT_FALSE(Exists(kube::kHttpRoute, "iris"));

  SetAvailable("iris-predictor", "True");
  Json closed = AwaitCondition("IngressReady", "False", "ParentStatusNotAvailable");
  ASSERT_TRUE(closed.IsObject());
  EXPECT_EQ((*kube::FindCondition(closed, "IngressReady"))["message"].AsString(),
            "Predictor HttpRouteNotReady");
  AcceptRoute("iris-predictor");
  AcceptRoute("iris-transformer");
  AcceptRoute("iris");
  Json ready = AwaitCondition("Ready", "True", "");
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://iris-ns.x.com");

  // The way in stays open where a component fails later; the failure is told.
  SetAvailable("iris-predictor", "False");
  Json failed = AwaitCondition("PredictorReady", "False", "R");
  ASSERT_TRUE(failed.IsObject());
  EXPECT_TRUE(kube::IsConditionTrue(failed, "IngressReady"));
  EXPECT_TRUE(AwaitEvent("InferenceServiceNotReady",
                         "InferenceService [iris] is no longer Ready because of: PredictorReady"));
}

TEST_F(StandardTest, AnExplainerBehindATransformerIsNotAwaited) {
  SetIngress("");
  Create(kube::kInferenceService, std::string(kIris) +
                                      "  transformer: {containers: [{image: t}]}\n"
                                      "  explainer: {containers: [{image: e}]}\n");
  SetAvailable("iris-predictor", "True");
  EXPECT_TRUE(
      AwaitCondition("IngressReady", "False", "Transformer ingress not created").IsObject());
  SetAvailable("iris-transformer", "True");
  Json ingress = Await(kube::kIngress, "iris");
  EXPECT_EQ(ingress["spec"]["rules"].size(), 4u);
  EXPECT_TRUE(AwaitCondition("Ready", "True", "").IsObject());
}

TEST_F(StandardTest, TheSchemeIsThatOfTheWholeServiceOnly) {
  SetIngress(R"(, "urlScheme": "https")");
  Create(kube::kInferenceService, kIris);
  SetAvailable("iris-predictor", "True");
  Json ready = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return isvc["status"]["url"].AsString() == "https://iris-ns.x.com";
  });
  EXPECT_EQ(ready["status"]["address"]["url"].AsString(),
            "https://iris-predictor.ns.svc.cluster.local");
  EXPECT_EQ(ready.At({"status", "components", "predictor", "url"}).AsString(),
            "http://iris-predictor-ns.x.com");
}

TEST_F(StandardTest, AHostThatCannotBeMadeMakesNothing) {
  SetIngress(R"(, "domainTemplate": "{{ .Name }}_")");
  Create(kube::kInferenceService, kIris);
  EXPECT_TRUE(AwaitEvent("InternalError",
                         "fails to create NewRawKubeReconciler for predictor: failed creating "
                         "host name: invalid domain name \"iris-predictor_\""));
}

TEST_F(StandardTest, ALabelOfAHostHasAtMost63Characters) {
  SetIngress(fmt::format(R"(, "domainTemplate": "{{{{ .Name }}}}-{}.com")", std::string(50, 'x')));
  Create(kube::kInferenceService, kIris);
  EXPECT_TRUE(AwaitEvent("InternalError", "must be no more than 63 characters"));
}

TEST_F(StandardTest, AFrameworkWithNothingOfItsOwnIsAnEmptyContainer) {
  SetIngress("");
  Create(kube::kInferenceService, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec: {predictor: {xgboost: {storageUri: s3://b/m}}}
)");
  Json deployment = Await(kube::kDeployment, "iris-predictor");
  EXPECT_TRUE(deployment.At({"spec", "template", "spec", "containers"})[0].IsObject());
}

TEST_F(StandardTest, TheConfigurationOfAMultiModelServerHasTheLabelsOfTheUser) {
  SetIngress("");
  Create(kube::kInferenceService, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns, labels: {mine: 'yes'}}
spec: {predictor: {model: {modelFormat: {name: sklearn}, runtime: kserve-mlserver}}}
)");
  // It is there before a runtime is, and has none of its labels.
  Json models = Await(kube::kConfigMap, "modelconfig-iris-0");
  ASSERT_TRUE(models.IsObject());
  EXPECT_EQ(kube::Labels(models), Yaml("{mine: 'yes'}"));
}

TEST_F(StandardTest, AnUnknownAutoscalerMakesNothing) {
  std::string yaml(kIris);
  yaml.replace(yaml.find("namespace: ns"), 13,
               "namespace: ns, annotations: {serving.kserve.io/autoscalerClass: mine}");
  Create(kube::kInferenceService, yaml);
  EXPECT_TRUE(AwaitEvent("InternalError", "unknown autoscaler class type: mine"));
  EXPECT_FALSE(Exists(kube::kDeployment, "iris-predictor"));
  EXPECT_FALSE(Exists(kube::kService, "iris-predictor"));
}

TEST_F(StandardTest, FieldsWithoutEffectAreTold) {
  std::string yaml(kIris);
  yaml.replace(yaml.find("  predictor:\n"), 13,
               "  predictor:\n    containerConcurrency: 4\n    batcher: {timeout: 3}\n"
               "    canaryTrafficPercent: 10\n");
  Create(kube::kInferenceService, yaml);
  EXPECT_TRUE(AwaitEvent("FieldHasNoEffect", "spec.predictor.containerConcurrency has no effect"));
  EXPECT_TRUE(AwaitEvent("FieldHasNoEffect", "spec.predictor.batcher.timeout has no effect"));
  EXPECT_TRUE(AwaitEvent("FieldHasNoEffect", "spec.predictor.canaryTrafficPercent has no effect"));
  // KServe says nothing of them in the status.
  Json isvc = AwaitCondition("IngressReady", "False", "Predictor ingress not created");
  EXPECT_EQ(isvc["status"]["conditions"].size(), 2u);
}

// Answers of the server that no wish can help against.
class RefusingServerTest : public StandardTest {
 protected:
  void SetUp() override {
    client_.OnCall([](const kube::FakeClient::Call& call) -> Status {
      if (call.verb != "create" || call.key.name != "iris-transformer") return {};
      return Fail(Code::kInvalidArgument, "no such thing here");
    });
    StandardTest::SetUp();
  }
};

TEST_F(RefusingServerTest, NothingIsSaidOfAComponentWhoseObjectsAreRefused) {
  SetIngress("");
  Create(kube::kInferenceService,
         std::string(kIris) + "  transformer: {containers: [{image: t}]}\n");
  SetAvailable("iris-predictor", "True");
  Json isvc = AwaitCondition("PredictorReady", "True", "");
  ASSERT_TRUE(isvc.IsObject());
  EXPECT_TRUE(isvc["status"]["components"].Has("predictor"));
  EXPECT_FALSE(isvc["status"]["components"].Has("transformer"));
  EXPECT_EQ(isvc.At({"status", "modelStatus", "states", "targetModelState"}).AsString(), "Pending");
}

TEST_F(StandardTest, PodsWithTheSelectorsLabelOnlyCountToo) {
  SetIngress("");
  Create(kube::kInferenceService, kIris);
  Create(kube::kPod, R"(
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ns, labels: {app: isvc.iris-predictor}}
)");
  SetStatus(client_, kube::kPod, "p",
            "{containerStatuses: [{name: kserve-container, state: {terminated: {reason: Error, "
            "message: no memory, exitCode: 137}}}]}");
  SetAvailable("iris-predictor", "False");
  Json failed = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return isvc.At({"status", "modelStatus", "transitionStatus"}).AsString() ==
           "BlockedByFailedLoad";
  });
  ASSERT_TRUE(failed.IsObject());
  EXPECT_EQ(failed.At({"status", "modelStatus", "lastFailureInfo", "exitCode"}).AsInt(), 137);
}

// An explainer of before names lost their suffix.
class OldExplainerTest : public StandardTest {
 protected:
  void SetUp() override {
    Create(kube::kService, R"(
apiVersion: v1
kind: Service
metadata:
  name: iris-explainer-default
  namespace: ns
  labels: {serving.kserve.io/inferenceservice: iris}
spec: {ports: [{port: 80}]}
)");
    StandardTest::SetUp();
  }
};

TEST_F(OldExplainerTest, TheAddressIsThatOfThePredictorAsItIsNamed) {
  SetIngress("");
  Create(kube::kInferenceService, std::string(kIris) + "  explainer: {containers: [{image: e}]}\n");
  SetAvailable("iris-predictor", "True");
  SetAvailable("iris-explainer-default", "True");
  Json ready = AwaitCondition("Ready", "True", "");
  EXPECT_EQ(ready["status"]["address"]["url"].AsString(),
            "http://iris-predictor.ns.svc.cluster.local");
}

TEST_F(OldExplainerTest, RoutesHaveNoOldNames) {
  SetIngress(R"(, "enableGatewayApi": true, "kserveIngressGateway": "kserve/gw")");
  Create(kube::kInferenceService, std::string(kIris) + "  explainer: {containers: [{image: e}]}\n");
  SetAvailable("iris-explainer-default", "True");
  Json route = Await(kube::kHttpRoute, "iris-explainer");
  ASSERT_TRUE(route.IsObject());
  EXPECT_EQ(route["spec"]["rules"][0]["backendRefs"][0]["name"].AsString(),
            "iris-explainer-default");
}

TEST(MergeChild, WhatFollowsAndWhatStays) {
  constexpr std::string_view kOwned = "ownerReferences: [{uid: u, controller: true}]";
  auto object = [&](std::string_view kind, std::string_view labels, std::string_view spec) {
    return Yaml(
        fmt::format("{{kind: {}, apiVersion: v, metadata: {{name: n, labels: {}, {}}}, "
                    "spec: {}}}",
                    kind, labels, kOwned, spec));
  };
  const struct {
    const char *kind, *existing, *desired, *spec;  // specs
    const char* labels;                            // of the result; {a: 1} was, {b: 2} is wished
  } kCases[] = {
      // The address of a Service is never fought over; its labels follow only with its ports, and
      // what is no longer wished for goes.
      {"Service", "{clusterIP: 10.0.0.1, ports: [{port: 80}]}",
       "{clusterIP: None, ports: [{port: 80}]}", "{clusterIP: 10.0.0.1, ports: [{port: 80}]}",
       "{a: '1'}"},
      {"Service", "{clusterIP: 10.0.0.1, ports: [{port: 80}]}",
       "{clusterIP: None, ports: [{port: 81}]}", "{clusterIP: 10.0.0.1, ports: [{port: 81}]}",
       "{b: '2'}"},
      {"HorizontalPodAutoscaler", "{maxReplicas: 1}", "{maxReplicas: 1}", "{maxReplicas: 1}",
       "{b: '2'}"},
      {"Deployment", "{replicas: 1}", "{replicas: 2}", "{replicas: 2}", "{a: '1', b: '2'}"},
      {"HTTPRoute", "{rules: [{x: 1, weight: 1}]}", "{rules: [{x: 1}]}",
       "{rules: [{x: 1, weight: 1}]}", "{a: '1'}"},
      {"VirtualService", "{hosts: [a]}", "{hosts: [b]}", "{hosts: [b]}", "{b: '2'}"},
      {"ScaledObject", "{minReplicaCount: 1}", "{minReplicaCount: 1}", "{minReplicaCount: 1}",
       "{a: '1'}"},
      {"ScaledObject", "{minReplicaCount: 1}", "{minReplicaCount: 2}", "{minReplicaCount: 2}",
       "{b: '2'}"},
  };
  for (const auto& c : kCases) {
    Json merged =
        MergeChild(object(c.kind, "{a: '1'}", c.existing), object(c.kind, "{b: '2'}", c.desired));
    EXPECT_EQ(merged["spec"], Yaml(c.spec)) << c.kind;
    EXPECT_EQ(kube::Labels(merged), Yaml(c.labels)) << c.kind;
  }
}

}  // namespace
}  // namespace kinglet::control
