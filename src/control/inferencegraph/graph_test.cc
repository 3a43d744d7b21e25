#include "control/inferencegraph/controller.h"
#include "control/inferencegraph/router.h"
#include "control/testing.h"
#include "kube/conditions.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kConfig = R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data:
  deploy: '{"defaultDeploymentMode": "Serverless"}'
  ingress: '{"ingressGateway": "a/b", "ingressDomain": "example.com", "urlScheme": "https"}'
  router: '{"image": "r:1", "memoryRequest": "100Mi", "memoryLimit": "1Gi", "cpuRequest": "100m",
    "cpuLimit": "1", "headers": {"propagate": ["A", "B"]}, "imagePullPolicy": "Always",
    "imagePullSecrets": ["pull"]}'
)";

api::InferenceGraphSpec Spec(std::string_view yaml) {
  auto spec = api::Decode<api::InferenceGraphSpec>(Yaml(yaml));
  EXPECT_TRUE(spec) << spec.error().message();
  return spec.value_or(api::InferenceGraphSpec());
}

api::InferenceGraph Graph(std::string_view metadata, std::string_view spec) {
  api::InferenceGraph graph;
  graph.metadata = Yaml(metadata);
  graph.spec = Spec(spec);
  return graph;
}

constexpr std::string_view kNodes =
    "nodes: {root: {routerType: Sequence, steps: [{serviceUrl: http://a}]}}";

