#include "control/inferenceservice/plan.h"

#include <gtest/gtest.h>

#include "api/core_types.h"
#include "base/hostile_json.h"
#include "control/inferenceservice/children/knative_service.h"
#include "control/testing.h"

namespace kinglet::control {
namespace {

// Between them they use what a component can have.
constexpr std::string_view kServices[] = {
    R"(
metadata: {name: iris, namespace: ns, generation: 1, labels: {a: b}, annotations: {serving.kserve.io/autoscalerClass: keda}}
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 3
    serviceAccountName: sa
    nodeSelector: {a: b}
    tolerations: [{key: k, operator: Exists}]
    affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: k, operator: Exists}]}]}}}
    imagePullSecrets: [{name: p}]
    volumes: [{name: v, emptyDir: {}}]
    initContainers: [{name: i, image: i}]
    labels: {c: d}
    annotations: {e: f}
    deploymentStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
    autoScaling: {metrics: [{type: External, external: {metric: {backend: prometheus, serverAddress: s, query: q}, target: {type: Value, value: "1"}}}, {type: PodMetric, podmetric: {metric: {backend: opentelemetry, metricNames: [m], query: q}, target: {type: Value, value: "1"}}}]}
    logger: {url: u, mode: all, metadataHeaders: [h]}
    batcher: {maxBatchSize: 1, maxLatency: 2}
    containers: [{name: transformer-container, image: t, env: [{name: A, value: a}], ports: [{containerPort: 8080, name: h2c}]}]
    model:
      modelFormat: {name: sklearn}
      storage: {path: p, key: k, parameters: {type: s3}}
      env: [{name: A, value: a}]
      args: [--a]
      ports: [{containerPort: 8080, name: http, protocol: TCP}]
      volumeMounts: [{name: v, mountPath: /v}]
      resources: {limits: {cpu: "1", nvidia.com/gpu: "1"}, requests: {cpu: "1"}}
      readinessProbe: {httpGet: {path: /, port: 8080}}
      securityContext: {runAsNonRoot: true}
  transformer:
    containers: [{name: kserve-container, image: t, args: [--x], env: [{name: STORAGE_URI, value: "s3://b/m"}], resources: {limits: {cpu: "1"}}}]
    scaleMetric: cpu
    scaleTarget: 50
  explainer:
    art: {type: SquareAttack, storageUri: "s3://b/m", config: {a: b}, resources: {limits: {cpu: "1"}}}
status: {deploymentMode: Standard, conditions: [{type: Ready, status: "True"}], components: {predictor: {url: u}}}
)",
    R"(
metadata: {name: llm, namespace: ns, generation: 2, annotations: {serving.kserve.io/gpu-resource-types: '["example.com/gpu"]', serving.kserve.io/autoscalerClass: external}}
spec:
  predictor:
    model: {modelFormat: {name: big}, storageUri: "pvc://c/m", resources: {limits: {example.com/gpu: "1"}}, env: [{name: A, valueFrom: {fieldRef: {fieldPath: p}}}]}
    workerSpec: {pipelineParallelSize: 2, tensorParallelSize: 1, containers: [{name: worker-container, image: w, env: [{name: B, value: b}]}], volumes: [{name: v, emptyDir: {}}]}
)",
    R"(
metadata: {name: trial, namespace: ns}
spec:
  predictor: {name: one, minReplicas: 2, model: {modelFormat: {name: sklearn}, storageUris: [{uri: "s3://b/1", mountPath: /mnt/a/1}, {uri: "pvc://c/2", mountPath: /mnt/a/2}]}}
  canary: [{predictor: {name: two, model: {storageUri: "s3://b/2", env: [{name: A, value: a}]}}, trafficPercent: 30}]
)",
};

constexpr std::string_view kRuntimes[] = {
    R"(
metadata: {name: one}
spec:
  supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 1}]
  protocolVersions: [v1, v2]
  labels: {g: h}
  annotations: {i: j}
  nodeSelector: {k: l}
  tolerations: [{key: r, operator: Exists}]
  imagePullSecrets: [{name: r}]
  volumes: [{name: w, emptyDir: {}}]
  containers:
  - {name: kserve-container, image: "r:1", args: ["--model_name={{.Name}}"], env: [{name: B, value: b}], ports: [{containerPort: 8080, name: http}], volumeMounts: [{name: w, mountPath: /w}], resources: {limits: {cpu: "2"}}}
  - {name: transformer-container, image: t}
  - {name: side, image: s}
)",
    R"(
metadata: {name: spanning}
spec:
  supportedModelFormats: [{name: big, autoSelect: true}]
  containers: [{name: kserve-container, image: "h:1"}]
  workerSpec: {pipelineParallelSize: 2, tensorParallelSize: 1, containers: [{name: worker-container, image: "w:1"}], labels: {a: b}, volumes: [{name: s, emptyDir: {}}]}
)",
};

// Definitions that check little let anything through: it must be refused here, not end the manager.
TEST(Plan, ValuesOfEveryTypeInEveryPlaceAreRefusedOrPlanned) {
  const api::Config config = api::ParseConfig(Json());
  const std::vector<std::string> legacy;
  size_t planned = 0, refused = 0;
  auto plan = [&](const Json& service, const std::vector<Json>& runtime_objects) {
    std::vector<api::ServingRuntime> runtimes;
    for (const Json& object : runtime_objects) {
      auto runtime = api::DecodeObject<api::ServingRuntime>("ServingRuntime", object);
      if (runtime) runtimes.push_back(*std::move(runtime));
    }
    auto isvc = api::DecodeObject<api::InferenceService>("InferenceService", service);
    if (!isvc) {
      ++refused;
      return;
    }
    const ComponentInput input{config, runtimes, {}, legacy};
    Plan made = MakePlan(*isvc, input);
    for (const ComponentPlan& component : made.components) {
      MakeKnativeService(component, isvc->ns(), {}, isvc->status);
    }
    ++planned;
  };
  std::vector<Json> runtimes;
  for (std::string_view text : kRuntimes) runtimes.push_back(Yaml(text));
  std::set<std::string> seen;
  for (std::string_view text : kServices) {
    const Json service = Yaml(text);
    ForEachOddValue(service, seen, [&](const std::string& place, const Json& changed) {
      SCOPED_TRACE(place);
      plan(changed, runtimes);
    });
    for (Json& runtime : runtimes) {
      std::set<std::string> all;
      const Json original = runtime;
      ForEachOddValue(original, all, [&](const std::string& place, const Json& changed) {
        SCOPED_TRACE(place);
        runtime = changed;
        plan(service, runtimes);
      });
      runtime = original;
    }
  }
  EXPECT_GT(planned, 1'000U);
  EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace kinglet::control
