#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "control/localmodelnode/controller.h"
#include "control/localmodelnode/decision.h"
#include "control/localmodelnode/download_job.h"
#include "control/localmodelnode/room.h"
#include "control/testing.h"

namespace kinglet::control {
namespace {

namespace fs = std::filesystem;

TEST(Room, PinnedThenLastUsed) {
  using enum Room;
  auto share = [](std::vector<RoomRequest> requests, int64_t limit) {
    return ShareRoom(requests, limit);
  };
  const RoomRequest old{.content = "a", .bytes = 4, .present = true, .last_used = 1};
  const RoomRequest late{.content = "b", .bytes = 4, .present = true, .last_used = 2};
  const RoomRequest pinned{.content = "c", .bytes = 4, .pinned = true, .last_used = 0};
  EXPECT_EQ(share({old, late, pinned}, 0), (std::vector{kKeep, kKeep, kKeep}));
  EXPECT_EQ(share({old, late, pinned}, 12), (std::vector{kKeep, kKeep, kKeep}));
  EXPECT_EQ(share({old, late, pinned}, 8), (std::vector{kGive, kKeep, kKeep}));
  EXPECT_EQ(share({old, late, pinned}, 4), (std::vector{kTooBig, kTooBig, kKeep}));
  EXPECT_EQ(share({pinned, pinned}, 3), (std::vector{kTooBig, kTooBig}));
  // What serves is not taken away, however small the room becomes.
  const RoomRequest serving{.content = "d", .bytes = 9, .pinned = true, .present = true};
  EXPECT_EQ(share({serving, old}, 4), (std::vector{kKeep, kTooBig}));
  const RoomRequest same{.content = "a", .bytes = 4, .last_used = 3};
  EXPECT_EQ(share({old, same}, 4), (std::vector{kKeep, kKeep}));
}

TEST(Decision, AttemptsAreFewAndFarBetween) {
  using enum Decision::Action;
  ModelFacts facts{.health = Health::kUnknown};
  facts.record.damage = "weights is missing";
  Decision first = Decide(facts, 1000);
  EXPECT_EQ(first.action, kDownload);
  EXPECT_TRUE(first.again);
  facts.record.attempts = 2;
  facts.record.last_attempt = 1000;
  Decision later = Decide(facts, 1010);
  EXPECT_EQ(later.action, kNothing);
  EXPECT_EQ(later.state, "ModelDownloadPending");
  EXPECT_EQ(later.wait, std::chrono::seconds(50));
  EXPECT_EQ(Decide(facts, 1060).action, kDownload);
  facts.record.attempts = kMaxAttempts;
  Decision over = Decide(facts, 1'000'000);
  EXPECT_EQ(over.action, kNothing);
  EXPECT_EQ(over.state, "ModelDownloadError");
  EXPECT_TRUE(over.reason.contains("weights is missing"));
}

TEST(Decision, ByFolderAndJob) {
  using enum Decision::Action;
  const Json done = Yaml("{metadata: {uid: j1}, status: {succeeded: 1}}");
  const Json failed = Yaml("{metadata: {uid: j2}, status: {failed: 1}}");
  const Json running = Yaml("{metadata: {uid: j3}, status: {ready: 1}}");
  auto decide = [](Health health, const Json* job, ModelRecord record = {}) {
    ModelFacts facts{.health = health, .record = std::move(record), .job = job};
    Decision out = Decide(facts, 1);
    return std::pair(out.action, out.state);
  };
  EXPECT_EQ(decide(Health::kMissing, nullptr),
            std::pair(kDownload, std::string("ModelDownloadPending")));
  EXPECT_EQ(decide(Health::kUnknown, nullptr).first, kDownload);
  EXPECT_EQ(decide(Health::kWhole, nullptr), std::pair(kNothing, std::string("ModelDownloaded")));
  EXPECT_EQ(decide(Health::kUnknown, &done), std::pair(kAdopt, std::string("ModelDownloaded")));
  EXPECT_EQ(decide(Health::kMissing, &running),
            std::pair(kNothing, std::string("ModelDownloading")));
  EXPECT_EQ(decide(Health::kMissing, &failed),
            std::pair(kNothing, std::string("ModelDownloadError")));
  EXPECT_EQ(decide(Health::kMissing, &done).first, kDownload);
  ModelFacts again{.health = Health::kUnknown, .record = {.damage = "x"}, .job = &running};
  again.record.attempts = 2;
  EXPECT_EQ(Decide(again, 1).reason, "x; downloads again (attempt 2 of 5)");
  EXPECT_EQ(decide(Health::kUnknown, &done, {.damage = "x", .spent_job = "j1"}).first, kDownload);
}

TEST(DownloadJob, AsKServeMakesIt) {
  api::LocalModelConfig config;
  config.job_namespace = "jobs";
  config.fs_group = 1000;
  config.default_job_image = "mine:1";
  auto container = DownloadContainer({}, "s3://b/m", config);
  ASSERT_TRUE(container);
  Json job = MakeDownloadJob({.model = {.ns = "", .name = "iris"},
                              .uri = "s3://b/m",
                              .service_account = "",
                              .node = "n1",
                              .claim = "iris-gpu"},
                             *container, config);
  EXPECT_EQ(job["metadata"], Yaml("{generateName: iris-n1, namespace: jobs, labels: {model: iris, "
                                  "node: n1}}"));
  EXPECT_EQ(job["spec"], Yaml(R"(
ttlSecondsAfterFinished: 3600
template:
  spec:
    nodeName: n1
    restartPolicy: Never
    securityContext: {fsGroup: 1000}
    volumes: [{name: kserve-pvc-source, persistentVolumeClaim: {claimName: iris-gpu}}]
    containers:
    - name: kserve-localmodel-download
      image: mine:1
      terminationMessagePolicy: FallbackToLogsOnError
      args: [s3://b/m, /mnt/models]
      volumeMounts: [{name: kserve-pvc-source, mountPath: /mnt/models, subPath: models/iris}]
)"));
  auto own = DownloadContainer(
      {Yaml("{metadata: {name: off}, disabled: true, spec: {workloadType: localModelDownloadJob, "
            "supportedUriFormats: [{prefix: s3://}], container: {name: x}}}"),
       Yaml("{metadata: {name: init}, spec: {supportedUriFormats: [{prefix: s3://}], container: "
            "{name: y}}}"),
       Yaml("{metadata: {name: on}, spec: {workloadType: localModelDownloadJob, "
            "supportedUriFormats: [{prefix: s3://}], container: {name: z}}}")},
      "s3://b/m", config);
  EXPECT_EQ((*own)["name"].AsString(), "z");
}

TEST(DownloadJob, OfAGroupThatIsNamedIsScheduled) {
  Json job = MakeDownloadJob({.model = {.ns = "team", .name = "iris"},
                              .uri = "s3://b/m",
                              .service_account = "",
                              .node = "n1",
                              .claim = "iris-gpu-team-download",
                              .max_bytes = 1000,
                              .scheduled = true},
                             Yaml("{name: x}"), {});
  EXPECT_EQ(job["metadata"]["labels"], Yaml("{model: iris, node: n1, modelNamespace: team}"));
  const Json& pod = job.At({"spec", "template", "spec"});
  EXPECT_EQ(pod["containers"][0]["env"], Yaml("[{name: STORAGE_MAX_BYTES, value: '1000'}]"));
  EXPECT_FALSE(pod.Has("nodeName"));
  EXPECT_EQ(pod["nodeSelector"], Yaml("{kubernetes.io/hostname: n1}"));
  EXPECT_EQ(pod["tolerations"], Yaml("[{operator: Exists}]"));
}

class AgentTest : public testing::Test {
 protected:
  AgentTest() : folder_(*TemporaryFolder::Make("agent")), root_(folder_.path() / "models") {}
  void SetUp() override {
    Json map = kube::MakeObjectMeta("v1", "ConfigMap",
                                    {.ns = "kserve", .name = "inferenceservice-config"});
    map.Path({"data", "localModel"}) = R"({"jobNamespace": "ns"})";
    ASSERT_TRUE(client_.Create(kube::kConfigMap, map));
    Create(client_, "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {group: gpu}}}");
    Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNodeGroup
metadata: {name: gpu, generation: 1}
spec:
  storageLimit: 0
  persistentVolumeSpec:
    nodeAffinity:
      required: {nodeSelectorTerms: [{matchExpressions: [{key: group, operator: Exists}]}]}
  persistentVolumeClaimSpec: {}
)");
    StartAgent();
  }
  void TearDown() override { StopAgent(); }
  void StartAgent() {
    stop_ = std::stop_source();
    agent_ = std::make_unique<LocalModelNodeController>(
        client_, LocalModelNodeController::Options{.node = "n1", .models_root = root_});
    agent_->Start(stop_.get_token());
    ASSERT_TRUE(agent_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }
  void StopAgent() {
    stop_.request_stop();
    agent_->Join();
    agent_.reset();
  }
  // models: "iris: s3://a, other: s3://b"
  void Want(std::string_view models) {
    Json list = Json::MakeArray();
    for (const auto& [name, uri] : Yaml(fmt::format("{{{}}}", models)).AsObject()) {
      list.Push(Json::MakeObject({{"modelName", name}, {"sourceModelUri", uri}}));
    }
    const kube::ObjectKey key{.ns = "", .name = "n1"};
    Json wish = Json::MakeObject({{"spec", Json::MakeObject({{"localModels", list}})}});
    if (client_.Patch(kube::kLocalModelNode, key, kube::PatchType::kMerge, wish)) return;
    Json node = kube::MakeObjectMeta(kube::kLocalModelNode.ApiVersion(), "LocalModelNode", key);
    node.Set("spec", wish["spec"]);
    ASSERT_TRUE(client_.Create(kube::kLocalModelNode, node));
  }
  // Without waiting for the regular time.
  void LookAgain() {
    Json patch = Yaml(fmt::format("{{metadata: {{annotations: {{look: '{}'}}}}}}", ++looks_));
    ASSERT_TRUE(client_.Patch(kube::kLocalModelNode, {.ns = "", .name = "n1"},
                              kube::PatchType::kMerge, patch));
  }
  Json AwaitJob(std::string_view model, const std::string& not_uid = "") {
    return Await(client_, kube::kJob, "", [&](const Json& job) {
      return kube::Label(job, "model") == model && kube::Uid(job) != not_uid;
    });
  }
  // What our storage initializer leaves.
  void Deliver(const std::string& model, const std::string& uri, const std::string& bytes) {
    fs::create_directories(root_ / model);
    std::ofstream(root_ / model / "weights") << bytes;
    Json file = Json::MakeObject({{"path", "weights"}, {"size", bytes.size()}});
    Json source = Json::MakeObject({{"uri", uri}, {"files", Json::MakeArray({file})}});
    Json marker = Json::MakeObject({{"version", 1}, {"sources", Json::MakeArray({source})}});
    ASSERT_TRUE(WriteFileAtomic(root_ / model / ".kinglet-complete", marker.Dump()));
  }
  void Succeed(const Json& job) {
    SetStatus(client_, kube::kJob, kube::Name(job), "{succeeded: 1}");
  }
  bool AwaitState(const std::string& model, std::string_view state) {
    return !Await(client_, kube::kLocalModelNode, "n1", [&](const Json& node) {
              return node["status"]["modelStatus"][model].AsString() == state;
            }).IsNull();
  }
  bool AwaitReason(const std::string& model, const std::string& part) {
    return !Await(client_, kube::kLocalModelNode, "n1", [&](const Json& node) {
              return node["status"]["modelReasons"][model].AsString().contains(part);
            }).IsNull();
  }

  kube::FakeClient client_;
  TemporaryFolder folder_;
  fs::path root_;
  int looks_ = 0;
  std::stop_source stop_;
  std::unique_ptr<LocalModelNodeController> agent_;
};

TEST_F(AgentTest, DownloadsNoticesDamageAndRemoves) {
  fs::create_directories(root_ / "stale");
  Want("iris: s3://a");
  Json job = AwaitJob("iris");
  ASSERT_FALSE(job.IsNull());
  EXPECT_TRUE(AwaitState("iris", "ModelDownloadPending"));
  Deliver("iris", "s3://a", "12345");
  Succeed(job);
  EXPECT_TRUE(AwaitState("iris", "ModelDownloaded"));
  EXPECT_FALSE(fs::exists(root_ / "stale"));  // of the pass before
  // Made before the job, which writes into it.
  EXPECT_EQ(fs::status(root_ / "iris").permissions(), fs::perms(0775));

  // The agent and its memory survive; nothing is downloaded.
  StopAgent();
  StartAgent();
  LookAgain();
  // Another length.
  std::ofstream(root_ / "iris" / "weights") << "123";
  LookAgain();
  Json second = AwaitJob("iris", kube::Uid(job));
  ASSERT_FALSE(second.IsNull());
  EXPECT_TRUE(AwaitReason("iris", "weights has 3 bytes, not 5; downloads again (attempt 1 of 5)"));
  EXPECT_FALSE(fs::exists(root_ / "iris" / ".kinglet-complete"));
  Deliver("iris", "s3://a", "12345");
  Succeed(second);
  EXPECT_TRUE(AwaitState("iris", "ModelDownloaded"));

  // The same length, and so soon after the last time that it must wait.
  ASSERT_TRUE(client_.Delete(kube::kJob, kube::KeyOf(second)));
  fs::last_write_time(root_ / "iris" / "weights",
                      fs::file_time_type::clock::now() + std::chrono::seconds(5));
  LookAgain();
  EXPECT_TRUE(AwaitReason("iris", "weights was changed after it was downloaded"));
  EXPECT_TRUE(AwaitReason("iris", "downloads again 30 s after the last time"));
  EXPECT_TRUE(AwaitState("iris", "ModelDownloadPending"));

  Want("");
  EXPECT_FALSE(Await(client_, kube::kLocalModelNode, "n1", [](const Json& node) {
                 return node["status"]["modelStatus"].empty();
               }).IsNull());
  EXPECT_TRUE(AwaitGone(client_, kube::kJob, kube::Name(job)));
  LookAgain();
}

TEST_F(AgentTest, DamageBeforeTheJobIsReportedAsOver) {
  Want("iris: s3://a");
  Json job = AwaitJob("iris");
  ASSERT_FALSE(job.IsNull());
  Deliver("iris", "s3://a", "12345");
  LookAgain();
  EXPECT_TRUE(AwaitState("iris", "ModelDownloaded"));
  std::ofstream(root_ / "iris" / "weights") << "123";
  LookAgain();
  // What is left is not taken for what the first job brought.
  EXPECT_FALSE(AwaitJob("iris", kube::Uid(job)).IsNull());
}

TEST_F(AgentTest, TheGroupOfTheEntryIsTaken) {
  Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNode
metadata: {name: n1}
spec: {localModels: [{modelName: iris, sourceModelUri: "s3://a", nodeGroup: slow}]}
)");
  Json pod = AwaitJob("iris").At({"spec", "template", "spec"});
  EXPECT_EQ(pod.At({"volumes"})[0]["persistentVolumeClaim"]["claimName"].AsString(), "iris-slow");
  EXPECT_TRUE(pod.Has("nodeSelector"));
}

TEST_F(AgentTest, AJobStartsWithoutCredentialsThatAreNotThere) {
  Create(client_, R"(
apiVersion: v1
kind: Secret
metadata: {name: storage-config, namespace: ns}
stringData: {minio: '{"type": "s3"}'}
)");
  Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNode
metadata: {name: n1}
spec:
  localModels:
  - {modelName: iris, sourceModelUri: "s3://a", storage: {key: minio}}
  - {modelName: lost, sourceModelUri: "s3://b", storage: {key: gone}}
)");
  auto env = [&](std::string_view model) {
    return AwaitJob(model).At({"spec", "template", "spec"})["containers"][0]["env"];
  };
  EXPECT_EQ(env("iris")[0]["name"].AsString(), "STORAGE_CONFIG");
  EXPECT_TRUE(env("lost").empty());
  auto said = [](const Json& event) {
    return event["reason"].AsString() == "CredentialsNotAdded" &&
           event["message"].AsString().contains("lost: specified storage key gone");
  };
  EXPECT_FALSE(Await(client_, kube::kEvent, "", said, "default").IsNull());
}

// Whether a second reader may have a model is the store's to say.
TEST_F(AgentTest, NothingIsSharedBeyondANamespaceOrItsCredentials) {
  Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNode
metadata: {name: n1}
spec:
  localModels:
  - {modelName: first, sourceModelUri: "s3://a"}
  - {modelName: first, namespace: team, sourceModelUri: "s3://a"}
  - {modelName: second, namespace: team, sourceModelUri: "s3://a"}
  - {modelName: other, namespace: rival, sourceModelUri: "s3://a"}
  - {modelName: keyed, sourceModelUri: "s3://a", storage: {key: k}}
)");
  Json job = AwaitJob("first");
  ASSERT_FALSE(job.IsNull());
  Deliver("first", "s3://a", "12345");
  Succeed(job);
  EXPECT_TRUE(AwaitState("first", "ModelDownloaded"));
  for (auto model : {"other", "keyed"}) EXPECT_FALSE(AwaitJob(model).IsNull()) << model;
  EXPECT_FALSE(fs::exists(root_ / "rival_other" / "weights"));
  EXPECT_FALSE(fs::exists(root_ / "keyed" / "weights"));
  Json own = Await(client_, kube::kJob, "", [&](const Json& found) {
    return kube::Label(found, "model") == "first" && kube::Label(found, "modelNamespace") == "team";
  });
  ASSERT_FALSE(own.IsNull());
  Deliver("team_first", "s3://a", "12345");
  Succeed(own);
  EXPECT_TRUE(AwaitState("team/second", "ModelDownloaded"));
  EXPECT_TRUE(fs::equivalent(root_ / "team_first" / "weights", root_ / "team_second" / "weights"));
  EXPECT_EQ(fs::hard_link_count(root_ / "first" / "weights"), 1u);
}

TEST_F(AgentTest, ANamespaceGetsNeitherCredentialsNorFilesOfTheJobs) {
  Create(client_, R"(
apiVersion: v1
kind: Secret
metadata: {name: storage-config, namespace: ns}
stringData: {private: '{"type": "s3"}'}
)");
  Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNode
metadata: {name: n1}
spec:
  localModels:
  - {modelName: keyed, namespace: team, sourceModelUri: "s3://a", storage: {key: private}}
  - {modelName: local, namespace: team, sourceModelUri: "file:///var/run/secrets/token"}
  - {modelName: plain, namespace: team, sourceModelUri: "s3://b"}
)");
  EXPECT_TRUE(AwaitReason("team/keyed", "caches of namespace team may not use Secret"));
  EXPECT_TRUE(AwaitReason("team/local", "cannot come from file:///var/run/secrets/token"));
  EXPECT_TRUE(AwaitState("team/keyed", "ModelDownloadError"));
  // What is refused of them does not keep the next from being downloaded.
  Json pod = AwaitJob("plain").At({"spec", "template", "spec"});
  EXPECT_EQ(pod["automountServiceAccountToken"], Json(false));
  for (const Json& job : (*client_.List(kube::kJob, "ns"))["items"].AsArray()) {
    EXPECT_EQ(kube::Label(job, "model"), "plain");
  }
}

