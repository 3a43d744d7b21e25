// The kubelet end to end: real processes, a fake API. Each test runs with pods on the host and,
// where the kernel allows it, with namespaces.
#include "local/kubelet/kubelet.h"

#include <sys/socket.h>

#include <csignal>
#include <set>

#include "base/guarded.h"
#include "kube/conditions.h"
#include "local/kubelet/dial.h"
#include "local/kubelet/test_cluster.h"

namespace kinglet::kubelet {
namespace {

class KubeletTest : public testing::TestWithParam<IsolationChoice> {
 protected:
  void SetUp() override {
    if (GetParam() == IsolationChoice::kNamespaces) {
      Capabilities found = ProbeCapabilities(KINGLET_BIN_DIR, IsolationChoice::kAutomatic);
      if (found.isolation != Isolation::kNamespaces) GTEST_SKIP() << found.notes.front().what;
    }
    cluster_.emplace(GetParam());
  }
  bool Sandboxed() const { return GetParam() == IsolationChoice::kNamespaces; }
  std::optional<TestCluster> cluster_;
};

const Json& MainStatus(const Json& pod) { return pod["status"]["containerStatuses"][0]; }

TEST_P(KubeletTest, RunsAPodToItsEnd) {
  cluster_->Start();
  cluster_->Run("once", R"({"restartPolicy": "Never", "containers": [
    {"name": "main", "image": "docker.io/test/sh:v1", "args": ["echo out; echo err >&2; exit 0"]}]})");
  Json pod = cluster_->Await("once", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_EQ(pod["spec"]["nodeName"].AsString(), "kinglet");
  EXPECT_EQ(MainStatus(pod)["state"]["terminated"]["reason"].AsString(), "Completed");
  EXPECT_TRUE(kube::IsConditionTrue(pod, "PodScheduled"));
  EXPECT_TRUE(pod["status"]["podIP"].AsString().starts_with("127."));
  std::string logs = cluster_->Logs("once");
  EXPECT_NE(logs.find("out\n"), logs.npos);
  EXPECT_NE(logs.find("err\n"), logs.npos);
  LogOptions tail;
  tail.tail_lines = 1;
  EXPECT_EQ(cluster_->Logs("once", tail).size(), 4u);
}

TEST_P(KubeletTest, PassesFilesFromInitContainerToContainer) {
  cluster_->Start();
  cluster_->Run("model", R"({"restartPolicy": "Never",
    "volumes": [{"name": "models", "emptyDir": {}}],
    "initContainers": [{"name": "storage-initializer", "image": "test/host", "args": ["echo iris > /mnt/models/name"],
      "volumeMounts": [{"name": "models", "mountPath": "/mnt/models"}]}],
    "containers": [{"name": "main", "image": "test/sh", "args": ["cat /mnt/models/name"],
      "volumeMounts": [{"name": "models", "mountPath": "/mnt/models", "readOnly": true}]}]})");
  cluster_->Await("model", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_EQ(cluster_->Logs("model"), "iris\n");
}

TEST_P(KubeletTest, GivesEnvironmentAndMountedPathsAsArguments) {
  cluster_->Start();
  Json config = kube::MakeObjectMeta("v1", "ConfigMap", {"default", "settings"});
  config.Set("data", Json::MakeObject({{"colour", "blue"}}));
  ASSERT_TRUE(cluster_->client.Create(kube::kConfigMap, config).has_value());
  cluster_->Run("env", R"json({"restartPolicy": "Never",
    "volumes": [{"name": "conf", "configMap": {"name": "settings"}}],
    "containers": [{"name": "main", "image": "test/sh",
      "command": ["/bin/sh", "-c", "echo $COLOUR $WHO $1; cat $2", "x", "$(COLOUR)er", "/etc/conf/colour"],
      "env": [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
              {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
      "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf"}]}]})json");
  cluster_->Await("env", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_EQ(cluster_->Logs("env"), "blue env blueer\nblue\n");
}

TEST_P(KubeletTest, RefusesForeignImagesWithTheReason) {
  cluster_->Start();
  cluster_->Run("foreign", R"({"containers": [{"name": "main", "image": "nginx:1.25"}]})");
  Json pod = cluster_->Await("foreign", [](const Json& p) {
    return MainStatus(p)["state"]["waiting"]["reason"].AsString() == "ErrImageNeverPull";
  });
  EXPECT_NE(MainStatus(pod)["state"]["waiting"]["message"].AsString().find("nginx:1.25"),
            std::string::npos);
  EXPECT_TRUE(HasPhase(pod, "Pending"));
}

TEST_P(KubeletTest, RestartsAtOnceThenBacksOff) {
  cluster_->Start();
  cluster_->Run("crash", R"({"containers": [{"name": "main", "image": "test/sh",
    "terminationMessagePolicy": "FallbackToLogsOnError", "args": ["echo boom; exit 3"]}]})");
  Json pod = cluster_->Await("crash", [](const Json& p) {
    return MainStatus(p)["state"]["waiting"]["reason"].AsString() == "CrashLoopBackOff";
  });
  EXPECT_EQ(MainStatus(pod)["restartCount"].AsInt(), 1);
  EXPECT_EQ(MainStatus(pod)["lastState"]["terminated"]["exitCode"].AsInt(), 3);
  EXPECT_EQ(MainStatus(pod)["lastState"]["terminated"]["message"].AsString(), "boom\n");
  LogOptions previous;
  previous.previous = true;
  EXPECT_EQ(cluster_->Logs("crash", previous), "boom\n");
}

