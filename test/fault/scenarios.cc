#include "test/fault/scenarios.h"

#include <fmt/format.h>

#include <string_view>

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
    router: '{"image": "r:1", "memoryRequest": "100Mi", "memoryLimit": "1Gi", "cpuRequest": "100m", "cpuLimit": "1"}'
- apiVersion: serving.kserve.io/v1alpha1
  kind: ClusterServingRuntime
  metadata: {name: kserve-sklearnserver}
  spec:
    supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 1}]
    protocolVersions: [v1, v2]
    containers:
    - {name: kserve-container, image: "kserve/sklearnserver:latest", args: ["--model_name={{.Name}}"]}
- apiVersion: serving.kserve.io/v1alpha1
  kind: ClusterServingRuntime
  metadata: {name: many-nodes}
  spec:
    supportedModelFormats: [{name: huggingface, version: "1", autoSelect: true}]
    protocolVersions: [v2, v1]
    containers: [{name: kserve-container, image: head, env: [{name: MODEL_NAME, value: x}]}]
    workerSpec:
      pipelineParallelSize: 2
      tensorParallelSize: 1
      containers: [{name: worker-container, image: worker}]
)";

std::string Base(std::string_view gateway_api) {
  std::string base(kBase);
  constexpr std::string_view kPlace = "GATEWAY";
  base.replace(base.find(kPlace), kPlace.size(), gateway_api);
  return base;
}

// A list of one InferenceService of namespace ns.
std::string Service(std::string_view metadata, std::string_view spec) {
  return fmt::format(R"(
- apiVersion: serving.kserve.io/v1beta1
  kind: InferenceService
  metadata: {{namespace: ns, {}}}
  spec: {}
)",
                     metadata, spec);
}

std::string Graph(std::string_view mode, std::string_view nodes) {
  return fmt::format(R"(
- apiVersion: serving.kserve.io/v1alpha1
  kind: InferenceGraph
  metadata: {{name: g, namespace: ns, annotations: {{serving.kserve.io/deploymentMode: {}}}}}
  spec: {{nodes: {}}}
)",
                     mode, nodes);
}

std::string Model(std::string_view name, std::string_view memory) {
  return fmt::format(R"(
- apiVersion: serving.kserve.io/v1alpha1
  kind: TrainedModel
  metadata: {{name: {}, namespace: ns}}
  spec: {{inferenceService: iris, model: {{storageUri: "gs://m/{}", framework: sklearn, memory: {}}}}}
)",
                     name, name, memory);
}

constexpr std::string_view kIris =
    R"({predictor: {model: {modelFormat: {name: sklearn}, storageUri: "s3://models/iris"}}})";
constexpr std::string_view kIrisWithTransformer =
    R"({predictor: {model: {modelFormat: {name: sklearn}, storageUri: "s3://models/iris"}},
        transformer: {containers: [{image: t}]}})";

std::vector<Step> StandardLife() {
  return {
      {.apply = Service("name: iris", kIrisWithTransformer)},
      {.apply = Service("name: iris", "{transformer: null}")},
      // Another model, more replicas.
      {.apply = Service("name: iris, labels: {team: a}",
                        R"({predictor: {minReplicas: 2, maxReplicas: 3,
                            model: {storageUri: "s3://models/iris-2"}}})")},
      {.remove = {"InferenceService/iris"}},
  };
}

std::vector<Step> KnativeLife() {
  constexpr std::string_view kMetadata =
      "name: iris, annotations: {serving.kserve.io/deploymentMode: Serverless}";
  return {
      {.apply = Service(kMetadata, kIrisWithTransformer)},
      // Another model as a canary, no transformer; then for all; then back.
      {.apply = Service(kMetadata, R"({transformer: null, predictor: {canaryTrafficPercent: 20,
                                       model: {storageUri: "s3://models/iris-2"}}})")},
      {.apply = Service(kMetadata, "{predictor: {canaryTrafficPercent: null}}")},
      {.apply = Service(kMetadata, "{predictor: {canaryTrafficPercent: 0}}")},
      {.remove = {"InferenceService/iris"}},
  };
}

std::vector<Step> ManyNodesLife() {
  constexpr std::string_view kMetadata =
      "name: llama, annotations: {serving.kserve.io/autoscalerClass: external}";
  auto of_size = [&](int size) {
    return Service(kMetadata, fmt::format(R"({{predictor: {{
        model: {{modelFormat: {{name: huggingface}}, storageUri: "pvc://claim/llama"}},
        workerSpec: {{pipelineParallelSize: {}}}}}}})",
                                          size));
  };
  // A head Service for each generation, of which the last three stay.
  return {{.apply = of_size(2)},
          {.apply = of_size(3)},
          {.apply = of_size(4)},
          {.apply = of_size(5)},
          {.remove = {"InferenceService/llama"}}};
}