TEST_F(AgentTest, OneModelsTroubleIsNotTheOthers) {
  const std::string endless(230, 'a');
  Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNode
metadata: {{name: n1}}
spec:
  localModels:
  - {{modelName: {}, namespace: rival, sourceModelUri: "s3://a"}}
  - {{modelName: piped, sourceModelUri: "s3://b"}}
  - {{modelName: elsewhere, sourceModelUri: "s3://c"}}
  - {{modelName: iris, sourceModelUri: "s3://d"}}
)",
                              endless));
  fs::create_directories(root_ / "piped");
  ASSERT_EQ(mkfifo((root_ / "piped" / ".kinglet-complete").c_str(), 0666), 0);
  fs::create_directory_symlink("/", root_ / "elsewhere");
  EXPECT_FALSE(AwaitJob("iris").IsNull());
  EXPECT_TRUE(AwaitReason("rival/" + endless, "over 200 characters"));
  EXPECT_TRUE(AwaitReason("elsewhere", "is not a folder"));
  EXPECT_FALSE(AwaitJob("piped").IsNull());
}

// Anybody may put labels on a job.
TEST_F(AgentTest, JobsOfOthersAreLeftAlone) {
  Create(client_, R"(
apiVersion: batch/v1
kind: Job
metadata: {name: forged, namespace: ns, labels: {model: iris, node: n1}}
status: {succeeded: 1}
)");
  Create(client_, R"(
apiVersion: batch/v1
kind: Job
metadata: {name: stranger, namespace: ns, labels: {model: unknown, node: n1}}
)");
  fs::create_directories(root_ / "iris");
  std::ofstream(root_ / "iris" / "weights") << "forged";
  Want("iris: s3://a");
  auto own = [](const Json& job) {
    return kube::Label(job, "model") == "iris" && kube::Name(job) != "forged";
  };
  EXPECT_FALSE(Await(client_, kube::kJob, "", own).IsNull());
  EXPECT_TRUE(AwaitState("iris", "ModelDownloadPending"));
  EXPECT_TRUE(client_.Get(kube::kJob, {.ns = "ns", .name = "stranger"}));
}

