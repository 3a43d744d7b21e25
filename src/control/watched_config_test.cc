#include "control/watched_config.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace kinglet::control
