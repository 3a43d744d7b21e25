#include <gtest/gtest.h>

#include <set>

#include "admission/admitter.h"
#include "admission/testing.h"
#include "base/encoding.h"
#include "base/hostile_json.h"
#include "base/yaml.h"
#include "kube/fake_client.h"
#include "kube/json_patch.h"

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
  const Json cases = Cases();
  for (const Json& c : cases.AsArray()) {
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
