#include <gtest/gtest.h>

#include <filesystem>

#include "api/config.h"
#include "api/constants.h"
#include "api/kinds.h"
#include "api/storage_uri.h"
#include "api/v1beta1/inference_service.h"
#include "base/file.h"
#include "base/yaml.h"

namespace kinglet::api {
namespace {

Json Yaml(std::string_view text) {
  auto value = ParseYaml(text);
  EXPECT_TRUE(value) << value.error().message();
  return value.value_or(Json());
}

constexpr std::string_view kIris = R"(
predictor:
  minReplicas: 0
  serviceAccountName: sa
  model:
    modelFormat: {name: sklearn}
    storageUri: s3://bucket/iris
    resources: {limits: {cpu: "1"}}
  logger: {mode: all}
)";

TEST(Descriptor, KeepsOwnFieldsAndPassesPodFieldsOn) {
  auto spec = Decode<InferenceServiceSpec>(Yaml(kIris), Checks::kStrict);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->predictor.min_replicas, 0);
  EXPECT_EQ(spec->predictor.model->storage_uri, "s3://bucket/iris");
  EXPECT_EQ(spec->predictor.model->container["resources"]["limits"]["cpu"].AsString(), "1");
  EXPECT_EQ(spec->predictor.pod["serviceAccountName"].AsString(), "sa");
  EXPECT_EQ(Encode(*spec), Yaml(kIris));
  EXPECT_EQ(*Decode<InferenceServiceSpec>(Encode(*spec)), *spec);
}

struct BadSpec {
  const char* name;
  const char* yaml;
  const char* error;
};

TEST(Descriptor, StrictErrorsSayWhere) {
  const BadSpec kCases[] = {
      {"unknown field", "{predictor: {model: {modelFormat: {name: x}, stroageUri: y}}}",
       "predictor.model.stroageUri: unknown field"},
      {"wrong type", "{predictor: {minReplicas: two}}",
       "predictor.minReplicas: want integer, got string"},
      {"out of range", "{predictor: {maxReplicas: 3000000000}}",
       "predictor.maxReplicas: 3000000000 is out of the range of this field"},
      {"enum", "{predictor: {logger: {mode: some}}}",
       "predictor.logger.mode: Unsupported value: \"some\": supported values: all, request, "
       "response"},
      {"missing", "{transformer: {}}", "predictor: Required value"},
      {"in a list",
       "{predictor: {autoScaling: {metrics: [{type: Resource, resource: {name: cpu}}]}}}",
       "predictor.autoScaling.metrics[0].resource.target: Required value"},
      {"quantity",
       "{predictor: {autoScaling: {metrics: [{external: {metric: {}, target: {value: 1x}}}]}}}",
       "predictor.autoScaling.metrics[0].external.target.value: want a quantity such as 500m or "
       "2Gi, got \"1x\""},
  };
  for (const auto& bad : kCases) {
    auto spec = Decode<InferenceServiceSpec>(Yaml(bad.yaml), Checks::kStrict);
    ASSERT_FALSE(spec) << bad.name;
    EXPECT_EQ(spec.error().message(), bad.error) << bad.name;
  }
}

TEST(Descriptor, LenientSkipsUnknownFieldsButNotTypes) {
  EXPECT_TRUE(Decode<InferenceServiceSpec>(Yaml("{predictor: {future: 1}}")));
  EXPECT_FALSE(Decode<InferenceServiceSpec>(Yaml("{predictor: []}")));
}

TEST(Quantity, Forms) {
  for (auto good : {"1", "0.5", "500m", "2Gi", "1e3", "1E-2", "+1", "-1.5k", ".5", "5."}) {
    EXPECT_TRUE(IsQuantity(Json(good))) << good;
  }
  for (auto bad : {"", "Gi", "1x", "1 Gi", "1Ki2", "1mi", "1ni", "--1", "1e"}) {
    EXPECT_FALSE(IsQuantity(Json(bad))) << bad;
  }
}

TEST(Implementations, OrderAndCollocation) {
  auto count = [](std::string_view yaml) {
    auto spec = Decode<PredictorSpec>(Yaml(yaml));
    return Implementations(*spec).size();
  };
  EXPECT_EQ(count("{}"), 0u);
  EXPECT_EQ(count("{sklearn: {}}"), 1u);
  EXPECT_EQ(count("{sklearn: {}, xgboost: {}}"), 2u);
  EXPECT_EQ(count("{containers: [{name: a}, {name: b}]}"), 1u);
  EXPECT_EQ(count("{model: {}, containers: [{name: transformer-container}]}"), 1u);
  EXPECT_EQ(count("{model: {}, containers: [{name: kserve-container}]}"), 2u);
}

