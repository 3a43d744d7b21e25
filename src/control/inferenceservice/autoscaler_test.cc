// Objects that scale, by class.
#include <gtest/gtest.h>

#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/reconcile_fixture.h"

namespace kinglet::control {
namespace {

api::Config Config(std::string_view data) {
  return api::ParseConfig(Json::MakeObject({{"data", Yaml(data)}}));
}

constexpr std::string_view kPlain = R"(
opentelemetryCollector: '{"scrapeInterval": "5s", "metricReceiverEndpoint": "r:4317", "metricScalerEndpoint": "s:4318"}'
)";
constexpr std::string_view kLatest = R"(
compatibility: latest
autoscaler: '{"scaleUpStabilizationWindowSeconds": "0", "scaleDownStabilizationWindowSeconds": "300"}'
opentelemetryCollector: '{"scrapeInterval": "5s", "metricReceiverEndpoint": "r:4317", "metricScalerEndpoint": "s:4318", "resource": {"cpuLimit": "1", "memoryRequest": "512Mi"}}'
)";

class ScaledObject : public testing::Test {
 protected:
  // The plan of a predictor with these fields.
  const ComponentPlan& Plan(std::string_view extension, std::string_view autoscaler = "keda") {
    spec_ = *api::Decode<api::PredictorSpec>(Yaml(extension), api::Checks::kStrict);
    plan_.name = "iris-predictor";
    plan_.labels = Yaml("{component: predictor}");
    plan_.annotations = Json::MakeObject({{"serving.kserve.io/autoscalerClass", autoscaler}});
    plan_.extension = &spec_;
    return plan_;
  }
  Json Trigger(std::string_view metric, std::string_view config = kPlain) {
    auto object = MakeScaledObject(
        Plan(fmt::format("{{maxReplicas: 4, autoScaling: {{metrics: [{}]}}}}", metric)), "ns",
        Config(config));
    EXPECT_TRUE(object) << object.error().message();
    return (*object)["spec"]["triggers"][0];
  }

  api::PredictorSpec spec_;
  ComponentPlan plan_;
};

TEST_F(ScaledObject, AHorizontalPodAutoscalerKnowsTwoResources) {
  const ComponentPlan& plan = Plan(
      "{autoScaling: {metrics: [{type: Resource, resource: {name: cpu, target: {type: "
      "Utilization, averageUtilization: 50}}}]}}");
  EXPECT_EQ(MakeHorizontalPodAutoscaler(plan, "ns")["spec"]["metrics"].size(), 1u);
  spec_.auto_scaling->metrics[0].resource->name = "gpu";
  EXPECT_TRUE(MakeHorizontalPodAutoscaler(plan, "ns")["spec"]["metrics"].empty());
}

TEST_F(ScaledObject, Triggers) {
  const struct {
    std::string_view metric, config, want;
  } kCases[] = {
      {"{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: "
       "70}}}",
       kPlain, "{type: cpu, metricType: Utilization, metadata: {value: '70'}}"},
      {"{type: Resource, resource: {name: cpu, target: {type: Utilization}}}", kPlain,
       "{type: cpu, metricType: Utilization, metadata: {value: '0'}}"},
      {"{type: Resource, resource: {name: cpu, target: {type: Utilization}}}", kLatest,
       "{type: cpu, metricType: Utilization, metadata: {value: '80'}}"},
      {"{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: "
       "1024Mi}}}",
       kPlain, "{type: memory, metricType: AverageValue, metadata: {value: 1Gi}}"},
      {"{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: "
       "1024Mi}}}",
       kLatest, "{type: memory, metricType: AverageValue, metadata: {value: 1024Mi}}"},
      {"{type: Resource, resource: {name: memory, target: {type: Value, value: '2.5'}}}", kPlain,
       "{type: memory, metricType: Value, metadata: {value: '2.500000'}}"},
      {"{type: External, external: {metric: {backend: prometheus, serverAddress: 'http://p', "
       "query: q, namespace: n}, target: {type: Value, value: 100.5}}}",
       kPlain,
       "{type: prometheus, metadata: {serverAddress: 'http://p', query: q, threshold: "
       "'100.500000', namespace: n}}"},
      {"{type: External, external: {metric: {backend: graphite, serverAddress: 'http://g', "
       "query: q, namespace: n}, target: {value: '10'}, authenticationRef: {authModes: basic, "
       "authenticationRef: {name: login}}}}",
       kPlain,
       "{type: graphite, metadata: {serverAddress: 'http://g', query: q, threshold: '10.000000', "
       "authModes: basic}, authenticationRef: {name: login}}"},
      {"{type: PodMetric, podmetric: {metric: {backend: opentelemetry, metricNames: [m], query: "
       "avg(m)}, target: {value: '4'}}}",
       kPlain,
       "{type: external, metadata: {clampMin: '1', clampMax: '4', metricQuery: avg(m), "
       "targetValue: '4.000000', scalerAddress: 's:4318'}}"},
      {"{type: PodMetric, podmetric: {metric: {backend: opentelemetry, serverAddress: 'o:1', "
       "query: m, operationOverTime: avg}, target: {value: '4'}}}",
       kLatest,
       "{type: external, metadata: {metricQuery: 'sum(m{namespace=\"ns\", "
       "deployment=\"iris-predictor\"})', targetValue: '4', scalerAddress: 'o:1', "
       "operationOverTime: avg}}"},
  };
  for (const auto& c : kCases) {
    const Json got = Trigger(c.metric, c.config), want = Yaml(c.want);
    EXPECT_EQ(got.Dump(), [&] {
      // Members in any order: compare by value, and show both.
      return got == want ? got.Dump() : want.Dump();
    }()) << c.metric;
  }
}

