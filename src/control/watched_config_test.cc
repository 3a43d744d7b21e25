#include "control/watched_config.h"

#include <gtest/gtest.h>

#include <thread>

#include "api/constants.h"
#include "kube/fake_client.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

Json ConfigMap(std::string_view router, std::string_view deploy = R"({"defaultDeploymentMode":
    "RawDeployment"})") {
  return Json::MakeObject({{"data", Json::MakeObject({{"router", router}, {"deploy", deploy}})}});
}

constexpr std::string_view kRouter =
    R"({"image":"r:1","memoryRequest":"1Mi","memoryLimit":"1Mi","cpuRequest":"1","cpuLimit":"1"})";

TEST(KeepLastGood, RefusesBadSectionsOneByOne) {
  api::Config last = api::ParseConfig(ConfigMap(kRouter));
  ASSERT_TRUE(last.router);
  Json map = ConfigMap("{", R"({"defaultDeploymentMode": "Serverless"})");
  api::Config next = KeepLastGood(map, api::ParseConfig(map), last);
  ASSERT_TRUE(next.router);
  EXPECT_EQ(next.router->image, "r:1");
  EXPECT_EQ(next.deploy->mode, api::Mode::kServerless);
  ASSERT_EQ(next.warnings.size(), 1u);
  EXPECT_NE(next.warnings[0].find("key router is refused, its last good value stays: "),
            std::string::npos);
}

TEST(KeepLastGood, RemovedKeysAreNotKept) {
  api::Config last = api::ParseConfig(ConfigMap(kRouter));
  Json map = ConfigMap(kRouter);
  map.Ref("data").Erase("deploy");
  map.Ref("data").Erase("router");
  api::Config next = KeepLastGood(map, api::ParseConfig(map), last);
  EXPECT_FALSE(next.router);
  EXPECT_EQ(next.deploy->mode, api::Mode::kServerless);
}

class WatchedConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.informer().Start(stop_.get_token());
    ASSERT_TRUE(config_.informer().WaitForSync(Deadline::After(std::chrono::seconds(20))));
  }
  void TearDown() override { stop_.request_stop(); }
  void Write(Json object) {
    object.Set("metadata",
               Json::MakeObject({{"name", api::kConfigMapName}, {"namespace", "kserve"}}));
    auto written = client_.Create(kube::kConfigMap, object);
    if (!written) written = client_.Update(kube::kConfigMap, object);
    ASSERT_TRUE(written) << written.error().message();
    const std::string version = kube::ResourceVersion(*written);
    const Deadline deadline = Deadline::After(std::chrono::seconds(20));
    while (!deadline.Expired()) {
      auto seen =
          config_.informer().Get({.ns = "kserve", .name = std::string(api::kConfigMapName)});
      if (seen && kube::ResourceVersion(*seen) == version) return;
      std::this_thread::yield();
    }
    FAIL() << "the change was not seen";
  }

  kube::FakeClient client_;
  std::stop_source stop_;
  WatchedConfig config_{client_, "kserve", Clock::System()};
};

TEST_F(WatchedConfigTest, MissingThenGoodThenBadThenGone) {
  EXPECT_EQ(config_.Read()->deploy.error().message(),
            "ConfigMap kserve/inferenceservice-config is missing");
  Write(ConfigMap(kRouter));
  auto good = config_.Read();
  EXPECT_EQ(good->deploy->mode, api::Mode::kRawDeployment);
  EXPECT_EQ(config_.Read(), good);

  Json bad = ConfigMap("{}", R"({"defaultDeploymentMode": ""})");
  bad.Ref("data").Set("ingress",
                      R"({"ingressGateway": "a/b", "ingressDomain": "x", "pathTemplate": "{{"})");
  Write(bad);
  auto kept = config_.Read();
  EXPECT_EQ(kept->router->image, "r:1");
  EXPECT_EQ(kept->deploy->mode, api::Mode::kRawDeployment);
  EXPECT_EQ(kept->ingress->path_template, "");
  std::string reasons;
  for (const auto& warning : kept->warnings) reasons += warning + "\n";
  for (auto reason : {"invalid deploy config, defaultDeploymentMode is required",
                      "invalid ingress config, unable to parse pathTemplate",
                      "Failed to parse resource configuration for \"router\""}) {
    EXPECT_NE(reasons.find(reason), std::string::npos) << reason << " in " << reasons;
  }
  ASSERT_TRUE(
      client_.Delete(kube::kConfigMap, {.ns = "kserve", .name = std::string(api::kConfigMapName)}));
  EXPECT_EQ(config_.Read()->router->image, "r:1");
}

}  // namespace
}  // namespace kinglet::control
