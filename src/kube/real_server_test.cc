// Against a real kube-apiserver and etcd, where KINGLET_KUBE_BIN names the folder with their
// programs. Skipped otherwise.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "kube/apply.h"
#include "kube/client.h"
#include "kube/discovery.h"
#include "kube/informer.h"
#include "kube/leader.h"
#include "kube/wait.h"

extern char** environ;

namespace kinglet::kube {
namespace {

class Program {
 public:
  explicit Program(std::vector<std::string> words, const std::string& log) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    KINGLET_CHECK(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Program() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
};

int FreePort() {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  KINGLET_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  KINGLET_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

class RealServer : public testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("KINGLET_KUBE_BIN");
    if (!bin || !*bin) GTEST_SKIP() << "KINGLET_KUBE_BIN is not set";
    std::string pattern = (std::filesystem::temp_directory_path() / "kinglet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    std::string folder = folder_, programs = bin;
    ASSERT_EQ(std::system(("openssl ecparam -name prime256v1 -genkey -noout -out " + folder +
                           "/sa.key 2>/dev/null && openssl ec -in " + folder +
                           "/sa.key -pubout -out " + folder + "/sa.pub 2>/dev/null")
                              .c_str()),
              0);
    ASSERT_TRUE(WriteFileAtomic(folder + "/tokens.csv", "secret,admin,1,system:masters\n"));
    int etcd_port = FreePort(), peer_port = FreePort(), port = FreePort();
    std::string etcd = fmt::format("http://127.0.0.1:{}", etcd_port);
    std::string peer = fmt::format("http://127.0.0.1:{}", peer_port);
    etcd_ = std::make_unique<Program>(
        std::vector<std::string>{programs + "/etcd", "--data-dir=" + folder + "/etcd",
                                 "--listen-client-urls=" + etcd, "--advertise-client-urls=" + etcd,
                                 "--listen-peer-urls=" + peer,
                                 "--initial-advertise-peer-urls=" + peer,
                                 "--initial-cluster=default=" + peer, "--unsafe-no-fsync"},
        folder + "/etcd.log");
    api_ = std::make_unique<Program>(
        std::vector<std::string>{
            programs + "/kube-apiserver", "--etcd-servers=" + etcd, "--bind-address=127.0.0.1",
            fmt::format("--secure-port={}", port), "--cert-dir=" + folder,
            "--token-auth-file=" + folder + "/tokens.csv", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=" + folder + "/sa.pub",
            "--service-account-signing-key-file=" + folder + "/sa.key",
            "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"},
        folder + "/apiserver.log");
    ClientConfig config;
    config.server = fmt::format("https://127.0.0.1:{}", port);
    config.http.insecure_skip_verify = true;
    config.bearer_token = "secret";
    client_ = *MakeClient(config);
    Deadline deadline = Deadline::After(120s);
    while (!client_->Raw({.path = "/readyz"}) || !client_->Get(kNamespace, {"", "default"})) {
      ASSERT_FALSE(deadline.Expired()) << "see " << folder << "/apiserver.log";
      SleepFor(100ms, {});
    }
  }
  void TearDown() override {
    client_.reset();
    api_.reset();
    etcd_.reset();
    if (!folder_.empty() && !HasFailure()) std::filesystem::remove_all(folder_);
  }

  std::string folder_;
  std::unique_ptr<Program> etcd_, api_;
  std::unique_ptr<Client> client_;
};

Json MakeConfigMap(std::string name) {
  Json object = MakeObjectMeta("v1", "ConfigMap", {"default", std::move(name)});
  object.Path({"data"}).Set("k", "1");
  return object;
}

bool Eventually(const std::function<bool()>& condition) {
  Deadline deadline = Deadline::After(30s);
  while (!deadline.Expired()) {
    if (condition()) return true;
    SleepFor(5ms, {});
  }
  return false;
}

// One server for all: it takes seconds to start.
TEST_F(RealServer, IsUnderstood) {
  Client& client = *client_;
  // Errors and concurrency.
  EXPECT_EQ(client.Get(kConfigMap, {"default", "none"}).error().code(), Code::kNotFound);
  Json made = *client.Create(kConfigMap, MakeConfigMap("a"));
  EXPECT_EQ(client.Create(kConfigMap, MakeConfigMap("a")).error().code(), Code::kAlreadyExists);
  Json changed = made;
  changed.Path({"data"}).Set("k", "2");
  ASSERT_TRUE(client.Update(kConfigMap, changed));
  EXPECT_EQ(client.Update(kConfigMap, changed).error().code(), Code::kAborted);
  Json invalid = MakeConfigMap("Not_A_Name");
  EXPECT_EQ(client.Create(kConfigMap, invalid).error().code(), Code::kFailedPrecondition);

  // Patches.
  ObjectKey key{"default", "a"};
  auto merge = client.Patch(kConfigMap, key, PatchType::kMerge,
                            *Json::Parse(R"({"data":{"k":null,"m":"1"}})"));
  ASSERT_TRUE(merge) << merge.error().message();
  EXPECT_FALSE((*merge)["data"].Has("k"));
  EXPECT_TRUE(client.Patch(kConfigMap, key, PatchType::kJson,
                           *Json::Parse(R"([{"op":"add","path":"/data/j","value":"1"}])")));
  EXPECT_TRUE(client.Patch(kConfigMap, key, PatchType::kStrategic,
                           *Json::Parse(R"({"data":{"s":"1"}})"), {.dry_run = true}));
  EXPECT_FALSE((*client.Get(kConfigMap, key))["data"].Has("s"));
  Json mine = MakeConfigMap("applied");
  ASSERT_TRUE(client.Apply(kConfigMap, mine, "me"));
  mine.Path({"data"}).Set("k", "2");
  EXPECT_EQ(client.Apply(kConfigMap, mine, "other", false).error().code(), Code::kAborted);

  // A Deployment gets defaults; applying it again changes nothing.
  Json deployment = *Json::Parse(R"({"apiVersion":"apps/v1","kind":"Deployment",
      "metadata":{"name":"d","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
      "spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1000m"}}}]}}}})");
  EXPECT_EQ(CreateOrUpdate(client, kDeployment, deployment)->what, Applied::kCreated);
  EXPECT_EQ(CreateOrUpdate(client, kDeployment, deployment)->what, Applied::kUnchanged);

  // Paging and watching.
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("page" + std::to_string(i))));
  }
  EXPECT_GE(client.ListAll(kConfigMap, "default", {.limit = 3})->size(), 9u);
  std::stop_source stop;
  Informer informer(client, kConfigMap, {.ns = "default"});
  Informer partial(client, kDeployment, {.metadata_only = true});
  std::atomic<int> added{0}, deleted{0};
  informer.AddHandler({.on_add = [&](const ObjectPtr&, bool initial) { added += !initial; },
                       .on_delete = [&](const ObjectPtr&) { ++deleted; }});
  informer.Start(stop.get_token());
  partial.Start(stop.get_token());
  ASSERT_TRUE(informer.WaitForSync(Deadline::After(30s)));
  ASSERT_TRUE(partial.WaitForSync(Deadline::After(30s)));
  ASSERT_NE(partial.Get({"default", "d"}), nullptr);
  EXPECT_TRUE((*partial.Get({"default", "d"}))["spec"].IsNull());
  ASSERT_TRUE(client.Create(kConfigMap, MakeConfigMap("watched")));
  EXPECT_TRUE(Eventually([&] { return added == 1; }));
  ASSERT_TRUE(
      client.DeleteCollection(kConfigMap, "default", {.field_selector = "metadata.name=watched"}));
  EXPECT_TRUE(Eventually([&] { return deleted == 1; }));
  // The first version lies before what the server's watch cache holds.
  Status old = client.Watch(kConfigMap, "default", {.resource_version = "1"},
                            [](WatchEvent) -> Status { return {}; }, {});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code(), Code::kOutOfRange);

  // Discovery and leader election.
  Discovery discovery(client);
  EXPECT_TRUE(*discovery.Supports(kDeployment));
  EXPECT_FALSE(*discovery.Supports(kInferenceService));
  EXPECT_EQ(*discovery.ForName("deploy"), kDeployment);
  std::atomic<bool> led{false};
  std::stop_source end;
  EXPECT_TRUE(RunAsLeader(
      client, {.lease = {"default", "lock"}},
      [&](std::stop_token token) {
        led = true;
        end.request_stop();
        SleepFor(30s, token);
      },
      end.get_token()));
  EXPECT_TRUE(led);
  stop.request_stop();
}

}  // namespace
}  // namespace kinglet::kube
