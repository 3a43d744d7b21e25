// Serverless mode against an API server in memory; the test plays Knative's part.
#include "control/inferenceservice/reconcile_fixture.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

class KnativeTest : public ReconcileTest {
 protected:
  void SetUp() override {
    ingress_ = Ingress("");
    ReconcileTest::SetUp();
  }

  // `more`: further members, each with a comma before it.
  static std::string Ingress(std::string_view more) {
    return fmt::format(R"({{"ingressGateway": "in/gw", "localGateway": "lo/gw",
                            "localGatewayService": "lo.svc", "ingressDomain": "x.com"{}}})",
                       more);
  }

  void SetIngress(std::string_view more) { SetConfig("ingress", Ingress(more)); }

  void SetConfig(std::string_view key, std::string_view value) {
    const kube::ObjectKey config{.ns = "kserve", .name = "inferenceservice-config"};
    Json object = *client_.Get(kube::kConfigMap, config);
    object.Ref("data").Set(key, value);
    ASSERT_TRUE(client_.Update(kube::kConfigMap, object));
  }

  // The Service "iris-<component>" once its revision template and traffic are so.
  Json AwaitService(const std::string& name, std::string_view traffic) {
    return Await(kube::kKnativeService, name, [want = Yaml(traffic)](const Json& service) {
      return service["spec"]["traffic"] == want;
    });
  }

  void Say(const std::string& name, std::string_view status) {
    Json service = Await(kube::kKnativeService, name);
    ASSERT_TRUE(service.IsObject()) << name;
    service.Set("status", Yaml(status));
    ASSERT_TRUE(client_.UpdateStatus(kube::kKnativeService, service));
  }

  void SayReady(const std::string& name, std::string_view revision, std::string_view traffic,
                std::string_view url = "http://iris-predictor.ns.x.com") {
    Say(name, fmt::format(R"(
url: {3}
address: {{url: "http://{0}.ns.svc.cluster.local"}}
latestCreatedRevisionName: {1}
latestReadyRevisionName: {1}
traffic: {2}
conditions:
- {{type: Ready, status: "True"}}
- {{type: RoutesReady, status: "True"}}
- {{type: ConfigurationsReady, status: "True"}}
)",
                          name, revision, traffic, url));
  }

  // "created ready rolled-out previous" of the predictor once they are so.
  bool AwaitRevisions(const std::string& want) {
    return Await(kube::kInferenceService, "iris",
                 [&](const Json& isvc) {
                   const Json& predictor = isvc.At({"status", "components", "predictor"});
                   return want == fmt::format("{} {} {} {}",
                                              predictor["latestCreatedRevision"].StringOr("-"),
                                              predictor["latestReadyRevision"].StringOr("-"),
                                              predictor["latestRolledoutRevision"].StringOr("-"),
                                              predictor["previousRolledoutRevision"].StringOr("-"));
                 })
        .IsObject();
  }

  void Patch(std::string_view yaml) {
    ASSERT_TRUE(client_.Patch(kube::kInferenceService, {.ns = "ns", .name = "iris"},
                              kube::PatchType::kMerge, Yaml(yaml)));
  }

  Json AwaitCondition(std::string_view type, std::string_view status, std::string_view reason) {
    return Await(kube::kInferenceService, "iris", [&](const Json& isvc) {
      const Json* condition = kube::FindCondition(isvc, type);
      return condition && (*condition)["status"].AsString() == status &&
             (*condition)["reason"].AsString() == reason;
    });
  }

  // An event in the namespace whose message begins so.
  bool AwaitEvent(std::string_view reason, const std::string& message) {
    return Await(kube::kEvent, "",
                 [&](const Json& event) {
                   return event["reason"].AsString() == reason &&
                          event["message"].AsString().starts_with(message);
                 })
        .IsObject();
  }

  static std::string Serverless(std::string_view more = "") {
    std::string yaml(kIris);
    yaml.replace(yaml.find("namespace: ns"), 13,
                 "namespace: ns, annotations: {serving.kserve.io/deploymentMode: Serverless}");
    return yaml + std::string(more);
  }
};