TEST_F(AgentTest, OneUriIsDownloadedOnce) {
  Want("first: s3://a, second: s3://a");
  Json job = AwaitJob("first");
  EXPECT_TRUE(AwaitState("second", "ModelDownloadPending"));
  Deliver("first", "s3://a", "12345");
  Succeed(job);
  EXPECT_TRUE(AwaitState("second", "ModelDownloaded"));
  EXPECT_EQ(fs::hard_link_count(root_ / "second" / "weights"), 2u);
  for (const Json& other : (*client_.List(kube::kJob, "ns"))["items"].AsArray()) {
    EXPECT_EQ(kube::Label(other, "model"), "first");
  }
}

TEST_F(AgentTest, TheLimitTakesWhatIsNotUsed) {
  for (auto [name, uri] : {std::pair("a", "s3://a"), std::pair("b", "s3://b")}) {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelCache
metadata: {{name: {}}}
spec: {{sourceModelUri: "{}", modelSize: 1, nodeGroups: [gpu]}}
)",
                                name, uri));
  }
  SetStatus(client_, kube::kLocalModelCache, "a",
            "{inferenceServices: [{namespace: ns, name: x}]}");
  fs::create_directories(root_);
  Deliver("a", "s3://a", "123456");
  Deliver("b", "s3://b", "123456");
  Want("a: s3://a, b: s3://b");
  EXPECT_TRUE(AwaitState("a", "ModelDownloaded"));
  EXPECT_TRUE(AwaitState("b", "ModelDownloaded"));
  Json limit = Yaml("{spec: {storageLimit: 10}}");
  ASSERT_TRUE(client_.Patch(kube::kLocalModelNodeGroup, {.ns = "", .name = "gpu"},
                            kube::PatchType::kMerge, limit));
  EXPECT_TRUE(AwaitReason("b", "storageLimit"));
  EXPECT_TRUE(AwaitState("a", "ModelDownloaded"));
  EXPECT_FALSE(fs::exists(root_ / "b"));
  // Its size is remembered, though the cache promises less: it does not come and go.
  EXPECT_TRUE((*client_.List(kube::kJob, "ns"))["items"].empty());
  EXPECT_TRUE(fs::exists(root_ / "a" / "weights"));
}

}  // namespace
}  // namespace kinglet::control
