#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "admission/admitter.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/hostile_json.h"
#include "base/yaml.h"
#include "kube/fake_client.h"
#include "kube/json_patch.h"

namespace kinglet::admission {
namespace {

const std::filesystem::path kSource = KINGLET_SOURCE_DIR;

Json ReadYaml(const std::filesystem::path& path) {
  auto text = ReadFile(path);
  EXPECT_TRUE(text) << path;
  auto value = ParseYaml(text.value_or(""));
  EXPECT_TRUE(value) << path << ": " << value.error().message();
  return value.value_or(Json());
}

void Prepare(kube::FakeClient& client, const Json& config, const Json& objects) {
  Json config_map = ReadYaml(kSource / "config/configmap/inferenceservice.yaml");
  config_map.Path({"data", "deploy"}) = R"({"defaultDeploymentMode": "Standard"})";
  for (const auto& [key, value] : config.AsObject()) config_map.Path({"data", key}) = value;
  ASSERT_TRUE(client.Create(kube::kConfigMap, config_map));
  for (const Json& object : objects.AsArray()) {
    const auto* type =
        kube::FindKnownResource(object["apiVersion"].AsString(), object["kind"].AsString());
    ASSERT_NE(type, nullptr);
    auto created = client.Create(*type, object);
    ASSERT_TRUE(created) << created.error().message();
  }
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
  for (const Json& c : ReadYaml(kSource / "src/admission/testdata/cases.yaml").AsArray()) {
    kube::FakeClient client;
    Prepare(client, c["config"], c["cluster"]);
    Admitter admitter(client, "kserve");
    const std::string& path = c["path"].AsString();
    auto review = [&](const Json& object, const Json& old) {
      Json request = Json::MakeObject({{"uid", "u"},
                                       {"operation", old.IsNull() ? "CREATE" : "UPDATE"},
                                       {"namespace", "ns"},
                                       {"object", object},
                                       {"oldObject", old}});
      auto answer = AnswerReview(admitter, path, Json::MakeObject({{"request", request}}));
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
  for (const Json& c : ReadYaml(kSource / "src/admission/testdata/cases.yaml").AsArray()) {
    SCOPED_TRACE(c["name"].AsString());
    kube::FakeClient client;
    Prepare(client, c["config"], c["cluster"]);
    Admitter admitter(client, "kserve");
    Json request = Json::MakeObject({{"uid", "u"},
                                     {"operation", c["operation"].StringOr("CREATE")},
                                     {"namespace", "ns"},
                                     {"resource", Json::MakeObject({{"resource", c["resource"]}})},
                                     {"object", c["object"]},
                                     {"oldObject", c["old"]}});
    Json review = Json::MakeObject(
        {{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"request", request}});
    auto answer = AnswerReview(admitter, c["path"].AsString(), review);
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
  EXPECT_EQ(AnswerReview(admitter, "/mutate-pods", Json()).error().code(), Code::kInvalidArgument);
  Json review = Json::MakeObject({{"request", Json::MakeObject()}});
  EXPECT_EQ(AnswerReview(admitter, "/nowhere", review).error().code(), Code::kNotFound);
  // Whatever comes is answered.
  for (auto path : {"/mutate-pods", "/mutate-serving-kserve-io-v1beta1-inferenceservice",
                    "/validate-serving-kserve-io-v1beta1-inferenceservice",
                    "/validate-serving-kserve-io-v1alpha1-trainedmodel",
                    "/validate-serving-kserve-io-v1alpha1-inferencegraph",
                    "/validate-serving-kserve-io-v1alpha1-servingruntime",
                    "/validate-serving-kserve-io-v1alpha1-localmodelcache",
                    "/validate-localmodelnamespacecaches"}) {
    EXPECT_TRUE(AnswerReview(admitter, path, review)) << path;
  }
}

}  // namespace
}  // namespace kinglet::admission