TEST_F(KnativeTest, FromFirstRevisionOverCanaryToRollback) {
  Create(kube::kInferenceService, Serverless());
  ASSERT_TRUE(AwaitService("iris-predictor", "[{latestRevision: true, percent: 100}]").IsObject());
  SayReady("iris-predictor", "r1", "[{revisionName: r1, latestRevision: true, percent: 100}]");
  EXPECT_TRUE(AwaitRevisions("r1 r1 r1 -"));
  Json ready = Await(kube::kInferenceService, "iris",
                     [](const Json& isvc) { return kube::IsConditionTrue(isvc, "Ready"); });
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://iris.ns.x.com");
  EXPECT_EQ(ready["status"]["address"]["url"].AsString(), "http://iris.ns.svc.cluster.local");
  EXPECT_TRUE(kube::IsConditionTrue(ready, "RoutesReady"));
  EXPECT_TRUE(kube::IsConditionTrue(ready, "LatestDeploymentReady"));
  EXPECT_TRUE(Await(kube::kVirtualService, "iris").IsObject());
  EXPECT_EQ(Await(kube::kService, "iris")["spec"]["externalName"].AsString(), "lo.svc");

  // A canary with a tenth, then with half of the traffic, then with all.
  Patch(
      "{spec: {predictor: {canaryTrafficPercent: 10, "
      "model: {storageUri: 'file:///models/iris2'}}}}");
  ASSERT_TRUE(AwaitService("iris-predictor",
                           "[{latestRevision: true, percent: 10}, {revisionName: r1, "
                           "latestRevision: false, percent: 90, tag: prev}]")
                  .IsObject());
  SayReady("iris-predictor", "r2",
           "[{revisionName: r2, latestRevision: true, percent: 10}, "
           "{revisionName: r1, latestRevision: false, percent: 90, tag: prev}]");
  EXPECT_TRUE(AwaitRevisions("r2 r2 r1 -"));
  Patch("{spec: {predictor: {canaryTrafficPercent: 50}}}");
  EXPECT_TRUE(AwaitService("iris-predictor",
                           "[{latestRevision: true, percent: 50}, {revisionName: r1, "
                           "latestRevision: false, percent: 50, tag: prev}]")
                  .IsObject());
  Patch("{spec: {predictor: {canaryTrafficPercent: null}}}");
  EXPECT_TRUE(AwaitService("iris-predictor", "[{latestRevision: true, percent: 100}]").IsObject());
  SayReady("iris-predictor", "r2", "[{revisionName: r2, latestRevision: true, percent: 100}]");
  EXPECT_TRUE(AwaitRevisions("r2 r2 r2 r1"));

  // Back again: first the traffic is split over r2 alone, which tells that r1 is meant.
  Patch("{spec: {predictor: {canaryTrafficPercent: 0}}}");
  EXPECT_TRUE(AwaitService("iris-predictor",
                           "[{latestRevision: true, percent: 0}, {revisionName: r2, "
                           "latestRevision: false, percent: 100, tag: prev}]")
                  .IsObject());
  SayReady("iris-predictor", "r2",
           "[{revisionName: r2, latestRevision: true, percent: 0}, "
           "{revisionName: r2, latestRevision: false, percent: 100, tag: prev}]");
  EXPECT_TRUE(AwaitRevisions("r2 r2 r1 r1"));
  EXPECT_TRUE(AwaitService("iris-predictor",
                           "[{latestRevision: true, percent: 0}, {revisionName: r1, "
                           "latestRevision: false, percent: 100, tag: prev}]")
                  .IsObject());
}

TEST_F(KnativeTest, NothingLeadsInBeforeAllAreReady) {
  Create(kube::kInferenceService,
         Serverless("  transformer: {containers: [{image: t}]}\n"
                    "  explainer: {containers: [{image: e, args: ['--http_port', '9']}]}\n"));
  constexpr std::string_view kAll = "[{revisionName: r, latestRevision: true, percent: 100}]";
  Json explainer = Await(kube::kKnativeService, "iris-explainer");
  EXPECT_EQ(explainer.At({"spec", "template", "spec", "containers"})[0]["args"],
            Yaml("['--http_port', '9', --model_name, iris, --predictor_host, iris-predictor.ns, "
                 "--http_port, '8080']"));
  SayReady("iris-transformer", "r", kAll, "http://iris-transformer.ns.x.com");
  EXPECT_TRUE(
      AwaitCondition("IngressReady", "Unknown", "Predictor ingress not created").IsObject());
  Say("iris-predictor",
      "{conditions: [{type: Ready, status: 'False', reason: RevisionFailed, message: m}]}");
  Json failed = AwaitCondition("IngressReady", "False", "Predictor ingress not created");
  ASSERT_TRUE(failed.IsObject());
  EXPECT_EQ(failed.At({"status", "modelStatus", "states", "targetModelState"}).AsString(),
            "FailedToLoad");
  SayReady("iris-predictor", "r", kAll);
  EXPECT_TRUE(
      AwaitCondition("IngressReady", "Unknown", "Explainer ingress not created").IsObject());
  EXPECT_TRUE(
      AwaitCondition("RoutesReady", "Unknown", "ExplainerRoutesReady not ready").IsObject());
  EXPECT_FALSE(client_.Get(kube::kVirtualService, {.ns = "ns", .name = "iris"}));
  SayReady("iris-explainer", "r", kAll, "http://iris-explainer.ns.x.com");
  Json way_in = Await(kube::kVirtualService, "iris");
  EXPECT_EQ(way_in["spec"]["http"].size(), 2u);
  Json ready = AwaitCondition("Ready", "True", "");
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://iris.ns.x.com");

  // As in KServe, what the transformer leaves behind stays.
  Patch("{spec: {transformer: null}}");
  Json routed = Await(kube::kVirtualService, "iris", [](const Json& service) {
    return service["spec"]["http"][1]["headers"]["request"]["set"]["Host"].AsString() ==
           "iris-predictor.ns.svc.cluster.local";
  });
  EXPECT_TRUE(routed.IsObject());
  EXPECT_TRUE(client_.Get(kube::kKnativeService, {.ns = "ns", .name = "iris-transformer"}));
}

