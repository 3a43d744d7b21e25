// The subcommands over the in-memory API server.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/command.h"
#include "cli/diagnosis.h"
#include "cli/three_way.h"
#include "kube/fake_client.h"
#include "kube/strategic_merge.h"
#include "net/http/server.h"

namespace kinglet::cli {
namespace {

// Lets commands own "their" client while the test keeps the server.
class Borrowed : public kube::Client {
 public:
  explicit Borrowed(kube::FakeClient& server) : server_(server) {}
  Result<Json> Get(const kube::ResourceType& t, const kube::ObjectKey& k,
                   const kube::GetOptions& o) override {
    return server_.Get(t, k, o);
  }
  Result<Json> List(const kube::ResourceType& t, std::string_view ns,
                    const kube::ListOptions& o) override {
    return server_.List(t, ns, o);
  }
  Result<Json> Create(const kube::ResourceType& t, const Json& j,
                      const kube::WriteOptions& o) override {
    return server_.Create(t, j, o);
  }
  Result<Json> Update(const kube::ResourceType& t, const Json& j,
                      const kube::WriteOptions& o) override {
    return server_.Update(t, j, o);
  }
  Result<Json> Patch(const kube::ResourceType& t, const kube::ObjectKey& k, kube::PatchType p,
                     const Json& j, const kube::WriteOptions& o) override {
    return server_.Patch(t, k, p, j, o);
  }
  Status Delete(const kube::ResourceType& t, const kube::ObjectKey& k,
                const kube::DeleteOptions& o) override {
    return server_.Delete(t, k, o);
  }
  Status DeleteCollection(const kube::ResourceType& t, std::string_view ns,
                          const kube::ListOptions& l, const kube::DeleteOptions& o) override {
    return server_.DeleteCollection(t, ns, l, o);
  }
  Status Watch(const kube::ResourceType& t, std::string_view ns, const kube::WatchOptions& o,
               const std::function<Status(kube::WatchEvent)>& f, std::stop_token s) override {
    return server_.Watch(t, ns, o, f, s);
  }
  Status Logs(const kube::ObjectKey& k, const kube::LogOptions& o,
              const std::function<Status(std::string_view)>& f, std::stop_token s) override {
    return server_.Logs(k, o, f, s);
  }
  Result<std::string> Raw(const kube::RawRequest& r) override { return server_.Raw(r); }

 private:
  kube::FakeClient& server_;
};

class CliTest : public testing::Test {
 protected:
  struct Outcome {
    int status;
    std::string out, err;
  };

  Outcome Run(std::string_view command, std::vector<std::string> arguments,
              std::string input = "") {
    std::ostringstream out, err;
    Context context{
        .out = out,
        .err = err,
        .connect = [this](const kube::ConfigOptions&) -> Result<std::unique_ptr<kube::Client>> {
          return std::make_unique<Borrowed>(server_);
        },
        .read_stdin = [&]() -> Result<std::string> { return input; }};
    for (const Command& known : Commands()) {
      if (known.name == command) {
        int status = known.run(context, std::move(arguments));
        return {status, out.str(), err.str()};
      }
    }
    return {-1, "", "no such command"};
  }

  Json Service(std::string name, std::string_view status = "") {
    Json object =
        kube::MakeObjectMeta("serving.kserve.io/v1beta1", "InferenceService", {"default", name});
    object.Path({"spec", "predictor"}).Set("minReplicas", 1);
    auto created = server_.Create(kube::kInferenceService, object);
    EXPECT_TRUE(created);
    if (status.empty()) return *created;
    created->Set("status", *ParseYaml(status));
    return *server_.UpdateStatus(kube::kInferenceService, *created);
  }

  void Pod(std::string service, std::string_view spec, std::string_view status) {
    Json pod = kube::MakeObjectMeta("v1", "Pod", {"default", service + "-predictor-x"});
    kube::SetLabel(pod, "serving.kserve.io/inferenceservice", service);
    pod.Set("spec", *ParseYaml(spec));
    auto created = server_.Create(kube::kPod, pod);
    created->Set("status", *ParseYaml(status));
    ASSERT_TRUE(server_.UpdateStatus(kube::kPod, *created));
  }

