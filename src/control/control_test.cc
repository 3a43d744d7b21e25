#include <gtest/gtest.h>

#include "api/constants.h"
#include "control/inferenceservice/reconcile_fixture.h"
#include "control/inferenceservice/runtime.h"
#include "control/template.h"

namespace kinglet::control {
namespace {

TEST(Template, Forms) {
  const Json dot = TemplateMetadata(Yaml(R"(
name: iris
namespace: ns
labels: {modelClass: a.B}
annotations: {x/y: z}
)"));
  const struct {
    const char *text, *want;
  } kCases[] = {
      {"--model_name={{.Name}}", "--model_name=iris"},
      {"{{ .Name }}-{{ .Namespace }}.x", "iris-ns.x"},
      {"{{.Labels.modelClass}}", "a.B"},
      {"{{.Labels.none}}", "<no value>"},
      {"{{ index .Annotations \"x/y\" }}", "z"},
      {"a {{- .Name -}} b", "airisb"},
      {"{{/* nothing */}}", ""},
      {"{{\"literal\"}}", "literal"},
      {"no action } } {", "no action } } {"},
  };
  for (const auto& c : kCases) {
    auto got = RenderTemplate(c.text, dot);
    ASSERT_TRUE(got) << c.text << ": " << got.error().message();
    EXPECT_EQ(*got, c.want) << c.text;
  }
  EXPECT_EQ(RenderTemplate("-{{.Name}}-", dot, "", 6).value_or(""), "-iris-");
  for (auto text : {"-{{.Name}}-", "{{.Name}}", "-------", "{{.Name}}{{.Name}}{{.Name}}"}) {
    auto refused = RenderTemplate(text, dot, "", 3);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), Code::kResourceExhausted);
  }
  for (auto bad : {"{{.Nope}}", "{{.Name", "{{ printf .Name }}", "{{.Name.x}}", "{{.}}", "{{}}"}) {
    EXPECT_FALSE(RenderTemplate(bad, dot)) << bad;
  }
}

TEST(ClusterDomain, FromSearchList) {
  EXPECT_EQ(ClusterDomainFromResolvConf("search ns.svc.k8s.org svc.k8s.org k8s.org\n"), "k8s.org");
  EXPECT_EQ(ClusterDomainFromResolvConf("nameserver 1.1.1.1\nsearch home\n"), "cluster.local");
}

TEST(ImageTag, VersionAndGpu) {
  const struct {
    const char *image, *version, *runtime, *want;
    bool gpu;
  } kCases[] = {
      {"a/b:1", "2", "r", "a/b:2", false},
      {"a/b", "2", "r", "a/b:2", false},
      {"host:5000/b", "2", "r", "host:5000/b:2", false},
      {"t:1", "", "kserve-torchserve", "t:1-gpu", true},
      {"t:1-gpu", "", "kserve-torchserve", "t:1-gpu", true},
      {"t:1", "", "other", "t:1", true},
  };
  for (const auto& c : kCases) {
    Json container = Json::MakeObject({{"image", c.image}});
    if (c.gpu) container.Path({"resources", "limits", "nvidia.com/gpu"}) = 1;
    UpdateImageTag(container, *c.version ? std::optional<std::string>(c.version) : std::nullopt,
                   c.runtime);
    EXPECT_EQ(container["image"].AsString(), c.want);
  }
}

TEST(RuntimeContainer, ListsMergeByKeyAndWhatIsNewComesFirst) {
  Json merged = *MergeContainers(Yaml(R"(
name: kserve-container
args: [--a]
env: [{name: A, value: runtime}]
ports: [{containerPort: 9000, name: h2c}]
)"),
                                 Yaml(R"(
args: [--b]
env: [{name: B, value: own}]
ports: [{containerPort: 9001, name: h1}]
)"));
  EXPECT_EQ(merged, Yaml(R"(
name: kserve-container
args: [--a, --b]
env: [{name: B, value: own}, {name: A, value: runtime}]
ports: [{containerPort: 9001, name: h1}, {containerPort: 9000, name: h2c}]
)")) << merged.Dump();
  Json probed = *MergeContainers(Yaml("{name: c, readinessProbe: {httpGet: {path: "
                                      "/v2/health/ready, port: 8080}, periodSeconds: 5}}"),
                                 Yaml("{readinessProbe: {tcpSocket: {port: 9000}}}"));
  EXPECT_EQ(probed["readinessProbe"], Yaml("{tcpSocket: {port: 9000}, periodSeconds: 5}"));
  Json pod =
      *MergePodSpecs(Yaml("{volumes: [{name: shm, emptyDir: {medium: Memory}}]}"),
                     Yaml("{volumes: [{name: shm, emptyDir: {sizeLimit: 1Gi}}, {name: v}]}"));
  EXPECT_EQ(pod, Yaml("{volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 1Gi}}, "
                      "{name: v}]}"))
      << pod.Dump();
}

TEST(RuntimeContainer, PlaceholdersOfMissingLabelsAreNothing) {
  Json got = *ReplacePlaceholders(Yaml("{args: ['{{.Name}}:{{.Labels.team}}:{{.Labels.none}}']}"),
                                  Yaml("{name: iris, labels: {team: red}}"));
  EXPECT_EQ(got, Yaml("{args: ['iris:red:']}"));
}

std::vector<api::ServingRuntime> Runtimes(std::string_view yaml) {
  std::vector<api::ServingRuntime> out;
  for (const Json& item : Yaml(yaml).AsArray()) {
    out.push_back(*api::Decode<api::ServingRuntime>(item));
  }
  return out;
}

TEST(RuntimeSelection, ScopePriorityProtocolAgeName) {
  const auto runtimes = Runtimes(R"(
- metadata: {name: own, namespace: ns}
  spec: {supportedModelFormats: [{name: onnx, autoSelect: true}], containers: [{}]}
- metadata: {name: low}
  spec: {protocolVersions: [v1], supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 1}]}
- metadata: {name: high}
  spec: {protocolVersions: [v1], supportedModelFormats: [{name: sklearn, version: "1", autoSelect: true, priority: 2}]}
- metadata: {name: v2}
  spec: {protocolVersions: [v2], supportedModelFormats: [{name: sklearn, autoSelect: true, priority: 9}]}
- metadata: {name: off}
  spec: {disabled: true, supportedModelFormats: [{name: sklearn, autoSelect: true, priority: 9}]}
- metadata: {name: manual}
  spec: {supportedModelFormats: [{name: sklearn, priority: 9}]}
- metadata: {name: cluster}
  spec: {supportedModelFormats: [{name: onnx, autoSelect: true, priority: 9}]}
)");
  const struct {
    const char *model, *want, *reason;
  } kCases[] = {
      {"{modelFormat: {name: sklearn}}", "high", ""},
      {"{modelFormat: {name: sklearn}, protocolVersion: v2}", "v2", ""},
      {"{modelFormat: {name: sklearn, version: '2'}}", "", "NoSupportingRuntime"},
      {"{modelFormat: {name: onnx}}", "own", ""},
      {"{modelFormat: {name: sklearn}, runtime: manual}", "manual", ""},
      {"{modelFormat: {name: sklearn}, runtime: off}", "", "RuntimeDisabled"},
      {"{modelFormat: {name: sklearn}, runtime: v2, protocolVersion: v1}", "",
       "NoSupportingRuntime"},
      {"{modelFormat: {name: pmml}, runtime: low}", "", "NoSupportingRuntime"},
      {"{modelFormat: {name: pmml}, runtime: none}", "", "RuntimeNotRecognized"},
  };
  for (const auto& c : kCases) {
    api::InferenceService isvc;
    isvc.metadata = Yaml("{name: iris, namespace: ns}");
    isvc.spec.predictor.model = *api::Decode<api::ModelSpec>(Yaml(c.model));
    auto runtime = ResolveRuntime(isvc, runtimes);
    if (*c.want) {
      ASSERT_TRUE(runtime) << c.model;
      EXPECT_EQ((*runtime)->name(), c.want);
      EXPECT_EQ(isvc.spec.predictor.model->runtime, c.want);
    } else {
      ASSERT_FALSE(runtime) << c.model;
      EXPECT_EQ(runtime.error().reason, c.reason);
    }
  }
}

TEST_F(ReconcileTest, FromManifestToReady) {
  Create(kube::kInferenceService, kIris);
  Json deployment = Await(kube::kDeployment, "iris-predictor");
  ASSERT_TRUE(deployment.IsObject());
  const Json& container = deployment.At({"spec", "template", "spec", "containers"})[0];
  EXPECT_EQ(container["image"].AsString(), "kserve/sklearnserver:latest");
  EXPECT_EQ(container["args"][0].AsString(), "--model_name=iris");
  EXPECT_EQ(container["readinessProbe"]["tcpSocket"]["port"].AsInt(), 8080);
  EXPECT_EQ(
      deployment
          .At({"spec", "template", "metadata", "annotations", api::annotation::kStorageSourceUri})
          .AsString(),
      "file:///models/iris");
  EXPECT_TRUE(Await(kube::kService, "iris-predictor").IsObject());
  EXPECT_TRUE(Await(kube::kHorizontalPodAutoscaler, "iris-predictor").IsObject());
  Json waiting = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return kube::IsConditionFalse(isvc, "IngressReady");
  });
  EXPECT_EQ((*kube::FindCondition(waiting, "Ready"))["reason"].AsString(),
            "Predictor ingress not created");

  MakeAvailable("iris-predictor");
  Json ready = Await(kube::kInferenceService, "iris",
                     [](const Json& isvc) { return kube::IsConditionTrue(isvc, "Ready"); });
  ASSERT_TRUE(ready.IsObject());
  EXPECT_EQ(ready["status"]["url"].AsString(), "http://127.0.0.1:8080/serving/ns/iris");
  EXPECT_EQ(ready.At({"status", "address", "url"}).AsString(),
            "http://iris-predictor.ns.svc.cluster.local");
  Json ingress = Await(kube::kIngress, "iris");
  EXPECT_EQ(ingress["spec"]["rules"][0]["host"].AsString(), "iris-ns.127.0.0.1");
  EXPECT_EQ(ingress["spec"]["rules"].size(), 2u);
}