TEST_F(KnativeTest, SchemeAndPathAndNoVirtualHost) {
  SetIngress(R"(, "urlScheme": "https", "disableIstioVirtualHost": true)");
  Create(kube::kInferenceService, Serverless());
  SayReady("iris-predictor", "r1", "[]");
  Json ready = AwaitCondition("IngressReady", "True", "");
  ASSERT_TRUE(ready.IsObject());
  ready = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return isvc["status"]["url"].AsString() == "https://iris-predictor.ns.x.com";
  });
  EXPECT_EQ(ready["status"]["address"]["url"].AsString(),
            "http://iris-predictor.ns.svc.cluster.local");
  // The component's URL has the scheme too.
  EXPECT_EQ(ready.At({"status", "components", "predictor", "url"}).AsString(),
            "https://iris-predictor.ns.x.com");

  // A changed configuration reaches the services that are there.
  SetIngress(R"(, "pathTemplate": "/serving/{{ .Namespace }}/{{ .Name }}")");
  Json by_path = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return isvc["status"]["url"].AsString() == "http://x.com/serving/ns/iris";
  });
  EXPECT_TRUE(by_path.IsObject());
  EXPECT_TRUE(Await(kube::kVirtualService, "iris").IsObject());
}

TEST_F(KnativeTest, AdditionalDomainsUnderThoseOfKnative) {
  SetIngress(R"(, "additionalIngressDomains": ["a.org"])");
  Create(kube::kConfigMap, R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: config-domain, namespace: knative-serving}
data: {_example: "", x.com: ""}
)");
  Create(kube::kInferenceService, Serverless());
  SayReady("iris-predictor", "r1", "[]");
  EXPECT_TRUE(Await(kube::kVirtualService, "iris", [](const Json& service) {
                return service["spec"]["hosts"] ==
                       Yaml("[iris.ns.svc.cluster.local, iris.ns.x.com, iris.ns.a.org]");
              }).IsObject());
}

class OldNamesTest : public KnativeTest {
 protected:
  void SetUp() override {
    Create(kube::kKnativeService, R"(
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: iris-predictor-default
  namespace: ns
  labels: {serving.kserve.io/inferenceservice: iris}
  annotations: {serving.knative.dev/creator: admin}
spec: {}
)");
    KnativeTest::SetUp();
  }
};

TEST_F(OldNamesTest, AreKept) {
  Create(kube::kInferenceService, Serverless());
  Json service = AwaitService("iris-predictor-default", "[{latestRevision: true, percent: 100}]");
  EXPECT_EQ(kube::Annotation(service, "serving.knative.dev/creator"), "admin");
  EXPECT_FALSE(client_.Get(kube::kKnativeService, {.ns = "ns", .name = "iris-predictor"}));
  SayReady("iris-predictor-default", "r1", "[]", "http://iris-predictor-default.ns.x.com");
  Json way_in = Await(kube::kVirtualService, "iris");
  EXPECT_EQ(way_in["spec"]["http"][0]["headers"]["request"]["set"]["Host"].AsString(),
            "iris-predictor-default.ns.svc.cluster.local");
  EXPECT_EQ(AwaitCondition("Ready", "True", "")["status"]["url"].AsString(),
            "http://iris.ns.x.com");
}

TEST_F(OldNamesTest, ANewTransformerLooksForThePredictorUnderItsNewName) {
  Create(kube::kInferenceService, Serverless("  transformer: {containers: [{image: t}]}\n"));
  Json transformer = Await(kube::kKnativeService, "iris-transformer");
  EXPECT_EQ(transformer.At({"spec", "template", "spec", "containers"})[0]["args"],
            Yaml("[--model_name, iris, --predictor_host, iris-predictor.ns, --http_port, '8080']"));
}

