// Serverless mode, the pure parts: revisions and traffic, status, the way in.
#include <gtest/gtest.h>

#include "base/yaml.h"
#include "control/inferenceservice/children/knative_service.h"
#include "control/inferenceservice/children/virtual_service.h"
#include "control/inferenceservice/knative_status.h"
#include "control/inferenceservice/knative_url.h"
#include "control/inferenceservice/status.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << value.error().message();
  return value.value_or(Json());
}

api::InferenceService Isvc(std::string_view text) {
  auto isvc = api::Decode<api::InferenceService>(Yaml(text));
  EXPECT_TRUE(isvc);
  return isvc.value_or(api::InferenceService());
}

ComponentPlan Plan(const api::ComponentExtension& extension, Json annotations) {
  ComponentPlan plan;
  plan.name = "iris-predictor";
  plan.labels = Yaml("{component: predictor, networking.knative.dev/visibility: cluster-local}");
  plan.annotations = std::move(annotations);
  plan.pod = Yaml("{containers: [{name: kserve-container, image: i}]}");
  plan.extension = &extension;
  return plan;
}

TEST(KnativeService, Traffic) {
  const struct {
    std::optional<int64_t> canary;
    const char *rolled_out, *annotations, *want;
  } kCases[] = {
      {{}, "", "{}", "[{latestRevision: true, percent: 100}]"},
      // Nothing was rolled out yet: the first revision gets all, whatever is asked.
      {20, "", "{}", "[{latestRevision: true, percent: 100}]"},
      {20, "r1", "{}",
       "[{latestRevision: true, percent: 20}, "
       "{revisionName: r1, latestRevision: false, percent: 80, tag: prev}]"},
      {0, "r1", "{}",
       "[{latestRevision: true, percent: 0}, "
       "{revisionName: r1, latestRevision: false, percent: 100, tag: prev}]"},
      {100, "r1", "{}", "[{latestRevision: true, percent: 100}]"},
      {{},
       "r1",
       "{serving.kserve.io/enable-tag-routing: 'true'}",
       "[{latestRevision: true, percent: 100, tag: latest}]"},
      {30, "r1", "{serving.kserve.io/enable-tag-routing: 'true'}",
       "[{latestRevision: true, percent: 30, tag: latest}, "
       "{revisionName: r1, latestRevision: false, percent: 70, tag: prev}]"},
      {{},
       "r1",
       "{serving.kserve.io/enable-tag-routing: 'false'}",
       "[{latestRevision: true, percent: 100}]"},
  };
  for (const auto& c : kCases) {
    api::ComponentExtension extension;
    extension.canary_traffic_percent = c.canary;
    Json status = Json::MakeObject();
    if (*c.rolled_out) status.Set("latestRolledoutRevision", c.rolled_out);
    Json service = MakeKnativeService(Plan(extension, Yaml(c.annotations)), "ns", {}, status);
    EXPECT_EQ(service["spec"]["traffic"], Yaml(c.want)) << service["spec"]["traffic"].Dump();
  }
}