std::vector<Step> AutoscalerLife() {
  auto of_class = [](std::string_view name) {
    return Service(
        fmt::format("name: iris, annotations: {{serving.kserve.io/autoscalerClass: {}}}", name),
        R"({predictor: {model: {modelFormat: {name: sklearn}, storageUri: "s3://models/iris"},
            maxReplicas: 4, autoScaling: {metrics: [
              {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}},
              {type: External, external: {metric: {backend: prometheus, serverAddress: "http://p",
                query: q}, target: {type: Value, value: "10"}}}]}}})");
  };
  return {{.apply = of_class("keda")},
          {.apply = of_class("hpa")},
          {.apply = of_class("keda")},
          {.apply = of_class("none")},
          {.remove = {"InferenceService/iris"}}};
}

std::vector<Step> CanaryLife() {
  return {
      {.apply = Service("name: iris", R"({
          predictor: {name: one, model: {modelFormat: {name: sklearn}, storageUri: "s3://models/iris"}},
          canary: [{predictor: {name: two, model: {storageUri: "s3://b/2"}}, trafficPercent: 20}]})")},
      {.apply = Service("name: iris", R"({canary: [
          {predictor: {name: two, model: {storageUri: "s3://b/2"}}, trafficPercent: 60}]})")},
      // Promoted.
      {.apply = Service("name: iris", R"({canary: null, predictor: {name: two,
          model: {modelFormat: {name: sklearn}, storageUri: "s3://b/2"}}})")},
      {.remove = {"InferenceService/iris"}},
  };
}

std::vector<Step> StopLife() {
  auto stopped = [](std::string_view value) {
    return Service(fmt::format("name: iris, annotations: {{serving.kserve.io/stop: '{}'}}", value),
                   kIris);
  };
  return {{.apply = stopped("false")},
          {.apply = stopped("true")},
          {.apply = stopped("false")},
          {.remove = {"InferenceService/iris"}}};
}

std::vector<Step> GraphLife(std::string_view mode) {
  return {
      {.apply = Service("name: iris", kIris) +
                Graph(mode, "{root: {routerType: Sequence, steps: [{serviceName: iris}]}}")},
      {.apply = Graph(mode,
                      R"({root: {routerType: Splitter, steps: [
                          {serviceName: iris, weight: 20}, {nodeName: other, weight: 80}]},
                          other: {routerType: Sequence, steps: [{serviceUrl: "http://o"}]}})")},
      {.remove = {"InferenceGraph/g", "InferenceService/iris"}},
  };
}

std::vector<Step> ModelLife() {
  return {
      {.apply = Service("name: iris", R"({predictor: {model: {modelFormat: {name: sklearn},
                            resources: {limits: {memory: 3Gi}}}}})")},
      {.apply = Model("a", "1Gi")},
      // One more, and one that is too large.
      {.apply = Model("b", "1Gi") + Model("c", "9Gi")},
      {.remove = {"TrainedModel/a"}},
      // Models go with their service.
      {.remove = {"InferenceService/iris"}},
  };
}

}  // namespace

std::vector<Scenario> Scenarios() {
  constexpr std::string_view kProof = "\"s3://models/iris\"";
  auto make = [](std::string name, std::string_view gateway_api, std::vector<Step> steps,
                 std::string_view proof) {
    return Scenario{std::move(name), Base(gateway_api), std::move(steps), std::string(proof)};
  };
  return {make("Ingress", "false", StandardLife(), kProof),
          make("GatewayApi", "true", StandardLife(), kProof),
          make("Knative", "false", KnativeLife(), kProof),
          make("ManyNodes", "false", ManyNodesLife(), "\"llama-head-1\""),
          make("Autoscalers", "false", AutoscalerLife(), "ScaledObject"),
          make("Canary", "true", CanaryLife(), "\"iris-two-predictor\""),
          make("StopAndResume", "false", StopLife(), kProof),
          make("StandardGraph", "false", GraphLife("RawDeployment"), "--graph-json"),
          make("KnativeGraph", "false", GraphLife("Serverless"), "--graph-json"),
          make("TrainedModels", "false", ModelLife(), "modelconfig-iris-0")};
}

}  // namespace kinglet::fault