TEST_F(KnativeTest, TransformerOfModelMesh) {
  std::string yaml = Serverless(
      "  transformer: {containers: [{image: t}]}\n  explainer: {containers: [{image: e}]}\n");
  yaml.replace(yaml.find("Serverless"), 10, "ModelMesh");
  Create(kube::kInferenceService, yaml);
  Json isvc = Await(kube::kInferenceService, "iris", [](const Json& object) {
    return kube::HasFinalizer(object, "inferenceservice.finalizers");
  });
  ASSERT_TRUE(isvc.IsObject());
  EXPECT_FALSE(client_.Get(kube::kKnativeService, {.ns = "ns", .name = "iris-transformer"}));

  isvc.Set("status", Yaml("{components: {predictor: {url: 'grpc://modelmesh.ns:8033'}}, "
                          "conditions: [{type: PredictorReady, status: 'True'}]}"));
  ASSERT_TRUE(client_.UpdateStatus(kube::kInferenceService, isvc));
  Json transformer = Await(kube::kKnativeService, "iris-transformer");
  EXPECT_EQ(transformer.At({"spec", "template", "spec", "containers"})[0]["args"],
            Yaml("[--protocol, grpc-v2, --model_name, iris, --predictor_host, 'modelmesh.ns:8033', "
                 "--http_port, '8080']"));
  SayReady("iris-transformer", "t1", "[]", "http://iris-transformer.ns.x.com");
  // What comes after the transformer knows where the predictor is.
  constexpr std::string_view kHost = "internal.serving.kserve.io/predictor-host";
  auto annotations = [](const Json& service) {
    return service.At({"spec", "template", "metadata", "annotations"});
  };
  EXPECT_TRUE(annotations(transformer)[kHost].IsNull());
  EXPECT_EQ(annotations(Await(kube::kKnativeService, "iris-explainer"))[kHost].AsString(),
            "modelmesh.ns:8033");
  SayReady("iris-explainer", "e1", "[]", "http://iris-explainer.ns.x.com");
  Json way_in = Await(kube::kVirtualService, "iris");
  EXPECT_EQ(kube::Annotation(way_in, "internal.serving.kserve.io/predictor-host"),
            "modelmesh.ns:8033");
  Json ready = AwaitCondition("Ready", "True", "");
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://iris.ns.x.com");
  EXPECT_FALSE(client_.Get(kube::kKnativeService, {.ns = "ns", .name = "iris-predictor"}));
  EXPECT_EQ(kube::FindCondition(ready, "RoutesReady"), nullptr);
}

TEST_F(KnativeTest, BundleOfTrustedCertificatesComesToTheNamespace) {
  SetConfig("storageInitializer",
            R"({"memoryRequest": "1", "memoryLimit": "1", "cpuRequest": "1", "cpuLimit": "1",
                "caBundleConfigMapName": "bundle"})");
  Create(kube::kConfigMap, R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: bundle, namespace: kserve}
data: {cabundle.crt: one, other: x}
)");
  Create(kube::kInferenceService, Serverless());
  Json copy = Await(kube::kConfigMap, "global-ca-bundle");
  EXPECT_EQ(copy["data"], Yaml("{cabundle.crt: one}"));
  EXPECT_FALSE(copy["metadata"].Has("ownerReferences"));
  EXPECT_TRUE(Await(kube::kKnativeService, "iris-predictor").IsObject());

  Json bundle = *client_.Get(kube::kConfigMap, {.ns = "kserve", .name = "bundle"});
  bundle.Path({"data", "cabundle.crt"}) = "two";
  ASSERT_TRUE(client_.Update(kube::kConfigMap, bundle));
  Patch("{metadata: {labels: {again: x}}}");
  EXPECT_TRUE(Await(kube::kConfigMap, "global-ca-bundle", [](const Json& map) {
                return map["data"]["cabundle.crt"].AsString() == "two";
              }).IsObject());
}

TEST_F(KnativeTest, BundleThatIsMissingStopsTheService) {
  SetConfig("storageInitializer",
            R"({"memoryRequest": "1", "memoryLimit": "1", "cpuRequest": "1", "cpuLimit": "1",
                "caBundleConfigMapName": "bundle"})");
  Create(kube::kInferenceService, Serverless());
  const std::string want =
      "fails to get cabundle configmap for creating to user namespace: failed to get configmap "
      "bundle from the cluster: ";
  EXPECT_TRUE(AwaitEvent("InternalError", want));
  Create(kube::kConfigMap,
         "{apiVersion: v1, kind: ConfigMap, metadata: {name: bundle, namespace: kserve}}");
  EXPECT_TRUE(AwaitEvent("InternalError",
                         "fails to get cabundle configmap for creating to user namespace: "
                         "specified cabundle file cabundle.crt not found in cabundle configmap "
                         "bundle"));
}