  kube::FakeClient server_;
};

constexpr std::string_view kManifest = R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec: {predictor: {model: {modelFormat: {name: sklearn}, storageUri: "file:///a"}, minReplicas: 1}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}
)";

TEST_F(CliTest, ForeignTextDoesNotSteerTheTerminal) {
  Service("iris", R"({"conditions": [{"type": "Ready", "status": "False"}], "modelStatus": {
    "transitionStatus": "BlockedByFailedLoad",
    "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "a\u001b]0;x\u0007\rb"}}})");
  for (const auto& [command, arguments] :
       {std::pair<std::string, std::vector<std::string>>{"status", {}}, {"doctor", {"iris"}}}) {
    const Outcome outcome = Run(command, arguments);
    EXPECT_EQ(outcome.out.find_first_of("\x1b\x07\r"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("a\\u001b]0;x\\u0007\\rb"), std::string::npos) << outcome.out;
  }
}

TEST_F(CliTest, ApplyCreatesChangesAndLeavesAlone) {
  auto created = Run("apply", {"-f", "-"}, std::string(kManifest));
  EXPECT_EQ(created.status, 0) << created.err;
  EXPECT_EQ(created.out, "inferenceservice.serving.kserve.io/iris created\nconfigmap/c created\n");
  EXPECT_EQ(Run("apply", {"-f", "-"}, std::string(kManifest)).out,
            "inferenceservice.serving.kserve.io/iris unchanged\nconfigmap/c unchanged\n");
  // Somebody else's field stays, a field that is no longer wanted goes.
  ASSERT_TRUE(server_.Patch(kube::kInferenceService, {"default", "iris"}, kube::PatchType::kMerge,
                            *ParseYaml("{spec: {predictor: {maxReplicas: 3}}}")));
  auto changed = Run("apply", {"-f", "-"}, R"(
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec: {predictor: {model: {modelFormat: {name: sklearn}, storageUri: "file:///b"}}}
)");
  EXPECT_EQ(changed.out, "inferenceservice.serving.kserve.io/iris configured\n");
  Json predictor =
      server_.Get(kube::kInferenceService, {"default", "iris"})->At({"spec", "predictor"});
  EXPECT_EQ(predictor["maxReplicas"].AsInt(), 3);
  EXPECT_FALSE(predictor.Has("minReplicas"));
  EXPECT_EQ(predictor.At({"model", "storageUri"}).AsString(), "file:///b");
}

TEST_F(CliTest, ApplyReadsFolders) {
  std::string pattern = (std::filesystem::temp_directory_path() / "kinglet-XXXXXX").string();
  std::string folder = mkdtemp(pattern.data());
  ASSERT_TRUE(WriteFileAtomic(folder + "/b.yaml",
                              "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"));
  ASSERT_TRUE(WriteFileAtomic(folder + "/a.json",
                              R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}})"));
  ASSERT_TRUE(WriteFileAtomic(folder + "/README.md", "not a manifest"));
  EXPECT_EQ(Run("apply", {"-f", folder}).out, "configmap/a created\nconfigmap/b created\n");
  EXPECT_EQ(Run("delete", {"-f", folder}).out,
            "configmap \"b\" deleted\nconfigmap \"a\" deleted\n");
  std::filesystem::remove_all(folder);
  EXPECT_EQ(Run("apply", {"-f", folder}).status, 1);
}