TEST_F(ReconcileTest, RuntimeThatComesLater) {
  std::string yaml(kIris);
  yaml.replace(yaml.find("name: sklearn"), 13, "name: pmml");
  Create(kube::kInferenceService, yaml);
  auto state_is = [](std::string_view state) {
    return [state](const Json& isvc) {
      return isvc.At({"status", "modelStatus", "transitionStatus"}).AsString() == state;
    };
  };
  Json rejected = Await(kube::kInferenceService, "iris", state_is("InvalidSpec"));
  EXPECT_EQ(rejected.At({"status", "modelStatus", "lastFailureInfo", "reason"}).AsString(),
            "NoSupportingRuntime");
  Create(kube::kServingRuntime, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: mine, namespace: ns}
spec:
  supportedModelFormats: [{name: pmml, autoSelect: true}]
  containers: [{name: kserve-container, image: i}]
)");
  EXPECT_TRUE(Await(kube::kDeployment, "iris-predictor").IsObject());
  EXPECT_TRUE(Await(kube::kInferenceService, "iris", state_is("InProgress")).IsObject());
}

TEST_F(ReconcileTest, TransformerIsTheFront) {
  std::string yaml(kIris);
  yaml += "  transformer: {containers: [{image: t}]}\n";
  Create(kube::kInferenceService, yaml);
  MakeAvailable("iris-predictor");
  Json deployment = Await(kube::kDeployment, "iris-transformer");
  EXPECT_EQ(deployment.At({"spec", "template", "spec", "containers"})[0]["args"],
            Yaml("[--model_name, iris, --predictor_host, iris-predictor.ns, --http_port, '8080']"));
  MakeAvailable("iris-transformer");
  Json ready = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return kube::IsConditionTrue(isvc, "Ready") && kube::IsConditionTrue(isvc, "TransformerReady");
  });
  EXPECT_EQ(ready.At({"status", "address", "url"}).AsString(),
            "http://iris-transformer.ns.svc.cluster.local");

  // Taken out again: it is no longer the front. Its objects stay until the InferenceService goes.
  ready.Ref("spec").Erase("transformer");
  ASSERT_TRUE(client_.Update(kube::kInferenceService, ready));
  Json without = Await(kube::kInferenceService, "iris", [](const Json& isvc) {
    return isvc.At({"status", "address", "url"}).AsString() ==
           "http://iris-predictor.ns.svc.cluster.local";
  });
  EXPECT_TRUE(without.IsObject());
  EXPECT_TRUE(client_.Get(kube::kDeployment, {.ns = "ns", .name = "iris-transformer"}));
}

