#include "control/localmodel/controller.h"
#include "control/localmodel/model.h"
#include "control/localmodel/node_group.h"
#include "control/localmodel/status.h"
#include "control/localmodel/volumes.h"
#include "control/testing.h"

namespace kinglet::control {
namespace {

TEST(NodeGroup, WithoutAffinityNobodyIsInIt) {
  const Json node = Yaml("{metadata: {name: n1, labels: {gpu: a100}}}");
  EXPECT_FALSE(IsInNodeGroup(Yaml("{spec: {persistentVolumeSpec: {}}}"), node));
}

TEST(CachedModel, NamesOfWhatBelongsToIt) {
  const Json group = Yaml(
      "{metadata: {name: gpu}, spec: {persistentVolumeSpec: {hostPath: {path: /m}}, "
      "persistentVolumeClaimSpec: {accessModes: [ReadWriteOnce]}}}");
  CachedModel cluster{.key = {.ns = "", .name = "iris"}, .spec = {}};
  auto download = MakeDownloadVolume(cluster, group, "jobs");
  EXPECT_EQ(kube::Name(download.volume), "iris-gpu-download");
  EXPECT_EQ(kube::KeyOf(download.claim).ToString(), "jobs/iris-gpu");
  EXPECT_EQ(download.claim["spec"]["volumeName"].AsString(), "iris-gpu-download");
  auto serving = MakeServingVolume(cluster, group, "team");
  ASSERT_TRUE(serving);
  EXPECT_EQ(kube::Name(serving->volume), "iris-gpu-team");
  EXPECT_EQ(kube::KeyOf(serving->claim).ToString(), "team/iris-gpu");

  CachedModel own{.key = {.ns = "team", .name = "iris"}, .spec = {}};
  download = MakeDownloadVolume(own, group, "jobs");
  EXPECT_EQ(kube::Name(download.volume), "iris-gpu-team-download");
  EXPECT_EQ(kube::KeyOf(download.claim).ToString(), "jobs/iris-gpu-team-download");
  EXPECT_EQ(ModelFolderName(own.key), "team_iris");
  EXPECT_EQ(ModelStatusName(own.key), "team/iris");
}

TEST(CachedModel, AServingVolumeShowsOneModelForReading) {
  CachedModel own{.key = {.ns = "team", .name = "iris"}, .spec = {}};
  auto serving = MakeServingVolume(
      own,
      Yaml("{metadata: {name: gpu}, spec: {persistentVolumeSpec: {hostPath: {path: /m, type: "
           "DirectoryOrCreate}, persistentVolumeReclaimPolicy: Recycle}, "
           "persistentVolumeClaimSpec: {accessModes: [ReadWriteMany], storageClassName: x}}}"),
      "team");
  ASSERT_TRUE(serving);
  EXPECT_EQ(serving->volume["spec"],
            Yaml("{hostPath: {path: /m/models/team_iris, type: Directory}, accessModes: "
                 "[ReadOnlyMany], persistentVolumeReclaimPolicy: Retain, claimRef: {apiVersion: "
                 "v1, kind: PersistentVolumeClaim, namespace: team, name: iris-gpu}}"));
  EXPECT_EQ(serving->claim["spec"], Yaml("{accessModes: [ReadOnlyMany], storageClassName: x, "
                                         "volumeName: iris-gpu-team}"));
  serving = MakeServingVolume(
      own, Yaml("{metadata: {name: gpu}, spec: {persistentVolumeSpec: {local: {path: /m/}}}}"),
      "team");
  ASSERT_TRUE(serving);
  EXPECT_EQ(serving->volume["spec"]["local"], Yaml("{path: /m/models/team_iris}"));
  EXPECT_EQ(serving->volume["spec"]["mountOptions"], Yaml("[ro]"));
  auto other = MakeServingVolume(
      own, Yaml("{metadata: {name: gpu}, spec: {persistentVolumeSpec: {csi: {driver: d}}}}"),
      "team");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Code::kInvalidArgument);
}

TEST(CachedModel, EntriesSayWhatTheCacheSaysOfCredentials) {
  auto model = [](std::string_view more) {
    return *ReadCachedModel(Yaml(fmt::format(
        "{{metadata: {{name: iris}}, spec: {{sourceModelUri: s3://b/m, modelSize: 1, nodeGroups: "
        "[gpu]{}}}}}",
        more)));
  };
  Json node = Json::MakeObject();
  const std::pair<const char*, const char*> kCases[] = {
      {", serviceAccountName: loader, storage: {key: k, parameters: {region: eu}}",
       "[{sourceModelUri: s3://b/m, modelName: iris, serviceAccountName: loader, storage: {key: k, "
       "parameters: {region: eu}}}]"},
      {", storage: {key: k}", "[{sourceModelUri: s3://b/m, modelName: iris, storage: {key: k}}]"},
      // The secrets of the account "default".
      {", storage: {}", "[{sourceModelUri: s3://b/m, modelName: iris, storage: {}}]"},
      {"", "[{sourceModelUri: s3://b/m, modelName: iris}]"},
  };
  for (const auto& [more, entries] : kCases) {
    EXPECT_TRUE(PutModelOnNode(node, model(more), ""));
    EXPECT_EQ(node["spec"]["localModels"], Yaml(entries));
    EXPECT_FALSE(PutModelOnNode(node, model(more), ""));
  }
}

TEST(CachedModel, AGroupThatIsRepeatedCountsOnce) {
  auto model = ReadCachedModel(
      Yaml("{metadata: {name: iris}, spec: {sourceModelUri: s3://b/m, modelSize: 1, nodeGroups: "
           "[b, a, b, b]}}"));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->spec.node_groups, (std::vector<std::string>{"b", "a"}));
}