TEST(GraphJson, IsSpelledAsKServeDoes) {
  EXPECT_EQ(GraphJson(Spec(R"(
tolerations: [{effect: NoSchedule, key: k, operator: Equal, value: v}]
resources: {requests: {memory: 1024Mi, cpu: 1}}
nodes:
  root:
    steps: [{weight: 30, serviceUrl: "http://a?x&y", name: s}, {data: $request, nodeName: other}]
    routerType: Splitter
  other: {routerType: Sequence}
)")),
            R"({"nodes":{"other":{"routerType":"Sequence"},"root":{"routerType":"Splitter",)"
            R"("steps":[{"name":"s","serviceUrl":"http://a?x\u0026y","weight":30},)"
            R"({"nodeName":"other","data":"$request"}]}},)"
            R"("resources":{"requests":{"cpu":"1","memory":"1Gi"}},)"
            R"("tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoSchedule"}]})");
}

TEST(GraphJson, AsTheRouterReadsIt) {
  EXPECT_EQ(Json::Parse(GraphJson(Spec(R"(
nodes:
  root:
    routerType: Splitter
    steps:
    - {serviceName: a, serviceUrl: http://a, weight: 0}
    - {nodeName: other, weight: 100}
  other:
    routerType: Ensemble
    steps: [{name: x, serviceUrl: http://x, dependency: Hard, condition: "a<1 && b>2"}]
resources: {limits: {cpu: "0.5", memory: 1024Mi}, requests: {cpu: 1}}
timeout: 30
minReplicas: 0
nodeSelector: {}
)"))),
            Json::Parse(R"({"nodes": {
        "root": {"routerType": "Splitter", "steps": [
          {"serviceName": "a", "serviceUrl": "http://a", "weight": 0},
          {"nodeName": "other", "weight": 100}]},
        "other": {"routerType": "Ensemble", "steps": [
          {"name": "x", "serviceUrl": "http://x", "condition": "a<1 && b>2", "dependency": "Hard"}
        ]}},
        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "1"}},
        "timeout": 30, "minReplicas": 0})"));
  EXPECT_TRUE(Json::Parse(GraphJson(Spec(kNodes)))->Has("resources"));
}

TEST(Router, StandardObjects) {
  const api::Config config = api::ParseConfig(Yaml(kConfig));
  auto graph = Graph("{name: g, namespace: ns, labels: {a: b}, annotations: {c: d}}",
                     std::string(kNodes) + R"(
resources: {requests: {cpu: 1}}
affinity: {nodeAffinity: {}}
tolerations: [{key: k}]
nodeSelector: {disk: ssd}
nodeName: n
serviceAccountName: sa
minReplicas: 2
maxReplicas: 5
scaleTarget: 50
scaleMetric: memory
)");
  auto objects = MakeRouterObjects(graph, config, *config.router);
  ASSERT_TRUE(objects) << objects.error().message();
  ASSERT_EQ(objects->size(), 3u);
  const Json& deployment = (*objects)[0].object;
  const Json& pod = deployment.At({"spec", "template", "spec"});
  const Json& container = pod["containers"][0];
  EXPECT_EQ(container["name"].AsString(), "g");
  EXPECT_EQ(container["image"].AsString(), "r:1");
  EXPECT_EQ(container["imagePullPolicy"].AsString(), "Always");
  EXPECT_EQ(container["resources"], Yaml("{requests: {cpu: '1'}}"));
  EXPECT_EQ(container["env"], Yaml("[{name: PROPAGATE_HEADERS, value: 'A,B'}]"));
  EXPECT_EQ(pod["affinity"], Yaml("{nodeAffinity: {}}"));
  EXPECT_EQ(pod["tolerations"], Yaml("[{key: k}]"));
  EXPECT_EQ(pod["nodeSelector"], Yaml("{disk: ssd}"));
  EXPECT_EQ(pod["nodeName"].AsString(), "n");
  EXPECT_EQ(pod["serviceAccountName"].AsString(), "sa");
  EXPECT_EQ(pod["imagePullSecrets"], Yaml("[{name: pull}]"));
  EXPECT_EQ(pod["automountServiceAccountToken"], Json(false));
  EXPECT_EQ(deployment["metadata"]["labels"],
            Yaml("{a: b, app: isvc.g, serving.kserve.io/inferencegraph: g}"));
  EXPECT_EQ((*objects)[1].object["spec"]["ports"],
            Yaml("[{name: g, port: 80, targetPort: 8080, protocol: TCP}]"));
  const Json& autoscaler = (*objects)[2].object["spec"];
  EXPECT_EQ(autoscaler["minReplicas"].AsInt(), 2);
  EXPECT_EQ(autoscaler["maxReplicas"].AsInt(), 5);
  EXPECT_EQ(autoscaler["metrics"][0]["resource"]["name"].AsString(), "memory");
  EXPECT_EQ(MakeGraphUrl(graph, *config.ingress).value_or(""), "http://g-ns.example.com");

  // An external autoscaler has the number of replicas.
  graph.metadata.Path({"annotations", "serving.kserve.io/autoscalerClass"}) = "external";
  objects = MakeRouterObjects(graph, config, *config.router);
  ASSERT_EQ(objects->size(), 2u);
  EXPECT_EQ((*objects)[0].object["spec"]["replicas"].AsInt(), 2);
}

TEST(Router, ResourcesOfTheSpecEvenWhereTheyAreEmpty) {
  const api::Config config = api::ParseConfig(Yaml(kConfig));
  auto resources = [&](std::string_view spec) {
    auto graph = Graph("{name: g, namespace: ns}", std::string(kNodes) + "\n" + std::string(spec));
    return MakeRouterKnativeService(graph, *config.router)
        .object.At({"spec", "template", "spec", "containers"})[0]["resources"];
  };
  EXPECT_EQ(resources(""), Yaml("{limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 100m, memory: "
                                "100Mi}}"));
  EXPECT_EQ(resources("resources: {}"), resources(""));
  EXPECT_TRUE(resources("resources: {limits: {}}").empty());
}

TEST(Router, KnativeService) {
  const api::Config config = api::ParseConfig(Yaml(kConfig));
  auto graph = Graph(R"(
name: g
namespace: ns
labels: {networking.knative.dev/visibility: cluster-local, a: b}
annotations:
  autoscaling.knative.dev/class: hpa.autoscaling.knative.dev
  autoscaling.knative.dev/min-scale: "0"
  serving.knative.openshift.io/enablePassthrough: "true"
  x: y
)",
                     std::string(kNodes) + "\ntimeout: 60\nminReplicas: 3");
  const Json service = MakeRouterKnativeService(graph, *config.router).object;
  EXPECT_EQ(service["metadata"]["labels"], graph.metadata["labels"]);
  EXPECT_EQ(service["metadata"]["annotations"],
            Yaml("{serving.knative.openshift.io/enablePassthrough: 'true'}"));
  EXPECT_EQ(service.At({"spec", "template", "metadata"}), Yaml(R"(
labels: {a: b, serving.kserve.io/inferencegraph: g, serving.kserve.io/kind: InferenceGraph}
annotations:
  autoscaling.knative.dev/class: hpa.autoscaling.knative.dev
  autoscaling.knative.dev/min-scale: "0"
  x: y
)"));
  EXPECT_EQ(service.At({"spec", "template", "spec", "timeoutSeconds"}).AsInt(), 60);
}

TEST(Router, KeepsTheSpellingThatIsThere) {
  const api::Config config = api::ParseConfig(Yaml(kConfig));
  auto graph = Graph("{name: g, namespace: ns}", kNodes);
  Json desired = MakeRouterKnativeService(graph, *config.router).object;
  auto text = [](const Json& object) {
    return object.At({"spec", "template", "spec", "containers"})[0]["args"][1].AsString();
  };
  Json existing = desired;
  const std::string spelled = " " + text(desired);
  existing.Path({"spec", "template", "spec", "containers"})
      .MutableArray()[0]
      .Set("args", Json::MakeArray({"--graph-json", spelled}));
  KeepGraphSpelling(&existing, desired);
  EXPECT_EQ(text(desired), spelled);

  graph.spec.timeout = 5;
  Json changed = MakeRouterKnativeService(graph, *config.router).object;
  KeepGraphSpelling(&existing, changed);
  EXPECT_NE(text(changed), spelled);
}

TEST(Router, DanglingSteps) {
  EXPECT_EQ(FindDanglingSteps(Spec(R"(
nodes:
  root: {routerType: Sequence, steps: [{nodeName: a}, {nodeName: b}]}
  a: {routerType: Sequence, steps: [{serviceUrl: http://a}]}
)")),
            std::vector<std::string>{
                "step 1 of node root leads to node b, which the graph does not have"});
  api::InferenceGraphSpec many;
  many.nodes["root"].steps.assign(1000, {.node_name = "missing"});
  EXPECT_EQ(FindDanglingSteps(many).size(), kMaxDanglingSteps);
}

class GraphTest : public testing::Test {
 protected:
  void SetUp() override {
    Create(client_, config_);
    controller_ =
        std::make_unique<InferenceGraphController>(client_, InferenceGraphController::Options());
    controller_->Start(stop_.get_token());
    ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }
  void TearDown() override {
    stop_.request_stop();
    controller_->Join();
  }
  void CreateGraph(std::string_view mode, std::string_view step = "serviceUrl: http://a") {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {{name: g, namespace: ns, annotations: {{serving.kserve.io/deploymentMode: {}}}}}
spec: {{nodes: {{root: {{routerType: Sequence, steps: [{{{}}}]}}}}}}
)",
                                mode, step));
  }
  static std::string GraphOf(const Json& child) {
    return child.At({"spec", "template", "spec", "containers"})[0]["args"][1].AsString();
  }

  kube::FakeClient client_;
  std::string config_{kConfig};  // before SetUp
  std::stop_source stop_;
  std::unique_ptr<InferenceGraphController> controller_;
};

class WithoutIngressTest : public GraphTest {
 protected:
  void SetUp() override {
    constexpr std::string_view kGateway = "\"ingressGateway\": \"a/b\", ";
    config_.erase(config_.find(kGateway), kGateway.size());
    GraphTest::SetUp();
  }
};

TEST_F(WithoutIngressTest, KnativeDoesWithoutIt) {
  CreateGraph("Serverless");
  EXPECT_FALSE(Await(client_, kube::kKnativeService, "g").IsNull());
}

TEST_F(WithoutIngressTest, StandardAsksForIt) {
  CreateGraph("RawDeployment");
  Json event = Await(client_, kube::kEvent, "", [](const Json& object) {
    return object["message"].AsString().find("ingressGateway is required") != std::string::npos;
  });
  EXPECT_TRUE(event.IsObject());
  EXPECT_FALSE(client_.Get(kube::kDeployment, {.ns = "ns", .name = "g"}));
}

TEST_F(GraphTest, StandardIsReadyWithItsDeployment) {
  CreateGraph("RawDeployment");
  ASSERT_FALSE(Await(client_, kube::kHorizontalPodAutoscaler, "g").IsNull());
  ASSERT_FALSE(Await(client_, kube::kService, "g").IsNull());
  SetStatus(client_, kube::kDeployment, "g", "{conditions: [{type: Available, status: 'True'}]}");
  Json graph = Await(client_, kube::kInferenceGraph, "g",
                     [](const Json& object) { return kube::IsConditionTrue(object, "Ready"); });
  EXPECT_EQ(graph["status"]["url"].AsString(), "http://g-ns.example.com");

  // What somebody else deletes comes again.
  ASSERT_TRUE(client_.Delete(kube::kService, {.ns = "ns", .name = "g"}));
  EXPECT_FALSE(Await(client_, kube::kService, "g").IsNull());
}

TEST_F(GraphTest, KnativeFollowsItsService) {
  CreateGraph("Serverless");
  ASSERT_FALSE(Await(client_, kube::kKnativeService, "g").IsNull());
  SetStatus(client_, kube::kKnativeService, "g",
            "{url: http://g.x, conditions: [{type: Ready, status: 'True'}]}");
  Json graph = Await(client_, kube::kInferenceGraph, "g",
                     [](const Json& object) { return kube::IsConditionTrue(object, "Ready"); });
  EXPECT_EQ(graph["status"]["url"].AsString(), "http://g.x");
  SetStatus(client_, kube::kKnativeService, "g",
            "{conditions: [{type: Ready, status: 'False', reason: R}]}");
  graph = Await(client_, kube::kInferenceGraph, "g",
                [](const Json& object) { return kube::IsConditionFalse(object, "Ready"); });
  EXPECT_FALSE(graph["status"].Has("url"));
  EXPECT_FALSE(client_.Get(kube::kDeployment, {.ns = "ns", .name = "g"}));
}

TEST_F(GraphTest, WaitsForItsServicesAndFollowsThem) {
  CreateGraph("Serverless", "serviceName: iris");
  Create(client_, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: ns}
spec: {predictor: {model: {modelFormat: {name: sklearn}, storageUri: "gs://a"}}}
)");
  EXPECT_FALSE(client_.Get(kube::kKnativeService, {.ns = "ns", .name = "g"}));
  SetStatus(client_, kube::kInferenceService, "iris", "{address: {url: http://iris}}");
  Json service = Await(client_, kube::kKnativeService, "g");
  EXPECT_NE(GraphOf(service).find("http://iris/v1/models/iris:predict"), std::string::npos);
  SetStatus(client_, kube::kInferenceService, "iris", "{address: {url: http://other}}");
  EXPECT_FALSE(Await(client_, kube::kKnativeService, "g", [](const Json& object) {
                 return GraphOf(object).find("http://other/v1") != std::string::npos;
               }).IsNull());
  // A URL of its own wins.
  Json graph = *client_.Get(kube::kInferenceGraph, {.ns = "ns", .name = "g"});
  graph.Path({"spec", "nodes", "root", "steps"}).MutableArray()[0].Set("serviceUrl", "http://own");
  ASSERT_TRUE(client_.Update(kube::kInferenceGraph, graph));
  EXPECT_FALSE(Await(client_, kube::kKnativeService, "g", [](const Json& object) {
                 return GraphOf(object).find("http://own") != std::string::npos;
               }).IsNull());
}

TEST_F(GraphTest, ConfigurationReachesRouters) {
  CreateGraph("Serverless");
  ASSERT_FALSE(Await(client_, kube::kKnativeService, "g").IsNull());
  auto write = [&](std::string_view router) {
    auto patched =
        client_.Patch(kube::kConfigMap, {.ns = "kserve", .name = "inferenceservice-config"},
                      kube::PatchType::kMerge,
                      Json::MakeObject({{"data", Json::MakeObject({{"router", router}})}}));
    ASSERT_TRUE(patched);
  };
  auto image = [](const Json& service) {
    return service.At({"spec", "template", "spec", "containers"})[0]["image"].AsString();
  };
  // Refused: what was good stays.
  write("{");
  write(
      R"({"image": "r:2", "memoryRequest": "1", "memoryLimit": "1", "cpuRequest": "1", "cpuLimit": "x"})");
  write(
      R"({"image": "r:3", "memoryRequest": "1", "memoryLimit": "1", "cpuRequest": "1", "cpuLimit": "1"})");
  Json service = Await(client_, kube::kKnativeService, "g",
                       [&](const Json& object) { return image(object) != "r:1"; });
  EXPECT_EQ(image(service), "r:3");
}

TEST_F(GraphTest, StopsAndResumes) {
  CreateGraph("RawDeployment");
  ASSERT_FALSE(Await(client_, kube::kHorizontalPodAutoscaler, "g").IsNull());
  SetStatus(client_, kube::kDeployment, "g", "{conditions: [{type: Available, status: 'True'}]}");
  auto stop = [&](const char* value) {
    auto patched = client_.Patch(
        kube::kInferenceGraph, {.ns = "ns", .name = "g"}, kube::PatchType::kMerge,
        Yaml(fmt::format("metadata: {{annotations: {{serving.kserve.io/stop: '{}'}}}}", value)));
    ASSERT_TRUE(patched);
  };
  stop("True");
  EXPECT_TRUE(AwaitGone(client_, kube::kDeployment, "g"));
  EXPECT_TRUE(AwaitGone(client_, kube::kHorizontalPodAutoscaler, "g"));
  Json graph = Await(client_, kube::kInferenceGraph, "g",
                     [](const Json& object) { return kube::IsConditionTrue(object, "Stopped"); });
  EXPECT_EQ((*kube::FindCondition(graph, "Ready"))["reason"].AsString(), "Stopped");
  EXPECT_FALSE(graph["status"].Has("url"));
  stop("false");
  ASSERT_FALSE(Await(client_, kube::kDeployment, "g").IsNull());
  SetStatus(client_, kube::kDeployment, "g", "{conditions: [{type: Available, status: 'True'}]}");
  EXPECT_FALSE(Await(client_, kube::kInferenceGraph, "g", [](const Json& object) {
                 return kube::IsConditionTrue(object, "Ready") &&
                        kube::IsConditionFalse(object, "Stopped");
               }).IsNull());
}

TEST_F(GraphTest, ExternalAutoscalerAndOtherMode) {
  CreateGraph("RawDeployment");
  ASSERT_FALSE(Await(client_, kube::kHorizontalPodAutoscaler, "g").IsNull());
  auto annotate = [&](const char* annotation) {
    ASSERT_TRUE(client_.Patch(
        kube::kInferenceGraph, {.ns = "ns", .name = "g"}, kube::PatchType::kMerge,
        Yaml(fmt::format("metadata: {{annotations: {{serving.kserve.io/{}}}}}", annotation))));
  };
  annotate("autoscalerClass: external");
  EXPECT_TRUE(AwaitGone(client_, kube::kHorizontalPodAutoscaler, "g"));
  annotate("deploymentMode: Knative");
  EXPECT_FALSE(Await(client_, kube::kKnativeService, "g").IsNull());
  // As KServe: what the other mode made stays until the graph goes.
  EXPECT_TRUE(client_.Get(kube::kDeployment, {.ns = "ns", .name = "g"}));
}

}  // namespace
}  // namespace kinglet::control