constexpr std::string_view kServer =
    R"json({"terminationGracePeriodSeconds": 5, "containers": [{"name": "kserve-container", "image": "test/sh",
  "command": ["/usr/bin/perl", "-e", "use IO::Socket::INET; $SIG{TERM} = sub { exit 0 }; my $h = $ENV{KINGLET_HOST} || '0.0.0.0'; my $s = IO::Socket::INET->new(LocalAddr => $h, LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die $!; while (1) { my $c = $s->accept or next; while (my $l = <$c>) { last if $l =~ /^\\s*$/ } print $c qq(HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello); close $c }"],
  "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10}}]})json";

// The bytes a server on the pod's port answers.
std::string Fetch(const std::string& ip) {
  auto socket_fd = MakeHostSocket();
  Deadline deadline = Deadline::After(std::chrono::seconds(10));
  Status connected = Connect(socket_fd->get(), ip, 8080, deadline, {});
  EXPECT_TRUE(connected.has_value()) << connected.error().message();
  Action action;
  action.port = 8080;
  auto status = HttpGetStatus(socket_fd->get(), ip, action, deadline, {});
  EXPECT_TRUE(status.has_value()) << status.error().message();
  return status ? std::to_string(*status) : "";
}

TEST_P(KubeletTest, ServesOnThePodAddressAndEndsInOrder) {
  Guarded<std::set<std::string>> stopped;  // the pods' threads write it
  cluster_->options.before_stop = [&](const std::string& ip, Deadline) {
    stopped.With([&](auto& ips) { ips.insert(ip); });
  };
  cluster_->Start();
  cluster_->Run("server", kServer);
  Json pod =
      cluster_->Await("server", [](const Json& p) { return kube::IsConditionTrue(p, "Ready"); });
  const std::string ip = pod["status"]["podIP"].AsString();
  EXPECT_EQ(Fetch(ip), "200");
  // Two pods may have the same port.
  cluster_->Run("other", kServer);
  Json other =
      cluster_->Await("other", [](const Json& p) { return kube::IsConditionTrue(p, "Ready"); });
  EXPECT_NE(other["status"]["podIP"].AsString(), ip);
  EXPECT_EQ(Fetch(other["status"]["podIP"].AsString()), "200");
  ASSERT_TRUE(cluster_->client.Delete(kube::kPod, {"default", "server"}).has_value());
  cluster_->AwaitGone("server");
  cluster_->kubelet->Stop(Deadline::After(std::chrono::seconds(10)));
  EXPECT_EQ(stopped.With([](auto& ips) { return ips; }),
            (std::set<std::string>{ip, other["status"]["podIP"].AsString()}));
}