TEST(CachedModel, OneNamespaceDoesNotFillANodesList) {
  auto model = [](const std::string& ns, const std::string& name, size_t bytes) {
    return CachedModel{{.ns = ns, .name = name},
                       {.source_model_uri = "s3://b/" + std::string(bytes, 'x')}};
  };
  Json node = Json::MakeObject();
  EXPECT_TRUE(PutModelOnNode(node, model("a", "half", kMaxNamespaceBytes / 2), ""));
  EXPECT_FALSE(PutModelOnNode(node, model("a", "rest", kMaxNamespaceBytes / 2), ""));
  EXPECT_FALSE(NodeHasModel(node, {.ns = "a", .name = "rest"}));
  EXPECT_TRUE(PutModelOnNode(node, model("b", "other", kMaxNamespaceBytes / 2), ""));
  // The cluster's are an administrator's.
  EXPECT_TRUE(PutModelOnNode(node, model("", "whole", kMaxNamespaceBytes), ""));
  // One that grew is taken out.
  EXPECT_TRUE(PutModelOnNode(node, model("a", "half", kMaxNamespaceBytes), ""));
  EXPECT_FALSE(NodeHasModel(node, {.ns = "a", .name = "half"}));
}

TEST(CachedModel, VolumesOfTheOnlyNodeThereIs) {
  const Json group = Yaml(
      "{metadata: {name: gpu}, spec: {persistentVolumeSpec: {nfs: {server: s, path: /m}, capacity: "
      "{storage: 1Gi}}, persistentVolumeClaimSpec: {storageClassName: x}}}");
  EXPECT_EQ(WithVolumesAt(group, "cache")["spec"],
            Yaml("{persistentVolumeSpec: {hostPath: {path: cache, type: DirectoryOrCreate}, "
                 "capacity: {storage: 1Gi}}, persistentVolumeClaimSpec: {storageClassName: x}}"));
}

TEST(CachedModel, GroupsInUse) {
  CachedModel model{.key = {.ns = "", .name = "iris"}, .spec = {.node_groups = {"a", "b"}}};
  auto used = GroupsInUse(
      model, {Yaml("{metadata: {name: x, namespace: n1}}"),
              Yaml("{metadata: {name: y, namespace: n1, annotations: {serving.kserve.io/nodegroup: "
                   "b}}}"),
              Yaml("{metadata: {name: z, namespace: n2, annotations: {serving.kserve.io/nodegroup: "
                   "other}}}")});
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used["n1"], (std::set<std::string>{"a", "b"}));
}