TEST_F(ReconcileTest, DeletionDropsTheFinalizer) {
  Create(kube::kInferenceService, kIris);
  Json isvc = Await(kube::kInferenceService, "iris", [](const Json& object) {
    return kube::FindCondition(object, "Ready") != nullptr;
  });
  ASSERT_EQ(isvc["metadata"]["finalizers"][0].AsString(), api::kFinalizer);
  kube::WatchOptions from;
  from.resource_version =
      (*client_.List(kube::kInferenceService, "ns"))["metadata"]["resourceVersion"].AsString();
  ASSERT_TRUE(client_.Delete(kube::kInferenceService, {.ns = "ns", .name = "iris"}));
  std::stop_source gone;
  (void)client_.Watch(
      kube::kInferenceService, "ns", from,
      [&](kube::WatchEvent event) -> Status {
        if (event.type == kube::WatchEvent::Type::kDeleted) gone.request_stop();
        return {};
      },
      gone.get_token());
  EXPECT_TRUE(gone.stop_requested());
  EXPECT_FALSE(client_.Get(kube::kInferenceService, {.ns = "ns", .name = "iris"}));
}

class WithoutKnativeTest : public ReconcileTest {
 protected:
  void SetUp() override {
    std::vector<kube::ResourceType> served;
    for (const auto* type : kube::KnownResources()) {
      if (*type != kube::kKnativeService) served.push_back(*type);
    }
    client_.Serve(std::move(served));
    ReconcileTest::SetUp();
  }
};

TEST_F(WithoutKnativeTest, ServerlessIsRejectedInWords) {
  std::string yaml(kIris);
  yaml.replace(yaml.find("namespace: ns"), 13,
               "namespace: ns, annotations: {serving.kserve.io/deploymentMode: Serverless}");
  Create(kube::kInferenceService, yaml);
  Json rejected = Await(kube::kInferenceService, "iris",
                        [](const Json& isvc) { return kube::IsConditionFalse(isvc, "Ready"); });
  EXPECT_EQ((*kube::FindCondition(rejected, "Ready"))["reason"].AsString(),
            "ServerlessModeRejected");
  EXPECT_TRUE((*client_.List(kube::kDeployment, "ns"))["items"].empty());
}

}  // namespace
}  // namespace kinglet::control