TEST_P(KubeletTest, RunsPodsAgainAfterARestart) {
  cluster_->Start();
  cluster_->Run("server", kServer);
  Json before =
      cluster_->Await("server", [](const Json& p) { return kube::IsConditionTrue(p, "Ready"); });
  cluster_->kubelet->Stop(Deadline::After(std::chrono::seconds(10)));
  cluster_->kubelet.reset();
  cluster_->Start();
  Json after = cluster_->Await("server", [](const Json& p) {
    return kube::IsConditionTrue(p, "Ready") && MainStatus(p)["restartCount"].AsInt() == 1;
  });
  EXPECT_EQ(before["status"]["podIP"], after["status"]["podIP"]);
  EXPECT_EQ(Fetch(after["status"]["podIP"].AsString()), "200");
}

TEST_P(KubeletTest, WhatMustNotRunTwiceEndsWithTheKubelet) {
  cluster_->Start();
  cluster_->Run("once", R"({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
    "containers": [{"name": "main", "image": "test/sh", "args": ["sleep 1000"]}]})");
  cluster_->Await("once", [](const Json& p) { return kube::IsConditionTrue(p, "Ready"); });
  cluster_->kubelet->Stop(Deadline::After(std::chrono::seconds(10)));
  cluster_->kubelet.reset();
  cluster_->Start();
  Json pod = cluster_->Await("once", [](const Json& p) { return HasPhase(p, "Failed"); });
  // Whoever replaces it knows that it was not its own fault.
  EXPECT_TRUE(kube::IsConditionTrue(pod, "DisruptionTarget"));
}

TEST_P(KubeletTest, WaitsForItsClaimAndMountsPartsOfTheVolume) {
  cluster_->Start();
  auto make = [&](const kube::ResourceType& type, std::string ns, std::string_view name,
                  std::string_view spec) {
    Json object = kube::MakeObjectMeta("v1", type.kind, {std::move(ns), std::string(name)});
    object.Set("spec", *Json::Parse(spec));
    ASSERT_TRUE(cluster_->client.Create(type, object).has_value());
  };
  constexpr std::string_view kPod = R"({"restartPolicy": "Never",
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    "containers": [{"name": "main", "image": "test/sh", "args": ["%"],
      "volumeMounts": [{"name": "v", "mountPath": "/mnt/models", "subPath": "models/iris"#}]}]})";
  auto run = [&](std::string_view name, std::string_view command, std::string_view mount) {
    std::string spec(kPod);
    spec.replace(spec.find('%'), 1, command);
    spec.replace(spec.find('#'), 1, mount);
    cluster_->Run(name, spec);
  };
  run("writer", "echo weights > /mnt/models/model", "");
  cluster_->Await("writer",
                  [](const Json& p) { return kube::IsConditionFalse(p, "PodScheduled"); });
  // A path that is not absolute is one of the data folder's.
  make(kube::kPersistentVolume, "", "v",
       R"({"hostPath": {"path": "cache", "type": "DirectoryOrCreate"}})");
  make(kube::kPersistentVolumeClaim, "default", "c", R"({"volumeName": "v"})");
  Json claim = *cluster_->client.Get(kube::kPersistentVolumeClaim, {"default", "c"});
  claim.Set("status", Json::MakeObject({{"phase", "Bound"}}));
  ASSERT_TRUE(cluster_->client.UpdateStatus(kube::kPersistentVolumeClaim, claim).has_value());
  cluster_->Await("writer", [](const Json& p) { return HasPhase(p, "Succeeded"); });
  EXPECT_TRUE(std::filesystem::exists(cluster_->dir() / "cache/models/iris/model"));
  run("reader", "cat /mnt/models/model; touch /mnt/models/x", R"(, "readOnly": true)");
  Json pod = cluster_->Await(
      "reader", [](const Json& p) { return HasPhase(p, "Succeeded") || HasPhase(p, "Failed"); });
  EXPECT_TRUE(cluster_->Logs("reader").starts_with("weights\n"));
  if (Sandboxed()) EXPECT_TRUE(HasPhase(pod, "Failed"));  // on the host nothing is read-only
}

TEST_P(KubeletTest, KillsWhatALivenessProbeFinds) {
  cluster_->Start();
  cluster_->Run(
      "sick",
      R"({"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "test/sh",
    "args": ["sleep 1000"], "livenessProbe": {"exec": {"command": ["/bin/sh", "-c", "echo ill; exit 7"]},
    "failureThreshold": 1, "periodSeconds": 1}}]})");
  Json pod = cluster_->Await(
      "sick", [](const Json& p) { return MainStatus(p)["restartCount"].AsInt() >= 1; });
  EXPECT_GE(MainStatus(pod)["lastState"]["terminated"]["exitCode"].AsInt(), 128);
}

TEST_P(KubeletTest, AContainerThatCannotStartSaysWhy) {
  cluster_->Start();
  cluster_->Run("typo", R"({"restartPolicy": "Never", "containers": [
    {"name": "main", "image": "test/sh", "command": ["/no/such/program"]}]})");
  Json pod = cluster_->Await("typo", [](const Json& p) { return HasPhase(p, "Failed"); });
  EXPECT_EQ(MainStatus(pod)["state"]["terminated"]["reason"].AsString(), "StartError");
  EXPECT_NE(MainStatus(pod)["state"]["terminated"]["message"].AsString().find("/no/such/program"),
            std::string::npos);
}

