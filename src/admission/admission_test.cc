#include <gtest/gtest.h>

#include <set>

#include "admission/admitter.h"
#include "admission/review.h"
#include "admission/testing.h"
#include "base/encoding.h"
#include "base/hostile_json.h"
#include "base/yaml.h"
#include "kube/fake_client.h"
#include "kube/json_patch.h"
#include "kube/merge_patch.h"

namespace kinglet::admission {
namespace {

const std::string kSource = KINGLET_SOURCE_DIR;

Json Cases() {
  auto cases = ReadYaml(kSource + "/src/admission/testdata/cases.yaml");
  EXPECT_TRUE(cases) << cases.error().message();
  return cases.value_or(Json());
}

void Prepare(kube::FakeClient& client, const Json& config, const Json& objects) {
  Status made = MakeCluster(kSource, config, objects, client);
  ASSERT_TRUE(made) << made.error().message();
}

const Json& At(const Json& object, std::string_view pointer) {
  auto tokens = kube::ParseJsonPointer(pointer);
  EXPECT_TRUE(tokens) << pointer;
  const Json* at = &object;
  for (const auto& token : *tokens) {
    at = at->IsArray() ? &(*at)[static_cast<size_t>(std::stoul(token))] : &(*at)[token];
  }
  return *at;
}

// What anybody can send must be answered: a process that ends here takes all admission along.
TEST(Webhooks, ValuesOfEveryTypeInEveryPlaceAreAnswered) {
  std::set<std::string> seen;
  size_t reviews = 0;
  const Json cases = Cases();
  for (const Json& c : cases.AsArray()) {
    kube::FakeClient client;
    Prepare(client, c["config"], c["cluster"]);
    Admitter admitter(client, "kserve");
    const std::string& path = c["path"].AsString();
    auto review = [&](const Json& object, const Json& old) {
      auto answer = AnswerReview(admitter, path,
                                 MakeReview(path, old.IsNull() ? "CREATE" : "UPDATE", object, old));
      ASSERT_TRUE(answer);
      EXPECT_EQ((*answer)["response"]["uid"].AsString(), "u");
      ++reviews;
    };
    // Where a case is about its cluster, that is another way through the code.
    const std::string way = path + (c["cluster"].IsNull() ? "" : c["name"].AsString());
    ForEachOddValue(Json::MakeObject({{way, c["object"]}}), seen,
                    [&](const std::string&, const Json& changed) {
                      review(changed[way], Json());
                      review(changed[way], c["object"]);
                      review(c["object"], changed[way]);
                    });
  }
  EXPECT_GT(reviews, 5'000U);
}

TEST(Webhooks, Table) {
  const Json cases = Cases();
  for (const Json& c : cases.AsArray()) {
    SCOPED_TRACE(c["name"].AsString());
    kube::FakeClient client;
    Prepare(client, c["config"], c["cluster"]);
    Admitter admitter(client, "kserve");
    const std::string& path = c["path"].AsString();
    auto answer = AnswerReview(
        admitter, path, MakeReview(path, c["operation"].StringOr("CREATE"), c["object"], c["old"]));
    ASSERT_TRUE(answer) << answer.error().message();
    const Json& response = (*answer)["response"];
    EXPECT_EQ(response["uid"].AsString(), "u");
    EXPECT_EQ(response["allowed"].AsBool(), c["code"].IsNull());
    EXPECT_EQ(response["status"]["message"].AsString(), c["message"].AsString());
    if (!c["code"].IsNull()) {
      EXPECT_EQ(response["status"]["code"].AsInt(), c["code"].AsInt());
    }
    if (c["changed"].IsNull()) {
      EXPECT_FALSE(response.Has("patch"));
      continue;
    }
    auto patch = Json::Parse(*Base64Decode(response["patch"].AsString()));
    ASSERT_TRUE(patch);
    auto changed = kube::ApplyJsonPatch(c["object"], *patch);
    ASSERT_TRUE(changed) << changed.error().message();
    for (const auto& [pointer, want] : c["changed"].AsObject()) {
      EXPECT_EQ(At(*changed, pointer).Dump(), want.Dump()) << pointer;
    }
  }
}

// Whoever may read pods, or forge a review, must not learn what stands in secrets.
TEST(PodWebhook, NoValueOfASecretIsInTheAnswer) {
  constexpr std::string_view kSecrets = R"(
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: ns},
   secrets: [{name: s3}, {name: gcs}, {name: azure}, {name: key}, {name: https}, {name: hdfs}, {name: hf}]}
- {apiVersion: v1, kind: Secret, metadata: {name: s3, namespace: ns}, stringData: {AWS_ACCESS_KEY_ID: marker, AWS_SECRET_ACCESS_KEY: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: gcs, namespace: ns}, stringData: {gcloud-application-credentials.json: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: azure, namespace: ns}, stringData: {AZURE_CLIENT_ID: marker, AZURE_CLIENT_SECRET: marker, AZURE_TENANT_ID: marker, AZURE_SUBSCRIPTION_ID: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: ns}, stringData: {AZURE_STORAGE_ACCESS_KEY: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: https, namespace: ns}, stringData: {https-host: models.example.com, headers: '{"Authorization": "marker"}'}}
- {apiVersion: v1, kind: Secret, metadata: {name: hdfs, namespace: ns}, stringData: {HDFS_NAMENODE: marker, KERBEROS_KEYTAB: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: hf, namespace: ns}, stringData: {HF_TOKEN: marker}}
- {apiVersion: v1, kind: Secret, metadata: {name: storage-config, namespace: ns},
   stringData: {default: '{"type": "s3", "bucket": "b", "access_key_id": "marker", "secret_access_key": "marker"}'}}
)";
  constexpr std::string_view kPods = R"(
- {storage: s3://b/m}
- {storage: "<scheme-placeholder>://m", spec: "true"}
- {storage: s3://b/m, agent: true}
)";
  kube::FakeClient client;
  Prepare(client, Json(), *ParseYaml(kSecrets));
  Admitter admitter(client, "kserve");
  const Json pods = *ParseYaml(kPods);
  for (const Json& pod : pods.AsArray()) {
    Json object = *ParseYaml(
        "{metadata: {labels: {serving.kserve.io/inferenceservice: i}}, spec: {containers: [{name: "
        "kserve-container}]}}");
    Json& annotations = object.Path({"metadata", "annotations"});
    annotations = Json::MakeObject(
        {{"internal.serving.kserve.io/storage-initializer-sourceuri", pod["storage"]}});
    if (pod.Has("spec")) annotations.Set("internal.serving.kserve.io/storage-spec", pod["spec"]);
    if (pod.Has("agent")) annotations.Set("internal.serving.kserve.io/logger", "true");
    auto answer =
        AnswerReview(admitter, "/mutate-pods", MakeReview("/mutate-pods", "CREATE", object));
    ASSERT_TRUE(answer);
    const Json& response = (*answer)["response"];
    ASSERT_TRUE(response["allowed"].AsBool()) << response.Dump();
    const std::string patch = *Base64Decode(response["patch"].AsString());
    EXPECT_EQ(patch.find("marker"), std::string::npos) << patch;
    EXPECT_NE(patch.find("secretKeyRef"), std::string::npos) << patch;
  }
}

TEST(Admitter, DefaultsThenValidates) {
  kube::FakeClient client;
  Prepare(client, Json(), Json());
  Admitter admitter(client, "kserve");
  Request request{.operation = "CREATE",
                  .group = "serving.kserve.io",
                  .resource = "inferenceservices",
                  .ns = "ns",
                  .object = *ParseYaml("{metadata: {name: x}, spec: {predictor: {sklearn: {}}}}")};
  Response response = admitter.Admit(request);
  ASSERT_TRUE(response.allowed) << response.message;
  EXPECT_EQ(response.object->At({"spec", "predictor", "model", "modelFormat", "name"}).AsString(),
            "sklearn");
  request.object.Path({"metadata", "name"}) = "X";
  std::string denied_by;
  response = admitter.Admit(request, &denied_by);
  EXPECT_FALSE(response.allowed);
  EXPECT_EQ(response.code, 403);
  EXPECT_EQ(denied_by, "inferenceservice.kserve-webhook-server.validator");
  request.resource = "deployments";
  EXPECT_TRUE(admitter.Admit(request).allowed);
}

TEST(Review, RefusesWhatIsNoReview) {
  kube::FakeClient client;
  Admitter admitter(client, "kserve");
  auto refused = [&](const Json& review) {
    auto answer = AnswerReview(admitter, "/mutate-pods", review);
    return !answer && answer.error().code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused(Json()));
  const Json good = MakeReview("/mutate-pods", "CREATE", Json::MakeObject());
  EXPECT_FALSE(refused(good));
  EXPECT_EQ(AnswerReview(admitter, "/nowhere", good).error().code(), Code::kNotFound);
  for (auto change :
       {R"({"apiVersion": "admission.k8s.io/v2"})", R"({"apiVersion": null})", R"({"kind": "Pod"})",
        R"({"request": []})", R"({"request": {"uid": ""}})", R"({"request": {"uid": 5}})"}) {
    EXPECT_TRUE(refused(kube::ApplyMergePatch(good, *Json::Parse(change)))) << change;
  }
}

// A forged review makes the webhooks read for another resource or namespace than an API server
// would ask for.
TEST(Review, DeniesWhatNoApiServerSends) {
  for (auto path : {"/mutate-pods", "/mutate-serving-kserve-io-v1beta1-inferenceservice",
                    "/validate-serving-kserve-io-v1alpha1-servingruntime"}) {
    for (auto change : {
             R"({"namespace": "other", "object": {"metadata": {"namespace": "ns"}}})",
             R"({"object": {"metadata": {"namespace": "other"}}})",
             R"({"oldObject": {"metadata": {"namespace": "other"}}})",
             R"({"namespace": ""})",
             R"({"namespace": "../kube-system"})",
             R"({"namespace": null})",
             R"({"object": {"kind": "Secret"}})",
             R"({"kind": {"kind": "Secret"}})",
             R"({"resource": {"resource": "secrets"}})",
             R"({"resource": {"group": "example.com"}})",
             R"({"subResource": "status"})",
         }) {
      SCOPED_TRACE(fmt::format("{} {}", path, change));
      kube::FakeClient client;
      Admitter admitter(client, "kserve");
      Json review = MakeReview(path, "CREATE", Json::MakeObject());
      Json& request = review.Ref("request");
      request = kube::ApplyMergePatch(request, *Json::Parse(change));
      auto answer = AnswerReview(admitter, path, review);
      ASSERT_TRUE(answer);
      EXPECT_FALSE((*answer)["response"]["allowed"].AsBool());
      EXPECT_EQ((*answer)["response"]["status"]["code"].AsInt(), 400);
      EXPECT_TRUE(client.calls().empty());
    }
  }
}

}  // namespace
}  // namespace kinglet::admission
