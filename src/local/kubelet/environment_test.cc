#include "local/kubelet/environment.h"

#include <gtest/gtest.h>

#include "kube/object.h"
#include "local/kubelet/addresses.h"
#include "local/kubelet/images.h"

namespace kinglet::kubelet {
namespace {

Json Parse(std::string_view text) {
  auto parsed = Json::Parse(text);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
  return parsed ? *parsed : Json();
}

TEST(ExpandVariables, FollowsKubernetes) {
  const Environment known = {{"A", "1"}, {"B", "two"}, {"EMPTY", ""}};
  const std::pair<const char*, const char*> cases[] = {{"plain", "plain"},
                                                       {"$(A)", "1"},
                                                       {"x$(A)y$(B)z", "x1ytwoz"},
                                                       {"$(UNKNOWN)", "$(UNKNOWN)"},
                                                       {"$$(A)", "$(A)"},
                                                       {"$$$(A)", "$1"},
                                                       {"$A", "$A"},
                                                       {"$(A", "$(A"},
                                                       {"100$", "100$"},
                                                       {"$(EMPTY)", ""},
                                                       {"$$$$", "$$"},
                                                       {"$(A)$(A)", "11"}};
  for (auto [text, want] : cases) EXPECT_EQ(ExpandVariables(text, known), want) << text;
}

TEST(BuildEnvironment, ReadsEverySource) {
  Json pod = Parse(R"({"metadata": {"name": "p", "namespace": "ns", "uid": "u",
    "labels": {"app": "iris"}, "annotations": {"k/x": "y"}}, "spec": {"serviceAccountName": "sa"}})");
  Json container =
      Parse(R"json({"name": "c", "resources": {"limits": {"memory": "1500Mi", "cpu": "1500m"}},
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}],
    "env": [{"name": "PLAIN", "value": "v"}, {"name": "REF", "value": "$(PLAIN)-$(P_a)"},
      {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
      {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
      {"name": "ANNOTATION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['k/x']"}}},
      {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
      {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
      {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
      {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
      {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": true}}}]})json");
  ObjectSource objects = [](const kube::ResourceType& type,
                            const std::string& name) -> Result<Json> {
    if (type.kind == "ConfigMap" && name == "cm")
      return Parse(R"({"data": {"a": "1", "9bad": "x"}})");
    if (type.kind == "Secret" && name == "s") return Parse(R"({"data": {"k": "c2VjcmV0"}})");
    return Fail(Code::kNotFound, "no {}", name);
  };
  PodFacts facts{.pod = &pod, .pod_ip = "127.64.0.1", .node_cpu_milli = 4000};
  auto built = BuildEnvironment(container, facts, objects, {{"PATH", "/bin"}});
  ASSERT_TRUE(built.has_value()) << built.error().message();
  Environment& env = *built;
  EXPECT_EQ(env["PATH"], "/bin");
  EXPECT_EQ(env["P_a"], "1");
  EXPECT_EQ(env["REF"], "v-1");
  EXPECT_EQ(env["NAME"], "p");
  EXPECT_EQ(env["LABEL"], "iris");
  EXPECT_EQ(env["ANNOTATION"], "y");
  EXPECT_EQ(env["IP"], "127.64.0.1");
  EXPECT_EQ(env["MEM"], "1500");
  EXPECT_EQ(env["CPU"], "2");
  EXPECT_EQ(env["SECRET"], "secret");
  EXPECT_FALSE(env.contains("MAYBE"));

  Json missing = Parse(R"({"name": "c", "env": [{"name": "X",
    "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "nope"}}}]})");
  auto failed = BuildEnvironment(missing, facts, objects, {});
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().message(), "env X: couldn't find key nope in ConfigMap cm");
}

TEST(RewritePaths, OnlyWholePathsOfMounts) {
  const std::vector<pod::Mount> mounts = {{"/data/v", "/mnt/models", false},
                                          {"/data/w", "/mnt/models/extra", false}};
  const std::pair<const char*, const char*> cases[] = {
      {"--model_dir=/mnt/models", "--model_dir=/data/v"},
      {"/mnt/models/a.joblib", "/data/v/a.joblib"},
      {"/mnt/models/extra/b", "/data/w/b"},
      {"/mnt/models2", "/mnt/models2"},
      {"x/mnt/models", "x/mnt/models"},
      {"a:/mnt/models:b", "a:/data/v:b"},
      {"{\"dir\":\"/mnt/models\"}", "{\"dir\":\"/data/v\"}"}};
  for (auto [text, want] : cases) EXPECT_EQ(RewritePaths(text, mounts), want) << text;
}

TEST(ImageRepository, DropsRegistryTagAndDigest) {
  EXPECT_EQ(ImageRepository("kserve/sklearnserver"), "kserve/sklearnserver");
  EXPECT_EQ(ImageRepository("docker.io/kserve/sklearnserver:v0.15"), "kserve/sklearnserver");
  EXPECT_EQ(ImageRepository("localhost:5000/a/b:1@sha256:00"), "a/b");
  EXPECT_EQ(ImageRepository("host.io:5000/a/b"), "a/b");
}

TEST(ImageTable, KnowsOursAndSaysWhyNot) {
  ImageTable table("/nowhere", {{"test/sh", {"/bin/sh"}}});
  EXPECT_EQ(table.Resolve("ghcr.io/mirror/test/sh:9")->entrypoint.front(), "/bin/sh");
  EXPECT_EQ(table.Resolve("contest/sh").error().code(), Code::kFailedPrecondition);
  auto missing = table.Resolve("kserve/sklearnserver:latest");
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_NE(missing.error().message().find("kinglet-server"), std::string::npos);
}

TEST(AddressPool, IsStableAndNeverGivesTwice) {
  AddressPool pool;
  auto first = pool.Take("uid-a");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(*pool.Take("uid-a"), *first);
  EXPECT_NE(*pool.Take("uid-b", *first), *first);
  EXPECT_EQ(*pool.Take("uid-c", "127.70.1.2"), "127.70.1.2");
  EXPECT_NE(*pool.Take("uid-d", "10.0.0.1"), "10.0.0.1");
  pool.Release(*first);
  EXPECT_EQ(*pool.Take("uid-e", *first), *first);
}

TEST(Addresses, OnlyPortsThatPodsOfferAreReached) {
  AddressPool pool;
  std::string isolated = *pool.Take("a"), on_host = *pool.Take("b"), fresh = *pool.Take("c");
  pool.Offer(isolated, {8080});
  pool.Offer(on_host, {22});
  EXPECT_TRUE(pool.MayReach(isolated, 8080));
  EXPECT_FALSE(pool.MayReach(isolated, 22));
  EXPECT_TRUE(pool.MayReach(on_host, 22));
  EXPECT_FALSE(pool.MayReach(on_host, 8080));
  EXPECT_FALSE(pool.MayReach(fresh, 8080));
  for (const char* machine : {"127.0.0.1", "127.64.0.1", "127.255.255.254", "0.0.0.0", "::1",
                              "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "no address"}) {
    EXPECT_FALSE(pool.MayReach(machine, 8080)) << machine;
  }
  for (const char* elsewhere : {"10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "2001:db8::1"}) {
    EXPECT_TRUE(pool.MayReach(elsewhere, 8080)) << elsewhere;
  }
  pool.Release(on_host);
  EXPECT_FALSE(pool.MayReach(on_host, 22));
}

}  // namespace
}  // namespace kinglet::kubelet
