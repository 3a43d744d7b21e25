// Names and addresses of the cluster inside pods, in both ways of isolation.
#include <gtest/gtest.h>

#include "kube/conditions.h"
#include "local/kubelet/dns_message.h"
#include "local/kubelet/name_server.h"
#include "local/kubelet/services.h"
#include "local/kubelet/test_cluster.h"

namespace kinglet::kubelet {
namespace {

// "who" answers with its own name at any path, at all addresses and port 8080, as in a cluster.
constexpr std::string_view kServer =
    R"json({"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "test/sh",
  "ports": [{"containerPort": 8080}],
  "command": ["/usr/bin/perl", "-e", "use IO::Socket::INET; $SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die $!; while (1) { my $c = $s->accept or next; print $c \"I am $ENV{HOSTNAME}\\n\"; close $c }"],
  "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]})json";

// Prints what each of its targets says, or the error.
std::string Client(std::string_view targets) {
  return fmt::format(R"json({{"restartPolicy": "Never", "containers": [
    {{"name": "main", "image": "test/sh", "command": ["/usr/bin/perl", "-e",
      "use IO::Socket::INET; for my $to (@ARGV) {{ my $c = IO::Socket::INET->new(PeerAddr => $to, Timeout => 10); if (!$c) {{ print \"$to: \" . ($!{{ECONNREFUSED}} ? 'refused' : 'failed') . \"\\n\"; next }} print \"$to: \", <$c> || \"nothing\\n\" }}",
      {}]}}]}})json",
                     targets);
}

class NetworkTest : public testing::TestWithParam<IsolationChoice> {
 protected:
  void SetUp() override {
    if (!ProbeCapabilities(KINGLET_BIN_DIR, GetParam()).pod_network) {
      GTEST_SKIP() << "the kernel allows no interception of connections";
    }
    cluster_ = std::make_unique<TestCluster>(GetParam());
    if (Status started = Try(); !started) GTEST_SKIP() << started.error().message();
  }

  Status Try() {
    cluster_->kubelet = Kubelet::Make(cluster_->client, cluster_->options);
    return cluster_->kubelet->Start();
  }

  // A service over a server of that name; "" or "None" for its address.
  std::string Serve(const std::string& name, const std::string& cluster_ip, bool ready = true) {
    std::string ip;
    Json subsets = Json::MakeArray();
    if (ready) {
      cluster_->Run(name, kServer);
      Json pod =
          cluster_->Await(name, [](const Json& p) { return kube::IsConditionTrue(p, "Ready"); });
      ip = pod["status"]["podIP"].AsString();
      subsets.Push(Json::MakeObject(
          {{"addresses", Json::MakeArray({Json::MakeObject({{"ip", ip}})})},
           {"ports",
            Json::MakeArray({Json::MakeObject({{"name", "http"}, {"port", int64_t{8080}}})})}}));
    }
    Json service = kube::MakeObjectMeta("v1", "Service", {"default", name});
    service.Set("spec", Json::MakeObject({{"clusterIP", cluster_ip},
                                          {"ports", Json::MakeArray({Json::MakeObject(
                                                        {{"name", "http"}, {"port", 80}})})}}));
    Json endpoints = kube::MakeObjectMeta("v1", "Endpoints", {"default", name});
    endpoints.Set("subsets", subsets);
    EXPECT_TRUE(cluster_->client.Create(kube::kEndpoints, endpoints).has_value());
    EXPECT_TRUE(cluster_->client.Create(kube::kService, service).has_value());
    return ip;
  }

  std::unique_ptr<TestCluster> cluster_;
};