TEST_F(ScaledObject, BoundsAndBehavior) {
  const struct {
    std::string_view extension, config, want;
  } kCases[] = {
      {"{}", kPlain, "{minReplicaCount: 1, maxReplicaCount: 1}"},
      {"{minReplicas: 0, maxReplicas: 3}", kPlain, "{minReplicaCount: 0, maxReplicaCount: 3}"},
      {"{minReplicas: 3, maxReplicas: 2}", kPlain, "{minReplicaCount: 3, maxReplicaCount: 3}"},
      {"{autoScaling: {behavior: {scaleUp: {stabilizationWindowSeconds: 7, policies: []}}}}",
       kPlain,
       "{minReplicaCount: 1, maxReplicaCount: 1, advanced: {horizontalPodAutoscalerConfig: "
       "{behavior: {scaleUp: {stabilizationWindowSeconds: 7}}}}}"},
      {"{autoScaling: {behavior: {scaleUp: {stabilizationWindowSeconds: 7}}}}", kLatest,
       "{minReplicaCount: 1, maxReplicaCount: 1, advanced: {horizontalPodAutoscalerConfig: "
       "{behavior: {scaleDown: {stabilizationWindowSeconds: 300}, scaleUp: "
       "{stabilizationWindowSeconds: 7}}}}}"},
  };
  for (const auto& c : kCases) {
    auto object = MakeScaledObject(Plan(c.extension), "ns", Config(c.config));
    ASSERT_TRUE(object);
    Json spec = (*object)["spec"];
    EXPECT_EQ(spec["scaleTargetRef"], Yaml("{name: iris-predictor}"));
    spec.Erase("scaleTargetRef");
    spec.Erase("triggers");
    EXPECT_TRUE(kube::SemanticallyEqual(spec, Yaml(c.want))) << spec.Dump();
  }
}

TEST_F(ScaledObject, CollectorOfPodMetrics) {
  constexpr std::string_view kMetric =
      "{autoScaling: {metrics: [{type: PodMetric, podmetric: {metric: {backend: opentelemetry, "
      "metricNames: [a, b], query: q}, target: {value: '4'}}}]}}";
  auto none = MakeOpenTelemetryCollector(Plan("{}"), "ns", Config(kPlain));
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);

  auto collector = MakeOpenTelemetryCollector(Plan(kMetric), "ns", Config(kPlain));
  ASSERT_TRUE(collector && *collector);
  const Json& spec = (**collector)["spec"];
  EXPECT_EQ(spec["mode"].AsString(), "sidecar");
  EXPECT_EQ(spec.At({"config", "receivers", "prometheus", "config", "scrape_configs"})[0],
            Yaml("{job_name: otel-collector, scrape_interval: 5s, static_configs: [{targets: "
                 "['localhost:8080']}]}"));
  EXPECT_EQ(spec.At({"config", "processors", "filter/ottl", "metrics", "metric"}),
            Yaml("['name != \"a\"', 'name != \"b\"']"));
  EXPECT_EQ(spec.At({"config", "service", "pipelines", "metrics", "processors"}),
            Yaml("[filter/ottl]"));
  EXPECT_EQ(spec.At({"config", "exporters", "otlp", "endpoint"}).AsString(), "r:4317");

  auto latest = MakeOpenTelemetryCollector(Plan(kMetric), "ns", Config(kLatest));
  ASSERT_TRUE(latest && *latest);
  EXPECT_EQ((**latest).At({"spec", "config", "service", "pipelines", "metrics", "processors"}),
            Yaml("[resourcedetection/env, transform, filter/metrics]"));
  EXPECT_EQ((**latest)["spec"]["resources"],
            Yaml("{requests: {memory: 512Mi}, limits: {cpu: '1'}}"));
}

