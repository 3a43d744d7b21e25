#include "server/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/testing.h"

namespace kinglet::server {
namespace {

constexpr std::string_view kExtensions[] = {".joblib", ".pkl"};

TEST(FindModelFile, ExactlyOne) {
  TemporaryFolder folder;
  EXPECT_EQ(FindModelFile(folder.path(), kExtensions).error().code(), Code::kNotFound);
  folder.Write("notes.txt", "");
  folder.Write("deeper/model.pkl", "");
  std::filesystem::create_directory(folder.path() / "x.pkl");
  EXPECT_EQ(FindModelFile(folder.path(), kExtensions).error().code(), Code::kNotFound);
  folder.Write("model.joblib", "");
  EXPECT_EQ(FindModelFile(folder.path(), kExtensions), folder.path() / "model.joblib");
  EXPECT_EQ(FindModelFile(folder.path() / "model.joblib", kExtensions),
            folder.path() / "model.joblib");
  folder.Write("another.pkl", "");
  auto two = FindModelFile(folder.path(), kExtensions);
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(two.error().message(),
            fmt::format("More than one model file is detected, Only one is allowed within "
                        "model_dir: ['{0}/another.pkl', '{0}/model.joblib']",
                        folder.path().string()));
  EXPECT_EQ(FindModelFile(folder.path() / "absent", kExtensions).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace kinglet::server