TEST(KnativeService, AnnotationsLabelsAndBounds) {
  api::ComponentExtension extension;
  extension.min_replicas = 0;
  extension.max_replicas = 5;
  extension.scale_target = 7;
  extension.scale_metric = "rps";
  extension.timeout = 30;
  extension.container_concurrency = 2;
  Json service = MakeKnativeService(Plan(extension, Yaml(R"(
serving.knative.dev/rollout-duration: 60s
serving.knative.openshift.io/enablePassthrough: 'true'
autoscaling.knative.dev/class: hpa.autoscaling.knative.dev
autoscaling.knative.dev/metric: concurrency
mine: x
)")),
                                    "ns", {"networking.knative.dev/visibility"}, Json());
  EXPECT_EQ(service["metadata"], Yaml(R"(
name: iris-predictor
namespace: ns
labels: {component: predictor, networking.knative.dev/visibility: cluster-local}
annotations:
  serving.knative.dev/rollout-duration: 60s
  serving.knative.openshift.io/enablePassthrough: 'true'
)"));
  EXPECT_EQ(service["spec"]["template"], Yaml(R"(
metadata:
  labels: {component: predictor}
  annotations:
    autoscaling.knative.dev/min-scale: '0'
    autoscaling.knative.dev/max-scale: '5'
    autoscaling.knative.dev/class: hpa.autoscaling.knative.dev
    autoscaling.knative.dev/target: '7'
    autoscaling.knative.dev/metric: rps
    mine: x
spec:
  containers: [{name: kserve-container, image: i}]
  timeoutSeconds: 30
  responseStartTimeoutSeconds: 30
  containerConcurrency: 2
)")) << service["spec"]["template"].Dump();

  api::ComponentExtension plain;
  Json bare = MakeKnativeService(Plan(plain, Json::MakeObject()), "ns", {}, Json());
  EXPECT_FALSE(bare["metadata"].Has("annotations"));
  EXPECT_EQ(bare.At({"spec", "template", "metadata", "annotations"}),
            Yaml("{autoscaling.knative.dev/min-scale: '1', "
                 "autoscaling.knative.dev/class: kpa.autoscaling.knative.dev}"));
}

TEST(KnativeService, FollowsTheWishAndKeepsWhatIsKnatives) {
  const Json existing = Yaml(R"(
metadata:
  name: iris-predictor
  resourceVersion: '7'
  labels: {old: x}
  annotations:
    serving.knative.dev/creator: admin
    serving.knative.dev/rollout-duration: 60s
  ownerReferences: [{uid: u, controller: true}]
spec:
  template: {spec: {enableServiceLinks: false, containers: [{image: a}]}}
  traffic: [{latestRevision: true, percent: 100}]
status: {url: x}
)");
  const Json desired = Yaml(R"(
metadata:
  name: iris-predictor
  labels: {new: x}
  annotations: {serving.knative.openshift.io/enablePassthrough: 'true'}
spec:
  template: {spec: {containers: [{image: b}]}}
  traffic: [{latestRevision: true, percent: 10}]
)");
  EXPECT_EQ(MergeKnativeService(existing, desired), Yaml(R"(
metadata:
  name: iris-predictor
  resourceVersion: '7'
  labels: {new: x}
  annotations:
    serving.knative.dev/creator: admin
    serving.knative.openshift.io/enablePassthrough: 'true'
  ownerReferences: [{uid: u, controller: true}]
spec:
  template: {spec: {enableServiceLinks: false, containers: [{image: b}]}}
  traffic: [{latestRevision: true, percent: 10}]
status: {url: x}
)"));
}

// What Knative's webhook fills in by default is no difference; what was wished before is.
TEST(KnativeService, DefaultsOfKnativeAreLeftAlone) {
  const Json existing = Yaml(R"(
spec:
  template: {spec: {containerConcurrency: 0, timeoutSeconds: 30, responseStartTimeoutSeconds: 300, enableServiceLinks: false,
    containers: [{name: user-container, image: a, readinessProbe: {successThreshold: 1, tcpSocket: {port: 0}}}, {name: b, readinessProbe: {tcpSocket: {port: 1}}}]}}
)");
  const Json desired =
      Yaml("{spec: {template: {spec: {containers: [{name: '', image: a}, {name: b}]}}}}");
  EXPECT_EQ(MergeKnativeService(existing, desired).At({"spec", "template", "spec"}), Yaml(R"(
containerConcurrency: 0
responseStartTimeoutSeconds: 300
enableServiceLinks: false
containers: [{name: user-container, image: a, readinessProbe: {successThreshold: 1, tcpSocket: {port: 0}}}, {name: b}]
)"));
}

std::string Revisions(const Json& object) {
  const Json& predictor = object.At({"status", "components", "predictor"});
  return fmt::format("{} {} {} {}", predictor["latestCreatedRevision"].StringOr("-"),
                     predictor["latestReadyRevision"].StringOr("-"),
                     predictor["latestRolledoutRevision"].StringOr("-"),
                     predictor["previousRolledoutRevision"].StringOr("-"));
}

// Created, ready, rolled out and previous revision over a life of rollouts.
TEST(KnativeStatus, RevisionsOverRolloutsCanariesAndRollback) {
  const struct {
    const char *what, *service, *want;
  } kSteps[] = {
      {"nothing yet", "{}", "- - - -"},
      {"created", "{latestCreatedRevisionName: r1}", "r1 - - -"},
      {"first is out",
       "{latestCreatedRevisionName: r1, latestReadyRevisionName: r1, "
       "traffic: [{revisionName: r1, latestRevision: true, percent: 100}]}",
       "r1 r1 r1 -"},
      {"second is being made",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r1, "
       "traffic: [{revisionName: r1, latestRevision: true, percent: 100}]}",
       "r2 r1 r1 -"},
      {"second is a canary",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r2, "
       "traffic: [{revisionName: r2, latestRevision: true, percent: 10}, "
       "{revisionName: r1, latestRevision: false, percent: 90, tag: prev}]}",
       "r2 r2 r1 -"},
      {"the canary gets more",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r2, "
       "traffic: [{revisionName: r2, latestRevision: true, percent: 50}, "
       "{revisionName: r1, latestRevision: false, percent: 50, tag: prev}]}",
       "r2 r2 r1 -"},
      {"the canary is promoted",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r2, "
       "traffic: [{revisionName: r2, latestRevision: true, percent: 100}]}",
       "r2 r2 r2 r1"},
      {"rolled back: all traffic is split over r2, so r1 counts as rolled out again",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r2, "
       "traffic: [{revisionName: r2, latestRevision: true, percent: 0}, "
       "{revisionName: r2, latestRevision: false, percent: 100, tag: prev}]}",
       "r2 r2 r1 r1"},
      {"r1 has the traffic",
       "{latestCreatedRevisionName: r2, latestReadyRevisionName: r2, "
       "traffic: [{revisionName: r2, latestRevision: true, percent: 0}, "
       "{revisionName: r1, latestRevision: false, percent: 100, tag: prev}]}",
       "r2 r2 r1 r1"},
      {"the service was made anew", "{}", "- - r1 r1"},
  };
  Json object = Json::MakeObject();
  for (const auto& step : kSteps) {
    const Json status = Yaml(step.service);
    SetKnativeComponentStatus(object, ComponentKind::kPredictor, status, Clock::System());
    EXPECT_EQ(Revisions(object), step.want) << step.what;
    const Json& component = object.At({"status", "components", "predictor"});
    EXPECT_EQ(component["traffic"], status["traffic"]) << step.what;
  }
}

TEST(KnativeStatus, AddressAndUrlOnlyWhenReady) {
  Json object = Json::MakeObject();
  auto observe = [&](std::string_view ready) {
    Json status =
        Yaml("{observedGeneration: 3, url: 'http://p.x', address: {url: 'http://p.local'}}");
    status.Set("conditions",
               Json::MakeArray({Json::MakeObject(
                   {{"type", "Ready"}, {"status", ready}, {"reason", "R"}, {"message", "m"}})}));
    SetKnativeComponentStatus(object, ComponentKind::kPredictor, status, Clock::System());
    return object.At({"status", "components", "predictor"});
  };
  EXPECT_EQ(observe("Unknown"), Json::MakeObject());
  EXPECT_EQ((*kube::FindCondition(object, "PredictorReady"))["reason"].AsString(), "R");
  EXPECT_EQ(observe("True"), Yaml("{url: 'http://p.x', address: {url: 'http://p.local'}}"));
  // What it was stays when it fails.
  EXPECT_EQ(observe("False"), Yaml("{url: 'http://p.x', address: {url: 'http://p.local'}}"));
  EXPECT_EQ(object["status"]["observedGeneration"].AsInt(), 3);
  const Json* ready = kube::FindCondition(object, "Ready");
  EXPECT_EQ((*ready)["status"].AsString(), "False");
  EXPECT_EQ((*ready)["message"].AsString(), "m");
}

TEST(KnativeStatus, CrossComponentTellsOfTheLastThatIsNotReady) {
  constexpr ComponentKind kAll[] = {ComponentKind::kPredictor, ComponentKind::kTransformer,
                                    ComponentKind::kExplainer};
  Json object = Json::MakeObject();
  auto summary = [&](std::string_view type) {
    SetCrossComponentStatus(object, kAll, Clock::System());
    const Json& condition = *kube::FindCondition(object, type);
    return fmt::format("{} {}", condition["status"].AsString(), condition["reason"].AsString());
  };
  auto set = [&](std::string_view type, std::string_view status) {
    Conditions(object, Clock::System())
        .Set({.type = std::string(type), .status = std::string(status), .severity = "Info"});
  };
  EXPECT_EQ(summary("RoutesReady"), "Unknown ExplainerRoutesReady not ready");
  set("PredictorRouteReady", "True");
  set("TransformerRouteReady", "False");
  set("ExplainerRoutesReady", "True");
  EXPECT_EQ(summary("RoutesReady"), "False TransformerRouteReady not ready");
  set("ExplainerRoutesReady", "Unknown");
  EXPECT_EQ(summary("RoutesReady"), "Unknown ExplainerRoutesReady not ready");
  set("TransformerRouteReady", "True");
  set("ExplainerRoutesReady", "True");
  EXPECT_EQ(summary("RoutesReady"), "True ");
  EXPECT_EQ(summary("LatestDeploymentReady"), "Unknown ExplainerConfigurationReady not ready");
}

TEST(ModelStatus, OfRevisions) {
  const struct {
    const char *object, *pod, *want;
    bool failed, is_newest;
  } kCases[] = {
      {"{}", "", "Pending InProgress", false, true},
      {"{}", "", "FailedToLoad BlockedByFailedLoad", true, true},
      {"{}", "{initContainerStatuses: [{name: storage-initializer, state: {running: {}}}]}",
       "Loading InProgress", false, true},
      {"{}",
       "{initContainerStatuses: [{name: storage-initializer, state: {running: {}}, "
       "lastState: {terminated: {reason: Error}}}]}",
       "undecided", false, true},
      {"{}",
       "{initContainerStatuses: [{name: storage-initializer, state: {terminated: {reason: Error, "
       "message: m, exitCode: 2}}}]}",
       "FailedToLoad BlockedByFailedLoad m 2", false, true},
      {"{status: {conditions: [{type: Ready, status: 'True'}]}}", "{}", "Loaded UpToDate", false,
       true},
      // The newest revision is not the one that is ready.
      {"{status: {conditions: [{type: Ready, status: 'True'}]}}",
       "{containerStatuses: [{name: kserve-container, state: {running: {}}}]}",
       "Pending InProgress", false, false},
      {"{}",
       "{containerStatuses: [{name: kserve-container, state: {waiting: {reason: "
       "CrashLoopBackOff}}, lastState: {terminated: {message: oom, exitCode: 137}}}]}",
       "FailedToLoad BlockedByFailedLoad oom 137", false, true},
      // Nothing is known of the server: what was said stays.
      {"{status: {modelStatus: {transitionStatus: UpToDate, states: {targetModelState: Loaded}}}}",
       "{}", "Loaded UpToDate", false, true},
  };
  for (const auto& c : kCases) {
    Json object = Yaml(c.object);
    std::vector<kube::ObjectPtr> pods;
    if (*c.pod) {
      pods.push_back(std::make_shared<const Json>(
          Json::MakeObject({{"metadata", Json::MakeObject()}, {"status", Yaml(c.pod)}})));
    }
    std::string got = "undecided";
    if (SetModelStatus(object, {.pods = pods, .failed = c.failed, .is_newest = c.is_newest})) {
      const Json& model = object["status"]["modelStatus"];
      got = fmt::format("{} {}", model["states"]["targetModelState"].AsString(),
                        model["transitionStatus"].AsString());
      if (const Json& info = model["lastFailureInfo"]; info.IsObject()) {
        got += fmt::format(" {} {}", info["message"].AsString(), info["exitCode"].AsInt());
      }
    }
    EXPECT_EQ(got, c.want) << c.pod;
  }
}

TEST(KnativeUrl, Texts) {
  EXPECT_EQ(HostOfUrl("http://p.ns.x.com:8080/a"), "p.ns.x.com:8080");
  EXPECT_EQ(WithScheme("http://p.x/a", "https"), "https://p.x/a");
  const struct {
    const char *text, *want;
    ComponentKind front;
  } kCases[] = {
      {"iris-predictor.ns.x.com", "iris.ns.x.com", ComponentKind::kPredictor},
      {"iris-transformer.ns.x.com", "iris.ns.x.com", ComponentKind::kTransformer},
      {"iris-predictor-default.ns.x.com", "iris.ns.x.com", ComponentKind::kPredictor},
      {"iris-predictor.ns.x.com", "iris-predictor.ns.x.com", ComponentKind::kTransformer},
      // The first of them only; and a namespace with -default hides the name.
      {"a-predictor-predictor.ns.x", "a-predictor.ns.x", ComponentKind::kPredictor},
      {"iris-predictor-ns-default.x", "iris-predictor-ns-default.x", ComponentKind::kPredictor},
  };
  for (const auto& c : kCases) EXPECT_EQ(WithoutComponent(c.text, c.front), c.want);
}

TEST(AdditionalHosts, PrefixUnderEachValidDomainOnce) {
  using List = std::vector<std::string>;
  EXPECT_EQ(AdditionalHosts({"other.org", "x.com"}, "iris.ns.x.com",
                            {"a.org", "b.org", "a.org", "no_domain"}),
            List({"iris.ns.a.org", "iris.ns.b.org"}));
  EXPECT_EQ(AdditionalHosts({"other.org"}, "iris.ns.x.com", {"a.org"}), List());
  EXPECT_EQ(AdditionalHosts({"iris.ns.x.com"}, "iris.ns.x.com", {"a.org"}), List());
}

class VirtualServiceTest : public testing::Test {
 protected:
  Json Make(std::string_view isvc, std::string_view ingress, VirtualServiceInput input) {
    Json data = Json::MakeObject({{"inferenceService", "{}"}, {"ingress", Yaml(ingress).Dump()}});
    const api::Config config = api::ParseConfig(Json::MakeObject({{"data", std::move(data)}}));
    input.cluster_domain = "cluster.local";
    auto made = MakeVirtualService(Isvc(isvc), config, input);
    EXPECT_TRUE(made) << made.error().message();
    return made.value_or(Json());
  }

  static constexpr std::string_view kIngress =
      "{ingressGateway: in/gw, localGateway: lo/gw, localGatewayService: lo.svc, "
      "knativeLocalGatewayService: kn.svc, ingressDomain: x.com";
};

TEST_F(VirtualServiceTest, InternalHasNoWayFromOutside) {
  Json made = Make(R"(
metadata: {name: iris, namespace: ns, labels: {networking.knative.dev/visibility: cluster-local}}
spec: {predictor: {}}
)",
                   std::string(kIngress) + "}", {.service_host = "iris.ns.x.com"});
  EXPECT_EQ(made["spec"]["hosts"], Yaml("[iris.ns.svc.cluster.local]"));
  EXPECT_EQ(made["spec"]["gateways"], Yaml("[lo/gw, mesh]"));
  EXPECT_EQ(made["spec"]["http"].size(), 1u);
  EXPECT_EQ(made["spec"]["http"][0]["match"].size(), 1u);
  EXPECT_EQ(made["spec"]["http"][0]["route"][0]["destination"]["host"].AsString(), "kn.svc");

  Json by_host = Make("{metadata: {name: iris, namespace: ns}, spec: {predictor: {}}}",
                      std::string(kIngress) + "}", {.service_host = "iris.ns.svc.cluster.local"});
  EXPECT_EQ(by_host["spec"]["hosts"], Yaml("[iris.ns.svc.cluster.local]"));
}

TEST_F(VirtualServiceTest, ExplainerTransformerPathsAndMoreDomains) {
  Json made =
      Make(R"(
metadata:
  name: iris
  namespace: ns
  labels: {a: b}
  annotations: {keep: x, kubectl.kubernetes.io/last-applied-configuration: y}
spec: {predictor: {}, transformer: {containers: [{}]}, explainer: {containers: [{}]}}
)",
           std::string(kIngress) +
               ", pathTemplate: '/s/{{ .Namespace }}/{{ .Name }}/', "
               "additionalIngressDomains: [a.org, x.com]}",
           {.service_host = "iris.ns.x.com", .legacy_names = true, .knative_domains = {"x.com"}});
  EXPECT_EQ(kube::Labels(made), Yaml("{a: b}"));
  EXPECT_EQ(kube::Annotations(made), Yaml("{keep: x}"));
  EXPECT_EQ(made["spec"]["hosts"],
            Yaml("[iris.ns.svc.cluster.local, iris.ns.x.com, x.com, iris.ns.a.org]"));
  EXPECT_EQ(made["spec"]["gateways"], Yaml("[lo/gw, mesh, in/gw]"));
  const Json& http = made["spec"]["http"];
  ASSERT_EQ(http.size(), 4u);
  auto host = [&](int i) { return http[i]["headers"]["request"]["set"]["Host"].AsString(); };
  EXPECT_EQ(host(0), "iris-explainer-default.ns.svc.cluster.local");
  EXPECT_EQ(host(1), "iris-transformer-default.ns.svc.cluster.local");
  EXPECT_EQ(host(2), "iris-explainer-default.ns.svc.cluster.local");
  EXPECT_EQ(host(3), "iris-transformer-default.ns.svc.cluster.local");
  // Inside, outside, and one more domain: that of the host itself adds nothing.
  EXPECT_EQ(http[0]["match"].size(), 3u);
  EXPECT_EQ(http[0]["match"][2], Yaml(R"(
uri: {regex: '^/v1/models/[\w-]+:explain$'}
authority: {regex: '^iris\.ns\.a\.org(?::\d{1,5})?$'}
gateways: [in/gw]
)"));
  EXPECT_EQ(http[2]["match"], Yaml(R"(
- uri: {regex: '/s/ns/iris(/v1/models/[\w-]+:explain)$'}
  authority: {regex: '^x\.com(?::\d{1,5})?$'}
  gateways: [in/gw]
)"));
  EXPECT_EQ(http[2]["rewrite"], Yaml(R"(
uriRegexRewrite: {match: '/s/ns/iris(/v1/models/[\w-]+:explain)$', rewrite: '\1'}
)"));
  EXPECT_EQ(http[3]["match"][0]["uri"], Yaml("{prefix: /s/ns/iris/}"));
  EXPECT_EQ(http[3]["match"][1]["uri"], Yaml("{exact: /s/ns/iris}"));
  EXPECT_EQ(http[3]["rewrite"], Yaml("{uri: /}"));
}

}  // namespace
}  // namespace kinglet::control