TEST_F(KnativeTest, AChangedRuntimeReachesItsServices) {
  Create(kube::kInferenceService, Serverless());
  ASSERT_TRUE(Await(kube::kKnativeService, "iris-predictor").IsObject());
  const kube::ObjectKey name{.name = "kserve-sklearnserver"};
  Json runtime = *client_.Get(kube::kClusterServingRuntime, name);
  runtime.Ref("spec").Ref("containers").MutableArray()[0].Set("image", "new");
  ASSERT_TRUE(client_.Update(kube::kClusterServingRuntime, runtime));
  EXPECT_TRUE(
      Await(kube::kKnativeService, "iris-predictor", [](const Json& service) {
        return service.At({"spec", "template", "spec", "containers"})[0]["image"].AsString() ==
               "new";
      }).IsObject());
}

TEST_F(KnativeTest, AnotherManagerTakesOverWithoutAWrite) {
  Create(kube::kInferenceService, Serverless("  transformer: {containers: [{image: t}]}\n"));
  constexpr std::string_view kAll = "[{revisionName: r, latestRevision: true, percent: 100}]";
  SayReady("iris-predictor", "r", kAll);
  SayReady("iris-transformer", "r", kAll, "http://iris-transformer.ns.x.com");
  ASSERT_TRUE(AwaitCondition("Ready", "True", "").IsObject());
  while (!controller_->Idle()) std::this_thread::yield();
  stop_.request_stop();
  controller_->Join();
  client_.ClearCalls();

  stop_ = std::stop_source();
  controller_ = std::make_unique<InferenceServiceController>(client_, options_);
  controller_->Start(stop_.get_token());
  ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  while (!controller_->Idle()) std::this_thread::yield();
  for (const auto& call : client_.calls()) {
    const bool reads = call.verb == "get" || call.verb == "list" || call.verb == "watch";
    EXPECT_TRUE(reads || call.dry_run || call.type == kube::kEvent)
        << call.verb << " " << call.type.kind << " " << call.key.ToString();
  }
}

class KnativeComesAndGoesTest : public KnativeTest {
 protected:
  void SetUp() override {
    ServeKnative(false);
    options_.clock = &clock_;  // stands still: nothing is noticed by asking again
    KnativeTest::SetUp();
  }

  void ServeKnative(bool served) {
    std::vector<kube::ResourceType> types;
    for (const auto* type : kube::KnownResources()) {
      if (served || type->group != kube::kKnativeService.group) types.push_back(*type);
    }
    client_.Serve(std::move(types));
  }

  FakeClock clock_;
};

TEST_F(KnativeComesAndGoesTest, AndIsNoticedWithoutARestart) {
  Create(kube::kInferenceService, Serverless());
  ASSERT_TRUE(AwaitCondition("PredictorReady", "False", "ServerlessModeRejected").IsObject());
  EXPECT_TRUE(AwaitEvent("ServerlessModeRejected",
                         "It is not possible to use Serverless deployment mode when Knative "
                         "Services are not available"));
  ServeKnative(true);
  EXPECT_TRUE(Await(kube::kKnativeService, "iris-predictor").IsObject());
  Json accepted = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return kube::FindCondition(isvc, "RoutesReady") != nullptr;
  });
  EXPECT_EQ(kube::FindCondition(accepted, "PredictorReady"), nullptr);

  // When it goes, also those hear of it that have nothing of Knative's yet.
  std::string waiting(Serverless());
  waiting.replace(waiting.find("iris"), 4, "late");
  waiting.replace(waiting.find("sklearn"), 7, "unknown");
  Create(kube::kInferenceService, waiting);
  ASSERT_TRUE(Await(kube::kInferenceService, "late", [](const Json& isvc) {
                return isvc.At({"status", "modelStatus", "transitionStatus"}).AsString() ==
                       "InvalidSpec";
              }).IsObject());
  ServeKnative(false);
  EXPECT_TRUE(AwaitCondition("PredictorReady", "False", "ServerlessModeRejected").IsObject());
  EXPECT_TRUE(Await(kube::kInferenceService, "late", [](const Json& isvc) {
                return kube::IsConditionFalse(isvc, "PredictorReady");
              }).IsObject());
}

}  // namespace
}  // namespace kinglet::control
