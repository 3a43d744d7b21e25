#include "control/localmodelnode/job_credentials.h"

#include "control/testing.h"

namespace kinglet::control {
namespace {

class JobCredentials : public testing::Test {
 protected:
  void SetUp() override {
    Create(client_, R"(
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: jobs, annotations: {serving.kserve.io/s3-endpoint: "s3.example:9000"}}
stringData: {awsAccessKeyID: id, awsSecretAccessKey: secret}
)");
    Create(client_, R"(
apiVersion: v1
kind: Secret
metadata: {name: gcs, namespace: jobs}
stringData: {gcloud-application-credentials.json: "{}"}
)");
    Create(client_, R"(
apiVersion: v1
kind: Secret
metadata: {name: storage-config, namespace: jobs}
stringData: {minio: '{"type": "s3", "bucket": "b"}', typeless: '{}'}
)");
    for (auto account :
         {"{name: default}, secrets: [{name: s3}]", "{name: google}, secrets: [{name: gcs}]",
          "{name: half}, secrets: [{name: s3}, {name: gone}]"}) {
      Json object =
          Yaml(fmt::format("{{apiVersion: v1, kind: ServiceAccount, metadata: {}}}", account));
      object.Ref("metadata").Set("namespace", "jobs");
      ASSERT_TRUE(client_.Create(kube::kServiceAccount, object));
    }
  }
  Status Add(std::string_view account, std::string_view storage, std::string_view ns = "") {
    job_ = Yaml(R"(
metadata: {namespace: jobs}
spec: {template: {spec: {containers: [{name: c, args: ["s3://b/m", /mnt/models]}], volumes: [{name: models}]}}}
)");
    return AddJobCredentials(
        client_, api::ParseConfig(Json::MakeObject()).credentials,
        {.service_account = std::string(account), .storage = Yaml(storage), .ns = std::string(ns)},
        job_);
  }
  const Json& pod() const { return job_.At({"spec", "template", "spec"}); }
  const Json& container() const { return pod()["containers"][0]; }
  std::string EnvNames() const {
    std::string out;
    for (const Json& env : container()["env"].AsArray()) out += env["name"].AsString() + " ";
    return out;
  }

  kube::FakeClient client_;
  Json job_;
};

constexpr std::string_view kS3 =
    "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY S3_ENDPOINT AWS_ENDPOINT_URL ";

TEST_F(JobCredentials, OnlyWhereTheyAreAskedFor) {
  ASSERT_TRUE(Add("", "null"));
  EXPECT_EQ(pod(), Yaml("{containers: [{name: c, args: ['s3://b/m', /mnt/models]}], volumes: "
                        "[{name: models}]}"));
}

TEST_F(JobCredentials, OfTheAccount) {
  ASSERT_TRUE(Add("default", "null"));
  EXPECT_EQ(EnvNames(), kS3);
  EXPECT_EQ(container()["env"][0]["valueFrom"]["secretKeyRef"],
            Yaml("{name: s3, key: awsAccessKeyID}"));
  // Without a key it is the default account.
  ASSERT_TRUE(Add("", "{parameters: {type: s3}}"));
  EXPECT_EQ(EnvNames(), kS3);
  ASSERT_TRUE(Add("google", "null"));
  EXPECT_EQ(EnvNames(), "GOOGLE_APPLICATION_CREDENTIALS ");
  EXPECT_EQ(pod()["volumes"],
            Yaml("[{name: models}, {name: user-gcp-sa, secret: {secretName: gcs}}]"));
  EXPECT_EQ(container()["volumeMounts"][0]["name"].AsString(), "user-gcp-sa");
}

TEST_F(JobCredentials, OfTheStorageSecret) {
  // The key goes before the account.
  ASSERT_TRUE(Add("google", "{key: minio, parameters: {region: eu}}"));
  EXPECT_EQ(container()["env"], Yaml(R"(
- {name: STORAGE_CONFIG, valueFrom: {secretKeyRef: {name: storage-config, key: minio}}}
- {name: STORAGE_OVERRIDE_CONFIG, value: '{"region":"eu"}'}
)"));
  EXPECT_EQ(container()["args"][0].AsString(), "s3://b/m");
}

TEST_F(JobCredentials, WhatCameBeforeAnErrorStays) {
  Status half = Add("half", "null");
  ASSERT_FALSE(half);
  EXPECT_EQ(EnvNames(), kS3);
  Status typeless = Add("", "{key: typeless}");
  EXPECT_EQ(typeless.error().message(), "unable to determine storage type");
  EXPECT_EQ(EnvNames(), "STORAGE_CONFIG ");
  EXPECT_TRUE(Add("nobody", "null").error().message().contains("service account nobody"));
  EXPECT_TRUE(Add("", "{key: none}").error().message().contains("storage key none not found"));
  EXPECT_EQ(EnvNames(), "");
}

// The credentials of the jobs' namespace are the administrator's.
TEST_F(JobCredentials, OfANamespaceOnlyWhereTheyAreAllowed) {
  const std::pair<const char*, const char*> kWishes[] = {
      {"", "{key: minio}"}, {"google", "null"},          {"google", "{key: minio}"},
      {"", "{}"},           {"", "{key: not-an-entry}"}, {"gone", "null"},
  };
  for (auto [account, storage] : kWishes) {
    Status added = Add(account, storage, "team");
    ASSERT_FALSE(added) << account << storage;
    EXPECT_EQ(added.error().code(), Code::kPermissionDenied);
    EXPECT_EQ(EnvNames(), "");
  }
  const Json allowed =
      Yaml("{metadata: {annotations: {serving.kserve.io/localmodel-namespaces: 'other, team'}}}");
  ASSERT_TRUE(client_.Patch(kube::kSecret, {.ns = "jobs", .name = "storage-config"},
                            kube::PatchType::kMerge, allowed));
  EXPECT_TRUE(Add("", "{key: minio}", "team"));
  EXPECT_EQ(EnvNames(), "STORAGE_CONFIG ");
  EXPECT_FALSE(Add("", "{key: minio}", "tea"));
  EXPECT_FALSE(Add("", "{key: minio}", "team2"));
  // The account's identity counts besides the key.
  EXPECT_FALSE(Add("google", "{key: minio}", "team"));
  ASSERT_TRUE(client_.Patch(kube::kServiceAccount, {.ns = "jobs", .name = "google"},
                            kube::PatchType::kMerge, allowed));
  EXPECT_TRUE(Add("google", "{key: minio}", "team"));
  EXPECT_TRUE(Add("google", "null", "team"));
}

}  // namespace
}  // namespace kinglet::control