TEST(CacheStatus, ANodeThatIsNotReadyKeepsWhatItWas) {
  Json cache = Yaml("{status: {nodeStatus: {was: NodeDownloaded, gone: NodeDownloaded}}}");
  SetCopies(cache, {{"was", {.ready = false, .state = ""}},
                    {"never", {.ready = false, .state = ""}},
                    {"new", {.ready = true, .state = ""}},
                    {"bad", {.ready = true, .state = "ModelDownloadError"}},
                    {"good", {.ready = true, .state = "ModelDownloaded"}}});
  EXPECT_EQ(cache["status"]["nodeStatus"],
            Yaml("{was: NodeDownloaded, never: NodeNotReady, new: NodeDownloadPending, bad: "
                 "NodeDownloadError, good: NodeDownloaded}"));
  EXPECT_EQ(cache["status"]["copies"], Yaml("{total: 5, available: 2, failed: 1}"));
}

class LocalModelTest : public testing::Test {
 protected:
  void SetUp() override {
    Configure("{jobNamespace: jobs}");
    Group("gpu");
    Node("n1", "gpu");
    Node("n2", "gpu");
    controller_ = std::make_unique<LocalModelController>(client_, LocalModelController::Options());
    controller_->Start(stop_.get_token());
    ASSERT_TRUE(controller_->WaitForSync(Deadline::After(std::chrono::seconds(20)), {}));
  }
  void TearDown() override {
    stop_.request_stop();
    controller_->Join();
  }
  void Configure(std::string_view local_model) {
    Json map = kube::MakeObjectMeta("v1", "ConfigMap",
                                    {.ns = "kserve", .name = "inferenceservice-config"});
    map.Path({"data", "localModel"}) = Yaml(local_model).Dump();
    ASSERT_TRUE(client_.Create(kube::kConfigMap, map));
  }
  void Group(std::string_view name) {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNodeGroup
metadata: {{name: {0}}}
spec:
  storageLimit: 10Gi
  persistentVolumeSpec:
    hostPath: {{path: /models}}
    nodeAffinity:
      required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: group, operator: In, values: [{0}]}}]}}]}}
  persistentVolumeClaimSpec: {{accessModes: [ReadWriteOnce]}}
)",
                                name));
  }
  void Node(std::string_view name, std::string_view group) {
    Create(client_, fmt::format(R"(
apiVersion: v1
kind: Node
metadata: {{name: {}, labels: {{group: {}}}}}
)",
                                name, group));
    Ready(std::string(name), "True");
  }
  void Ready(const std::string& name, std::string_view ready) {
    SetStatus(client_, kube::kNode, name,
              fmt::format("{{conditions: [{{type: Ready, status: '{}'}}]}}", ready));
  }
  void Cache(std::string_view name, std::string_view uri = "s3://b/m") {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelCache
metadata: {{name: {}}}
spec: {{sourceModelUri: "{}", modelSize: 1Gi, nodeGroups: [gpu]}}
)",
                                name, uri));
  }
  void Service(std::string_view name) {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {}, namespace: ns, labels: {{internal.serving.kserve.io/localmodel: iris}}}}
spec: {{}}
)",
                                name));
  }
  Json AwaitStates(std::string_view states) {
    return Await(client_, kube::kLocalModelCache, "iris",
                 [&](const Json& cache) { return cache["status"]["nodeStatus"] == Yaml(states); });
  }
  bool AwaitModels(const std::string& node, size_t count) {
    return !Await(client_, kube::kLocalModelNode, node, [&](const Json& list) {
              return list["spec"]["localModels"].size() == count;
            }).IsNull();
  }

  kube::FakeClient client_;
  std::stop_source stop_;
  std::unique_ptr<LocalModelController> controller_;
};