TEST_F(CliTest, ApplyGoesOnAfterAnError) {
  auto outcome = Run("apply", {"-f", "-"}, R"(
{apiVersion: v1, kind: Frob, metadata: {name: a}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
)");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "configmap/b created\n");
  EXPECT_NE(outcome.err.find("no matches for kind \"Frob\""), std::string::npos);
  EXPECT_EQ(Run("apply", {"-f", "-"}, "a: b: c").status, 1);
  EXPECT_EQ(Run("apply", {}).status, 2);
  EXPECT_EQ(Run("apply", {"--frob"}).status, 2);
}

TEST_F(CliTest, GetPrints) {
  Service("iris", "{url: http://iris, conditions: [{type: Ready, status: 'True'}]}");
  auto table = Run("get", {"isvc"});
  EXPECT_EQ(table.out.substr(0, table.out.find('\n')), "NAME   URL           READY   AGE");
  EXPECT_NE(table.out.find("iris   http://iris   True"), std::string::npos) << table.out;
  EXPECT_EQ(Run("get", {"isvc/iris", "-o", "name"}).out,
            "inferenceservice.serving.kserve.io/iris\n");
  EXPECT_EQ(kube::Name(*Json::Parse(Run("get", {"isvc", "iris", "-o", "json"}).out)), "iris");
  EXPECT_EQ((*ParseYaml(Run("get", {"isvc", "-o", "yaml"}).out))["items"].size(), 1u);
  auto missing = Run("get", {"isvc", "rose"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_EQ(missing.err, "error: inferenceservices.serving.kserve.io \"rose\" not found\n");
  EXPECT_EQ(Run("get", {"pods"}).err, "No resources found in default namespace.\n");
  EXPECT_EQ(Run("get", {"frobs"}).err,
            "error: the server doesn't have a resource type \"frobs\"\n");
}

TEST_F(CliTest, DeleteNamesWhatItDeletes) {
  Service("iris");
  EXPECT_EQ(Run("delete", {"isvc"}).status, 1);
  auto outcome = Run("delete", {"isvc", "iris"});
  EXPECT_EQ(outcome.out, "inferenceservice.serving.kserve.io \"iris\" deleted\n");
  EXPECT_EQ(Run("delete", {"isvc", "iris"}).status, 1);
  EXPECT_EQ(Run("delete", {"isvc", "iris", "--ignore-not-found"}).status, 0);
}

TEST_F(CliTest, LogsFindTheContainer) {
  Service("iris");
  EXPECT_NE(Run("logs", {"iris"}).err.find("no pods yet"), std::string::npos);
  Pod("iris", "{containers: [{name: agent}, {name: kserve-container}]}", "{}");
  server_.SetLogs({"default", "iris-predictor-x"}, "kserve-container", "loaded\nready");
  server_.SetLogs({"default", "iris-predictor-x"}, "storage-initializer", "downloaded\n");
  EXPECT_EQ(Run("logs", {"iris"}).out, "loaded\nready\n");
  EXPECT_EQ(Run("logs", {"-f", "iris", "-c", "storage-initializer"}).out, "downloaded\n");
  EXPECT_EQ(Run("logs", {"iris-predictor-x"}).out, "loaded\nready\n");
  EXPECT_EQ(Run("logs", {"rose"}).status, 1);
}

TEST_F(CliTest, PredictSpeaksBothProtocols) {
  net::LoopGroup loops(1);
  std::string host;
  auto server = http::Server::Listen(
      loops, {.host = "127.0.0.1"}, [&](http::Exchange& exchange) -> net::Task<void> {
        auto body = co_await exchange.ReadBody();
        host = exchange.Header("Host");
        if (exchange.path() == "/v1/models/iris:predict") {
          exchange.Send(200, "application/json",
                        body->find("bad") == std::string_view::npos
                            ? R"({"predictions":[1,[2,0.5]]})"
                            : R"({"predictions":"x"})");
        } else if (exchange.path() == "/v2/models/iris/infer") {
          exchange.Send(
              200, "application/json",
              R"({"outputs":[{"name":"o","datatype":"INT64","shape":[1,2],"data":[1,2]}]})");
        } else {
          exchange.Send(404, "application/json",
                        R"({"error":"Model with name other does not exist."})");
        }
      });
  ASSERT_TRUE(server);
  loops.Start();
  (*server)->Start();
  std::string url = fmt::format("http://127.0.0.1:{}", (*server)->port());
  Service("iris", "{url: '" + url + "', conditions: [{type: Ready, status: 'True'}]}");
  auto v1 = Run("predict", {"iris", "-d", "[[1, 2]]"});
  EXPECT_EQ(v1.out, "1\n[2,0.5]\n") << v1.err;
  EXPECT_EQ(Run("predict", {"iris", "-d", "-"}, R"({"instances": [[1]]})").out, "1\n[2,0.5]\n");
  EXPECT_EQ(Run("predict", {"iris", "-d", R"({"inputs": []})"}).out, "o INT64 [1x2] [1,2]\n");
  EXPECT_EQ(Run("predict", {"iris", "-d", "[[1]]", "--raw"}).out, R"({"predictions":[1,[2,0.5]]})"
                                                                  "\n");
  auto other = Run("predict", {"iris", "-d", "[[1]]", "--model", "other"});
  EXPECT_EQ(other.status, 1);
  EXPECT_EQ(
      other.err,
      "error: the model server answered 404 Not Found: Model with name other does not exist.\n");
  auto through = Run("predict", {"iris", "-d", "[[1]]", "--url", "http://iris.example.com",
                                 "--address", url.substr(7)});
  EXPECT_EQ(through.status, 0) << through.err;
  EXPECT_EQ(host, "iris.example.com");
  EXPECT_EQ(Run("predict", {"iris", "-d", "{}"}).status, 1);
  EXPECT_EQ(Run("predict", {"iris", "-d", "nonsense"}).status, 1);
  Service("rose");
  EXPECT_NE(Run("predict", {"rose", "-d", "[[1]]"}).err.find("kinglet doctor rose"),
            std::string::npos);
  server->reset();
}

TEST_F(CliTest, DoctorExplains) {
  Service("iris", R"(
url: http://iris
conditions: [{type: Ready, status: 'False'}, {type: PredictorReady, status: 'False', reason: X}]
)");
  Pod("iris", "{containers: [{name: kserve-container}]}", R"(
initContainerStatuses:
- name: storage-initializer
  restartCount: 2
  state: {waiting: {reason: CrashLoopBackOff}}
  lastState: {terminated: {exitCode: 1, reason: Error, message: "403 AccessDenied"}}
)");
  auto outcome = Run("doctor", {"iris"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("The download of the model failed"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("refused the credentials"), std::string::npos);
  auto status = Run("status", {});
  EXPECT_NE(status.out.find("The download of the model failed"), std::string::npos) << status.out;
  Json json = *Json::Parse(Run("doctor", {"iris", "-o", "json"}).out);
  EXPECT_EQ(json[0]["findings"][0]["level"].AsString(), "problem");
  server_.Serve({kube::kPod});
  EXPECT_NE(Run("doctor", {}).out.find("no InferenceService kind"), std::string::npos);
}

TEST_F(CliTest, CachedModelsAreExplained) {
  auto create = [&](const kube::ResourceType& type, std::string_view yaml) {
    Json object = *ParseYaml(yaml);
    object.Set("apiVersion", type.ApiVersion());
    object.Set("kind", type.kind);
    auto made = server_.Create(type, object);
    ASSERT_TRUE(made);
    made->Set("status", object["status"]);
    ASSERT_TRUE(server_.UpdateStatus(type, *made));
  };
  Service("iris", "conditions: [{type: Ready, status: 'False'}]");
  Json label = *ParseYaml("{metadata: {labels: {internal.serving.kserve.io/localmodel: bert}}}");
  ASSERT_TRUE(
      server_.Patch(kube::kInferenceService, {"default", "iris"}, kube::PatchType::kMerge, label));
  create(kube::kNode, "{metadata: {name: n1, labels: {disk: ssd}}}");
  create(kube::kLocalModelNodeGroup, R"(
metadata: {name: gpu}
spec: {persistentVolumeSpec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [
  {key: gpu, operator: In, values: [a100, h100]}]}]}}}}
)");
  create(kube::kLocalModelCache, "{metadata: {name: lost}, spec: {nodeGroups: [gpu, gone]}}");
  create(kube::kLocalModelCache, R"(
metadata: {name: bert}
spec: {nodeGroups: []}
status: {nodeStatus: {n1: NodeDownloadError}, copies: {total: 1, available: 0, failed: 1}}
)");
  create(kube::kLocalModelNode,
         "{metadata: {name: n1}, status: {modelReasons: {bert: no room on the disk}}}");
  auto outcome = Run("doctor", {});
  EXPECT_EQ(outcome.status, 1);
  for (const char* part :
       {"The download of bert to node n1 failed: no room on the disk",
        "There is no node in LocalModelNodeGroup gpu: it asks for gpu In (a100, h100).",
        "next: kubectl label node n1 gpu=a100", "LocalModelNodeGroup gone does not exist"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  }
  // A service says what keeps its model.
  EXPECT_NE(Run("doctor", {"iris"}).out.find("no room on the disk"), std::string::npos);
  auto status = Run("status", {});
  EXPECT_NE(status.out.find("0/1 downloaded"), std::string::npos) << status.out;
}

TEST(Diagnosis, KnowsTheUsualCauses) {
  auto diagnose = [](std::string_view service, std::string_view pod = "",
                     std::string_view event = "") {
    Evidence evidence{*ParseYaml(service), {}, {}};
    if (!pod.empty()) evidence.pods.push_back(*ParseYaml(pod));
    if (!event.empty()) evidence.events.push_back(*ParseYaml(event));
    Finding first = Diagnose(evidence)[0];
    return first.what + " | " + first.next;
  };
  constexpr std::string_view kFalse =
      "{metadata: {name: s}, status: {conditions: [{type: Ready, status: 'False'}]}}";
  auto expect = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(diagnose("{metadata: {name: s}}"), "No controller");
  expect(diagnose("{metadata: {name: s, deletionTimestamp: x, finalizers: [f]}}"), "being deleted");
  expect(
      diagnose(
          "{metadata: {name: s}, status: {url: u, conditions: [{type: Ready, status: 'True'}]}}"),
      "is ready at u");
  expect(diagnose("{metadata: {name: s}, status: {conditions: [{type: Ready, status: 'False'}], "
                  "modelStatus: {transitionStatus: InvalidSpec, lastFailureInfo: {reason: "
                  "NoSupportingRuntime, message: No runtime found}}}}"),
         "No runtime found | Look at the model formats");
  expect(diagnose(kFalse,
                  "{status: {conditions: [{type: PodScheduled, status: 'False', message: no "
                  "GPU}]}}"),
         "No node takes");
  expect(diagnose(kFalse,
                  "{status: {containerStatuses: [{name: kserve-container, state: {waiting: "
                  "{reason: ImagePullBackOff, message: m}}}]}}"),
         "cannot be pulled");
  expect(diagnose(kFalse,
                  "{status: {containerStatuses: [{name: kserve-container, state: {waiting: "
                  "{reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, "
                  "reason: OOMKilled}}}]}}"),
         "raise spec.predictor.model.resources.limits.memory");
  expect(diagnose(kFalse,
                  "{status: {containerStatuses: [{name: kserve-container, ready: false, "
                  "state: {running: {startedAt: x}}}]}}"),
         "is loading");
  expect(diagnose(kFalse, "",
                  "{type: Warning, reason: FailedCreate, message: quota, involvedObject: "
                  "{kind: ReplicaSet, name: s-predictor}}"),
         "quota");
  expect(
      diagnose(
          "{metadata: {name: s}, status: {conditions: [{type: Ready, status: Unknown}, {type: "
          "IngressReady, status: 'False', reason: R, message: Predictor ingress not created}]}}"),
      "IngressReady is False (R): Predictor ingress not created");
  expect(diagnose(kFalse), "nothing says why");
}

TEST(ThreeWay, IsAStrategicPatch) {
  Json last = *ParseYaml(
      "{spec: {replicas: 1, template: {spec: {containers: [{name: a, image: x}, {name: b}]}}}}");
  Json wanted =
      *ParseYaml("{spec: {template: {spec: {containers: [{name: a, image: y}, {name: c}]}}}}");
  Json live = *ParseYaml(
      "{spec: {replicas: 1, paused: true, template: {spec: {containers: [{name: a, image: x, "
      "imagePullPolicy: Always}, {name: b}, {name: injected}]}}}}");
  Json patch = ThreeWayPatch(last, wanted, live, true);
  Json got = *kube::ApplyStrategicMergePatch(live, patch);
  Json want = *ParseYaml(
      "{spec: {paused: true, template: {spec: {containers: [{name: a, image: y, imagePullPolicy: "
      "Always}, {name: c}, {name: injected}]}}}}");
  EXPECT_EQ(got, want) << got.Dump();
  EXPECT_TRUE(ThreeWayPatch(wanted, wanted, got, true).empty());
}

TEST_F(CliTest, CompletionNamesTheCommands) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto outcome = Run("completion", {shell});
    EXPECT_EQ(outcome.status, 0);
    for (const Command& command : Commands()) {
      EXPECT_NE(outcome.out.find(command.name), std::string::npos) << shell;
    }
  }
  EXPECT_EQ(Run("completion", {}).status, 2);
}

}  // namespace
}  // namespace kinglet::cli