TEST(Crd, FilesAreUpToDate) {
  const std::filesystem::path folder = std::filesystem::path(KINGLET_SOURCE_DIR) / "config/crd";
  constexpr size_t kMaxBytes = 256 << 10;
  for (const auto& kind : Kinds()) {
    auto text = ReadFile(folder / CrdFileName(kind));
    ASSERT_TRUE(text) << text.error().message();
    EXPECT_EQ(*text, DumpYaml(CustomResourceDefinition(kind)))
        << CrdFileName(kind) << " is old: run ./dev gen";
    EXPECT_LT(text->size(), kMaxBytes);
  }
}

TEST(Manifests, AreValidForTheirKinds) {
  for (auto folder : {"config/runtimes", "config/storagecontainers", "config/samples/sklearn"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(KINGLET_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      if (entry.path().filename() == "kustomization.yaml") continue;
      auto text = ReadFile(entry.path());
      ASSERT_TRUE(text);
      auto documents = ParseYamlDocuments(*text);
      ASSERT_TRUE(documents) << entry.path();
      for (const Json& document : *documents) {
        const KindInfo* kind = FindKind(document["kind"].AsString());
        ASSERT_NE(kind, nullptr) << entry.path();
        auto checked = kind->check(document);
        EXPECT_TRUE(checked) << entry.path() << ": " << checked.error().message();
      }
    }
  }
}

TEST(Config, ShippedConfigMapHasNoUnknownKeys) {
  auto text = ReadFile(std::filesystem::path(KINGLET_SOURCE_DIR) /
                       "config/configmap/inferenceservice.yaml");
  ASSERT_TRUE(text);
  Config config = ParseConfig(Yaml(*text));
  EXPECT_TRUE(config.warnings.empty()) << config.warnings[0];
  EXPECT_EQ(config.deploy->mode, Mode::kServerless);
  EXPECT_EQ(config.ingress->ingress_class_name, "istio");
  EXPECT_TRUE(config.storage_initializer->enable_direct_pvc_volume_mount);
  EXPECT_EQ(config.batcher->max_batch_size, "32");
}

TEST(Config, SectionsFailAlone) {
  Config config = ParseConfig(Yaml(R"(
data:
  deploy: '{"defaultDeploymentMode": "Knotty"}'
  ingress: '{"enableGatewayApi": true, "ingressGateway": "a/b"}'
  logger: '{"image": "x"}'
  security: '{"autoMountServiceAccountToken": "yes"}'
  unheard: '{}'
  credentials: '{"s3": {"S3endpoint": "e", "s4": 1}}'  # names as Go reads them: in any case
)"));
  EXPECT_EQ(config.deploy.error().message(),
            "invalid deployment mode. Supported modes are Serverless, RawDeployment and ModelMesh");
  EXPECT_EQ(config.ingress.error().message(),
            "invalid ingress config - kserveIngressGateway is required");
  EXPECT_TRUE(config.logger.error().message().starts_with(
      "Failed to parse resource configuration for \"logger\""));
  EXPECT_FALSE(config.security);
  EXPECT_EQ(config.credentials->s3.endpoint, "e");
  EXPECT_EQ(config.credentials->s3.access_key_id_name, "awsAccessKeyID");
  ASSERT_EQ(config.warnings.size(), 2u);
  EXPECT_EQ(config.warnings[0], "key credentials: s3.s4: unknown field");
  EXPECT_EQ(config.warnings[1], "key unheard is not known");
}

TEST(StorageUri, KnownSchemesPathsAndContainers) {
  ClusterStorageContainer custom;
  custom.spec.supported_uri_formats = {{"custom://", ""}};
  const std::vector containers = {custom};
  for (auto good : {"s3://b/k", "hf://org/model", "/mnt/model", "model", "pvc://claim/x",
                    "https://acc.blob.core.windows.net/c/x", "custom://x"}) {
    EXPECT_TRUE(CheckStorageUri(good, containers)) << good;
  }
  auto bad = CheckStorageUri("ftp://x", containers);
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().message().ends_with(
      "or be an absolute or relative local path. StorageUri [ftp://x] is not supported"));
}

TEST(LocalModelCache, MatchesItselfAndBelow) {
  LocalModelCacheSpec cache;
  cache.source_model_uri = "gs://b/models/";
  EXPECT_TRUE(cache.Matches("gs://b/models"));
  EXPECT_TRUE(cache.Matches("gs://b/models/x"));
  EXPECT_FALSE(cache.Matches("gs://b/models2"));
}

}  // namespace
}  // namespace kinglet::api