TEST_P(KubeletTest, SandboxedPodsSeeTheirOwnRootAndProcesses) {
  if (!Sandboxed()) GTEST_SKIP() << "pods on the host share its files and processes";
  cluster_->Start();
  // The folder of the binaries may lie below /tmp, and the pod sees that one: look for the test's
  // own folder, which the pod must not see.
  cluster_->Run("inside",
                R"({"restartPolicy": "Never", "containers": [{"name": "main", "image": "test/sh",
    "args": ["id -u; hostname; ls -d /tmp/kubelet-test-* 2>/dev/null | wc -l; ls -A /home /root 2>/dev/null | wc -l; touch /usr/x 2>/dev/null && echo bad; kill -9 1 2>/dev/null; grep -c lo: /proc/net/dev"],
    "securityContext": {"runAsUser": 1234}}]})");
  cluster_->Await("inside",
                  [](const Json& p) { return HasPhase(p, "Succeeded") || HasPhase(p, "Failed"); });
  EXPECT_EQ(cluster_->Logs("inside"), "1234\ninside\n0\n0\n1\n");
}

TEST_P(KubeletTest, ADownloaderIsOnTheHostsNetworkWithoutItsUnixSockets) {
  cluster_->Start();
  auto run = [&](std::string_view name, std::string_view image) {
    cluster_->Run(name, fmt::format(R"({{"restartPolicy": "Never", "containers": [{{"name": "main",
      "image": "{}", "args": ["for f in PF_UNIX PF_INET; do perl -MSocket -e \"print socket(S, $f, SOCK_STREAM, 0) ? 1 : 0\"; done"]}}]}})",
                                    image));
    cluster_->Await(name, [](const Json& p) { return HasPhase(p, "Succeeded"); });
    return cluster_->Logs(name);
  };
  EXPECT_EQ(run("downloader", "test/host"), "01\n");
  EXPECT_EQ(run("other", "test/sh"), "11\n");
}

INSTANTIATE_TEST_SUITE_P(Isolation, KubeletTest,
                         testing::Values(IsolationChoice::kHost, IsolationChoice::kNamespaces),
                         [](const auto& info) {
                           return info.param == IsolationChoice::kHost ? "Host" : "Namespaces";
                         });

}  // namespace
}  // namespace kinglet::kubelet