TEST_F(ScaledObject, ClassDecides) {
  const struct {
    std::string_view autoscaler, kind;
  } kCases[] = {{"hpa", "HorizontalPodAutoscaler"},
                {"keda", "ScaledObject"},
                {"external", ""},
                {"none", ""},
                {"kpa", "unknown autoscaler class type: kpa"}};
  for (const auto& c : kCases) {
    auto made = MakeAutoscaler(Plan("{minReplicas: 2}", c.autoscaler), "ns", Config(kPlain));
    const std::string got = !made ? made.error().message() : *made ? (*made)->type->kind : "";
    EXPECT_EQ(got, c.kind);
    const Json deployment = MakeDeployment(plan_, "ns", Config(kPlain));
    const bool fixed = c.autoscaler == "external" || c.autoscaler == "none";
    EXPECT_EQ(deployment["spec"]["replicas"].AsInt(), fixed ? 2 : 0) << c.autoscaler;
  }
}

TEST_F(ScaledObject, RolloutOfTheConfiguration) {
  constexpr std::string_view kData =
      "deploy: '{{\"defaultDeploymentMode\": \"{}\", \"deploymentRolloutStrategy\": "
      "{{\"defaultRollout\": {{\"maxSurge\": \"1\", \"maxUnavailable\": \"0\"}}}}}}'";
  const struct {
    std::string_view mode, extension, want;
  } kCases[] = {
      {"Standard", "{}", "{maxSurge: '1', maxUnavailable: '0'}"},
      {"RawDeployment", "{}", "{maxSurge: 25%, maxUnavailable: 25%}"},
      {"Standard", "{deploymentStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 9}}}",
       "{maxSurge: 9}"},
  };
  for (const auto& c : kCases) {
    const Json deployment =
        MakeDeployment(Plan(c.extension, "hpa"), "ns", Config(fmt::format(kData, c.mode)));
    EXPECT_TRUE(
        kube::SemanticallyEqual(deployment.At({"spec", "strategy", "rollingUpdate"}), Yaml(c.want)))
        << deployment.Dump();
  }
}

TEST_F(ReconcileTest, AutoscalersFollowTheClass) {
  std::string yaml(kIris);
  yaml.replace(yaml.find("namespace: ns"), 13,
               "namespace: ns, annotations: {serving.kserve.io/autoscalerClass: keda}");
  Create(kube::kInferenceService, yaml);
  EXPECT_TRUE(Await(kube::kScaledObject, "iris-predictor").IsObject());
  EXPECT_TRUE((*client_.List(kube::kHorizontalPodAutoscaler, "ns"))["items"].empty());
  MakeAvailable("iris-predictor");

  Json isvc = Await(kube::kInferenceService, "iris",
                    [](const Json& object) { return kube::IsConditionTrue(object, "Ready"); });
  isvc.Path({"metadata", "annotations", "serving.kserve.io/autoscalerClass"}) = "hpa";
  ASSERT_TRUE(client_.Update(kube::kInferenceService, isvc));
  EXPECT_TRUE(Await(kube::kHorizontalPodAutoscaler, "iris-predictor").IsObject());
  AwaitGone(kube::kScaledObject, "iris-predictor");

  isvc = *client_.Get(kube::kInferenceService, {.ns = "ns", .name = "iris"});
  isvc.Path({"metadata", "annotations", "serving.kserve.io/autoscalerClass"}) = "none";
  ASSERT_TRUE(client_.Update(kube::kInferenceService, isvc));
  AwaitGone(kube::kHorizontalPodAutoscaler, "iris-predictor");
}

}  // namespace
}  // namespace kinglet::control
