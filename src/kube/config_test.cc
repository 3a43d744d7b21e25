#include "kube/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "base/yaml.h"
#include "kube/credentials.h"

namespace kinglet::kube {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kinglet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }
  std::string Write(std::string_view name, std::string_view text, int mode = 0600) {
    std::string path = folder_ + "/" + std::string(name);
    EXPECT_TRUE(WriteFileAtomic(path, text, mode));
    return path;
  }
  std::string folder_;
};

constexpr std::string_view kFirst = R"(
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c1, cluster: {server: "https://one:6443/prefix", certificate-authority-data: Q0E=, tls-server-name: kube, proxy-url: "http://p:3128"}}
contexts:
- {name: one, context: {cluster: c1, user: u1, namespace: team}}
users:
- {name: u1, user: {client-certificate: certs/a.crt, client-key-data: S0VZ, token: t, tokenFile: tok}}
)";

TEST_F(ConfigTest, ReadsAContext) {
  std::string path = Write("config", kFirst);
  auto config = LoadConfig({.kubeconfig = path});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->server, "https://one:6443/prefix");
  EXPECT_EQ(config->http.ca_pem, "CA");
  EXPECT_EQ(config->http.tls_server_name, "kube");
  EXPECT_EQ(config->http.proxy_url, "http://p:3128");
  EXPECT_EQ(config->http.cert_file, folder_ + "/certs/a.crt");
  EXPECT_EQ(config->http.key_pem, "KEY");
  EXPECT_EQ(config->bearer_token, "t");
  EXPECT_EQ(config->token_file, folder_ + "/tok");
  EXPECT_EQ(config->default_namespace, "team");
  auto other = LoadConfig({.kubeconfig = path, .ns = "x", .server = "https://elsewhere"});
  EXPECT_EQ(other->default_namespace, "x");
  EXPECT_EQ(other->server, "https://elsewhere");
}

TEST_F(ConfigTest, MergesFilesFirstWins) {
  std::string first = Write("a", kFirst);
  std::string second = Write("b", R"(
current-context: two
clusters: [{name: c1, cluster: {server: "https://wrong"}}, {name: c2, cluster: {server: "https://two"}}]
contexts: [{name: two, context: {cluster: c2, user: u2}}]
users: [{name: u2, user: {username: me, password: secret}}]
)");
  auto merged = LoadKubeconfigFiles({first, folder_ + "/missing", second});
  ASSERT_TRUE(merged);
  EXPECT_EQ(ConfigFromKubeconfig(*merged)->server, "https://one:6443/prefix");
  auto two = ConfigFromKubeconfig(*merged, "two");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->server, "https://two");
  EXPECT_EQ(MakeCredentials(*two)->Get(false, {})->authorization, "Basic bWU6c2VjcmV0");
}

TEST_F(ConfigTest, NamesWhatIsMissing) {
  EXPECT_EQ(LoadConfig({.kubeconfig = folder_ + "/none"}).error().code(), Code::kNotFound);
  std::string path = Write("config", kFirst);
  auto config = LoadConfig({.kubeconfig = path, .context = "nine"});
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message().find("\"nine\""), std::string::npos);
  EXPECT_FALSE(ConfigFromKubeconfig(Json::MakeObject()));
  EXPECT_FALSE(LoadConfig({.kubeconfig = Write("list", "[1]")}));
}

TEST_F(ConfigTest, ReadsTokenFilesAgain) {
  ClientConfig config;
  config.token_file = Write("token", "first\n");
  auto credentials = MakeCredentials(config);
  EXPECT_EQ(credentials->Get(false, {})->authorization, "Bearer first");
  Write("token", "second");
  EXPECT_EQ(credentials->Get(false, {})->authorization, "Bearer first");  // kept a minute
  EXPECT_EQ(credentials->Get(true, {})->authorization, "Bearer second");  // but for a 401
  std::filesystem::remove(config.token_file);
  EXPECT_EQ(credentials->Get(true, {})->authorization, "Bearer second");
}

TEST_F(ConfigTest, RunsExecPlugins) {
  Write("plugin", R"(#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > "$1"
echo run >> "$1.runs"
echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$TOKEN\"}}"
)",
        0700);
  std::string out = folder_ + "/info";
  auto config = ConfigFromKubeconfig(*ParseYaml(fmt::format(R"(
current-context: x
clusters: [{{name: c, cluster: {{server: "https://s"}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: {}/plugin
      args: [{}]
      env: [{{name: TOKEN, value: abc}}]
      provideClusterInfo: true
)",
                                                            folder_, out)));
  ASSERT_TRUE(config) << config.error().message();
  auto credentials = MakeCredentials(*config);
  auto credential = credentials->Get(false, {});
  ASSERT_TRUE(credential) << credential.error().message();
  EXPECT_EQ(credential->authorization, "Bearer abc");
  ASSERT_TRUE(credentials->Get(false, {}));
  EXPECT_EQ(*ReadFile(out + ".runs"), "run\n");
  Json info = *Json::Parse(*ReadFile(out));
  EXPECT_EQ(info.At({"spec", "cluster", "server"}).AsString(), "https://s");

  config->exec->command = folder_ + "/absent";
  config->exec->install_hint = "install it";
  auto missing = MakeCredentials(*config)->Get(false, {});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("install it"), std::string::npos);
  config->exec->command = "false";
  EXPECT_FALSE(MakeCredentials(*config)->Get(false, {}));
}

TEST_F(ConfigTest, NobodyElseMayChooseTheProgramThatIsRun) {
  constexpr std::string_view kText =
      R"({"current-context": "c", "contexts": [{"name": "c", "context":
    {"cluster": "k", "user": "u"}}], "clusters": [{"name": "k", "cluster": {"server": "http://a"}}],
    "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
    "command": "/bin/true"}}}]})";
  EXPECT_TRUE(LoadKubeconfigFiles({Write("own", kText)}));
  const std::string open = Write("open", kText);
  std::filesystem::permissions(open, std::filesystem::perms(0666));
  auto refused = LoadKubeconfigFiles({open});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
}

}  // namespace
}  // namespace kinglet::kube