TEST_F(LocalModelTest, FromCacheToNodesAndBack) {
  Cache("iris");
  Json cache = AwaitStates("{n1: NodeDownloadPending, n2: NodeDownloadPending}");
  ASSERT_FALSE(cache.IsNull());
  EXPECT_TRUE(kube::HasFinalizer(cache, "localmodel.kserve.io/finalizer"));
  ASSERT_TRUE(AwaitModels("n1", 1));
  EXPECT_EQ((*client_.Get(kube::kLocalModelNode, {.ns = "", .name = "n1"}))["spec"]["localModels"],
            Yaml("[{modelName: iris, sourceModelUri: s3://b/m}]"));
  Json volume = Await(client_, kube::kPersistentVolume, "iris-gpu-download");
  EXPECT_TRUE(kube::IsControlledBy(volume, cache));

  SetStatus(client_, kube::kLocalModelNode, "n1", "{modelStatus: {iris: ModelDownloaded}}");
  cache = AwaitStates("{n1: NodeDownloaded, n2: NodeDownloadPending}");
  EXPECT_EQ(cache["status"]["copies"], Yaml("{total: 2, available: 1, failed: 0}"));

  // A node that comes late, one that is not ready yet, one that goes.
  Node("n3", "gpu");
  EXPECT_TRUE(AwaitModels("n3", 1));
  ASSERT_TRUE(client_.Delete(kube::kNode, {.ns = "", .name = "n2"}));
  EXPECT_FALSE(AwaitStates("{n1: NodeDownloaded, n3: NodeDownloadPending}").IsNull());
  EXPECT_TRUE(AwaitGone(client_, kube::kLocalModelNode, "n2"));
  Ready("n1", "False");
  Node("n4", "other");
  Node("n5", "gpu");
  EXPECT_TRUE(AwaitModels("n5", 1));  // so the controller knows of n1, too
  Cache("second", "s3://b/other");
  EXPECT_TRUE(AwaitModels("n3", 2));
  EXPECT_TRUE(AwaitModels("n1", 1));
  Ready("n1", "True");
  EXPECT_TRUE(AwaitModels("n1", 2));

  ASSERT_TRUE(client_.Delete(kube::kLocalModelCache, {.ns = "", .name = "iris"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kLocalModelCache, "iris"));
  EXPECT_TRUE(AwaitModels("n1", 1));
  EXPECT_TRUE(AwaitModels("n3", 1));
  EXPECT_TRUE(AwaitGone(client_, kube::kPersistentVolume, "iris-gpu-download"));
}

// An agent removes what its list does not name, so the list of a node that comes back is whole.
TEST_F(LocalModelTest, TheFirstListOfANodeIsWhole) {
  for (auto name : {"iris", "second", "third"}) Cache(name, fmt::format("s3://b/{}", name));
  ASSERT_TRUE(AwaitModels("n1", 3));
  ASSERT_TRUE(client_.Delete(kube::kNode, {.ns = "", .name = "n1"}));
  ASSERT_TRUE(AwaitGone(client_, kube::kLocalModelNode, "n1"));
  const Json before = *client_.List(kube::kLocalModelNode, "");
  Node("n1", "gpu");
  ASSERT_TRUE(AwaitModels("n1", 3));
  Json first;
  (void)client_.Watch(
      kube::kLocalModelNode, "",
      {.resource_version = std::string(before["metadata"]["resourceVersion"].AsString())},
      [&](kube::WatchEvent event) -> Status {
        if (kube::Name(event.object) != "n1") return {};
        first = std::move(event.object);
        return Fail(Code::kCancelled, "seen enough");
      },
      {});
  EXPECT_EQ(first["spec"]["localModels"].size(), 3u);
}

TEST_F(LocalModelTest, VolumesWhereInferenceServicesAre) {
  Cache("iris");
  Service("a");
  EXPECT_FALSE(Await(client_, kube::kPersistentVolumeClaim, "iris-gpu").IsNull());
  EXPECT_FALSE(Await(client_, kube::kPersistentVolume, "iris-gpu-ns").IsNull());
  Service("b");
  EXPECT_FALSE(Await(client_, kube::kLocalModelCache, "iris", [](const Json& cache) {
                 return cache["status"]["inferenceServices"] ==
                        Yaml("[{namespace: ns, name: a}, {namespace: ns, name: b}]");
               }).IsNull());
  ASSERT_TRUE(client_.Delete(kube::kInferenceService, {.ns = "ns", .name = "a"}));
  ASSERT_TRUE(client_.Delete(kube::kInferenceService, {.ns = "ns", .name = "b"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kPersistentVolumeClaim, "iris-gpu"));
  EXPECT_TRUE(AwaitGone(client_, kube::kPersistentVolume, "iris-gpu-ns"));
  EXPECT_TRUE(client_.Get(kube::kPersistentVolumeClaim, {.ns = "jobs", .name = "iris-gpu"}));
}

// Without the uid, any claim that names a volume first could be bound to it.
TEST_F(LocalModelTest, VolumesAreReservedForTheirClaims) {
  Cache("iris");
  Service("a");
  for (auto [name, ns] : {std::pair("iris-gpu-download", "jobs"), std::pair("iris-gpu-ns", "ns")}) {
    Json volume = Await(client_, kube::kPersistentVolume, name);
    ASSERT_FALSE(volume.IsNull());
    auto claim = client_.Get(kube::kPersistentVolumeClaim, {.ns = ns, .name = "iris-gpu"});
    ASSERT_TRUE(claim);
    EXPECT_EQ(volume["spec"]["claimRef"],
              Yaml(fmt::format("{{apiVersion: v1, kind: PersistentVolumeClaim, namespace: {}, "
                               "name: iris-gpu, uid: {}}}",
                               ns, kube::Uid(*claim))));
  }
  // A claim that took the place of the first one gets a volume of its own.
  Json first = *client_.Get(kube::kPersistentVolume, {.ns = "", .name = "iris-gpu-ns"});
  ASSERT_TRUE(client_.Delete(kube::kPersistentVolumeClaim, {.ns = "ns", .name = "iris-gpu"}));
  Json second = Await(client_, kube::kPersistentVolume, "iris-gpu-ns",
                      [&](const Json& volume) { return kube::Uid(volume) != kube::Uid(first); });
  ASSERT_FALSE(second.IsNull());
  auto claim = client_.Get(kube::kPersistentVolumeClaim, {.ns = "ns", .name = "iris-gpu"});
  ASSERT_TRUE(claim);
  EXPECT_EQ(second["spec"]["claimRef"]["uid"].AsString(), kube::Uid(*claim));
}

TEST_F(LocalModelTest, VolumesThatShowAllModelsAreReplaced) {
  Create(client_, R"(
apiVersion: v1
kind: PersistentVolume
metadata: {name: iris-gpu-ns}
spec: {hostPath: {path: /models}, claimRef: {namespace: ns, name: iris-gpu, uid: u1}}
)");
  Cache("iris");
  Service("a");
  EXPECT_FALSE(Await(client_, kube::kPersistentVolume, "iris-gpu-ns", [](const Json& volume) {
                 return volume["spec"]["hostPath"]["path"].AsString() == "/models/models/iris";
               }).IsNull());
}

// With the same claim for both, one's services would serve the other's model.
TEST_F(LocalModelTest, AClaimOfAnotherCacheIsNotTaken) {
  Create(client_, R"(
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: iris-gpu
  namespace: ns
  ownerReferences:
  - {apiVersion: serving.kserve.io/v1alpha1, kind: LocalModelNamespaceCache, name: iris, uid: u1, controller: true}
spec: {}
)");
  Cache("iris");
  Service("a");
  EXPECT_FALSE(Await(
                   client_, kube::kEvent, "",
                   [](const Json& event) {
                     return event["reason"].AsString() == "VolumeNotCreated" &&
                            event["message"].AsString().contains(
                                "PersistentVolumeClaim ns/iris-gpu exists and belongs to cache "
                                "ns/iris");
                   },
                   "default")
                   .IsNull());
  EXPECT_FALSE(client_.Get(kube::kPersistentVolume, {.ns = "", .name = "iris-gpu-ns"}));
}

TEST_F(LocalModelTest, LlmInferenceServicesAreUsersToo) {
  Cache("iris");
  Create(client_, R"(
apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceService
metadata: {name: chat, namespace: ns, labels: {internal.serving.kserve.io/localmodel: iris}}
)");
  EXPECT_FALSE(Await(client_, kube::kPersistentVolumeClaim, "iris-gpu").IsNull());
  EXPECT_FALSE(Await(client_, kube::kLocalModelCache, "iris", [](const Json& cache) {
                 return cache["status"]["llmInferenceServices"] ==
                        Yaml("[{namespace: ns, name: chat}]");
               }).IsNull());
  ASSERT_TRUE(client_.Delete(kube::kLlmInferenceService, {.ns = "ns", .name = "chat"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kPersistentVolumeClaim, "iris-gpu"));
  EXPECT_FALSE(Await(client_, kube::kLocalModelCache, "iris", [](const Json& cache) {
                 return !cache["status"].Has("llmInferenceServices");
               }).IsNull());
}

TEST_F(LocalModelTest, AGroupWithoutNodesIsSaid) {
  Group("tpu");
  Json cache = Yaml(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNamespaceCache
metadata: {name: nowhere, namespace: ns}
spec: {sourceModelUri: s3://b/m, modelSize: 1Gi, nodeGroups: [tpu]}
)");
  ASSERT_TRUE(client_.Create(kube::kLocalModelNamespaceCache, cache));
  EXPECT_FALSE(Await(client_, kube::kEvent, "", [](const Json& event) {
                 return event["reason"].AsString() == "NodeGroupEmpty" &&
                        event["message"].AsString().contains("tpu");
               }).IsNull());
}

TEST_F(LocalModelTest, OfANamespace) {
  Json cache = Yaml(R"(
apiVersion: serving.kserve.io/v1alpha1
kind: LocalModelNamespaceCache
metadata: {name: iris, namespace: ns}
spec: {sourceModelUri: s3://b/m, modelSize: 1Gi, nodeGroups: [gpu]}
)");
  ASSERT_TRUE(client_.Create(kube::kLocalModelNamespaceCache, cache));
  ASSERT_TRUE(AwaitModels("n1", 1));
  EXPECT_EQ((*client_.Get(kube::kLocalModelNode, {.ns = "", .name = "n1"}))["spec"]["localModels"],
            Yaml("[{modelName: iris, namespace: ns, nodeGroup: gpu, sourceModelUri: s3://b/m}]"));
  // Services of another namespace have no part in it, whatever they say.
  for (auto ns : {"other", "ns"}) {
    Create(client_, fmt::format(R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: in-{0}
  namespace: {0}
  labels: {{internal.serving.kserve.io/localmodel: iris, internal.serving.kserve.io/localmodel-namespace: ns}}
spec: {{}}
)",
                                ns));
  }
  EXPECT_FALSE(Await(client_, kube::kLocalModelNamespaceCache, "iris", [](const Json& seen) {
                 return seen["status"]["inferenceServices"] ==
                        Yaml("[{name: in-ns, namespace: ns}]");
               }).IsNull());
  // Beside it the entries of the cluster's caches name their groups too.
  Cache("other", "s3://b/other");
  EXPECT_FALSE(Await(client_, kube::kLocalModelNode, "n1", [](const Json& node) {
                 return node["spec"]["localModels"][1] ==
                        Yaml("{modelName: other, nodeGroup: gpu, sourceModelUri: s3://b/other}");
               }).IsNull());
  EXPECT_FALSE(Await(client_, kube::kPersistentVolume, "iris-gpu-ns-download").IsNull());
  SetStatus(client_, kube::kLocalModelNode, "n1", "{modelStatus: {ns/iris: ModelDownloaded}}");
  EXPECT_FALSE(Await(client_, kube::kLocalModelNamespaceCache, "iris", [](const Json& seen) {
                 return seen["status"]["nodeStatus"]["n1"].AsString() == "NodeDownloaded";
               }).IsNull());
  ASSERT_TRUE(client_.Delete(kube::kLocalModelNamespaceCache, {.ns = "ns", .name = "iris"}));
  EXPECT_TRUE(AwaitGone(client_, kube::kLocalModelNamespaceCache, "iris"));
  EXPECT_TRUE(AwaitGone(client_, kube::kPersistentVolume, "iris-gpu-ns-download"));
  EXPECT_TRUE(AwaitModels("n1", 1));
}

}  // namespace
}  // namespace kinglet::control