TEST_P(NetworkTest, ServicesHaveTheNamesAndPortsOfACluster) {
  Serve("alpha", "10.213.0.7");
  std::string beta_ip = Serve("beta", "None");
  Serve("empty", "10.213.0.9", false);
  cluster_->Run("client", Client(R"("alpha:80", "alpha.default:80", "alpha.default.svc:80",
    "alpha.default.svc.cluster.local:80", "10.213.0.7:80", "beta:8080", "empty:80", "alpha:81",
    "nobody.default.svc.cluster.local:80")"));
  cluster_->Await("client", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_EQ(cluster_->Logs("client"),
            "alpha:80: I am alpha\nalpha.default:80: I am alpha\nalpha.default.svc:80: I am alpha\n"
            "alpha.default.svc.cluster.local:80: I am alpha\n10.213.0.7:80: I am alpha\n"
            "beta:8080: I am beta\nempty:80: refused\nalpha:81: refused\n"
            "nobody.default.svc.cluster.local:80: failed\n");
  // A pod's own address and its localhost are its own.
  cluster_->Run("direct", Client(fmt::format(R"("{}:8080", "127.0.0.1:8080")", beta_ip)));
  cluster_->Await("direct", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_EQ(cluster_->Logs("direct"),
            fmt::format("{}:8080: I am beta\n127.0.0.1:8080: refused\n", beta_ip));
}

TEST_P(NetworkTest, ContainersOfAPodShareLocalhost) {
  auto spec = Json::Parse(kServer);
  auto client = Json::Parse(Client(R"("127.0.0.1:8080", "localhost:8080")"));
  Json container = (*client)["containers"][0];
  container.Set("name", "client");
  Json server = (*spec)["containers"][0];
  // The client waits for its neighbour, not the other way round.
  Json command = container["command"];
  std::string script = "sleep 0.1 while !IO::Socket::INET->new(PeerAddr => '127.0.0.1:8080');";
  script = "use IO::Socket::INET; use Time::HiRes 'sleep'; " + script + command[2].AsString();
  Json words = Json::MakeArray({command[0], command[1], script, command[3], command[4]});
  container.Set("command", words);
  spec->Set("containers", Json::MakeArray({server, container}));
  spec->Set("restartPolicy", "Never");
  cluster_->Run("pair", spec->Dump());
  cluster_->Await("pair", [](const Json& p) {
    for (const Json& status : p["status"]["containerStatuses"].AsArray()) {
      if (status["name"].AsString() == "client") return status["state"]["terminated"].IsObject();
    }
    return false;
  });
  EXPECT_EQ(cluster_->Logs("pair", {}, "client"),
            "127.0.0.1:8080: I am pair\nlocalhost:8080: I am pair\n");
}

INSTANTIATE_TEST_SUITE_P(Isolation, NetworkTest,
                         testing::Values(IsolationChoice::kHost, IsolationChoice::kNamespaces),
                         [](const auto& info) {
                           return info.param == IsolationChoice::kHost ? "Host" : "Namespaces";
                         });

std::string Query(std::string_view name, uint16_t type) {
  std::string out("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  while (!name.empty()) {
    size_t dot = std::min(name.find('.'), name.size());
    out += static_cast<char>(dot);
    out += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  out += '\0';
  out += static_cast<char>(type >> 8);
  out += static_cast<char>(type);
  out += std::string_view("\0\1", 2);
  return out;
}

TEST(DnsMessageTest, AnswersWithTheAddressesOfTheQuestion) {
  std::string query = Query("svc.default", dns::kTypeA);
  auto question = dns::ParseQuery(query);
  ASSERT_TRUE(question.has_value());
  EXPECT_EQ(question->name, "svc.default");
  EXPECT_EQ(question->id, 0x1234);
  EXPECT_EQ(question->end, query.size());
  std::string answer = dns::MakeAnswer(query, *question, dns::kNoError, {"10.1.2.3", "no address"});
  EXPECT_EQ(answer.substr(0, 12),
            std::string_view("\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00", 12));
  EXPECT_EQ(answer.substr(12, query.size() - 12), query.substr(12));
  EXPECT_TRUE(answer.ends_with(std::string_view("\x00\x04\x0a\x01\x02\x03", 6)));
  EXPECT_FALSE(dns::ParseQuery(answer).has_value());  // an answer is no question
}

TEST(DnsMessageTest, RefusesWhatIsNoPlainQuestion) {
  std::string query = Query("svc.default", dns::kTypeA);
  for (size_t length = 0; length < query.size(); ++length) {
    EXPECT_FALSE(dns::ParseQuery(query.substr(0, length)).has_value()) << length;
  }
  std::string compressed = query;
  compressed[12] = '\xC0';
  EXPECT_FALSE(dns::ParseQuery(compressed).has_value());
  std::string two = query;
  two[5] = 2;
  EXPECT_FALSE(dns::ParseQuery(two).has_value());
  EXPECT_FALSE(dns::ParseQuery(Query(std::string(60, 'a') + "." + std::string(60, 'b') + "." +
                                         std::string(60, 'c') + "." + std::string(60, 'd') + "." +
                                         std::string(60, 'e'),
                                     dns::kTypeA))
                   .has_value());
}

TEST(ResolvConfTest, KeepsTheHostsDomainsAfterTheClusters) {
  auto host =
      ParseResolvConf("# c\nnameserver 10.0.0.1\n search a.example b.example\r\nnameserver ::1");
  EXPECT_EQ(host.servers, (std::vector<std::string>{"10.0.0.1", "::1"}));
  EXPECT_EQ(MakeResolvConf("127.64.0.1", "team", host),
            "nameserver 127.64.0.1\nsearch team.svc.cluster.local svc.cluster.local cluster.local "
            "a.example b.example\noptions ndots:5\n");
}

}  // namespace
}  // namespace kinglet::kubelet
