#include "server/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "server/testing.h"

namespace kinglet::server {
namespace {

// A model is a file "model" that holds its version; "bad" cannot be loaded.
Result<std::unique_ptr<Model>> Load(const std::filesystem::path& folder) {
  KINGLET_TRY(auto version, ReadFile(folder / "model"));
  if (version == "bad") return Fail(Code::kInvalidArgument, "a broken file");
  return std::make_unique<DoublingModel>(version);
}

std::string VersionOf(const ModelEntry& entry) {
  PredictRequest request;
  request.inputs.resize(1);
  PredictResponse response;
  EXPECT_TRUE(entry.model->Predict(request, &response));
  return response.outputs[0].strings[0];
}

class RepositoryTest : public testing::Test {
 protected:
  RepositoryTest() : repository_(&Load, metrics_) { repository_.SetModelsDir(folder_.path()); }
  MetricsRegistry metrics_;
  TemporaryFolder folder_;
  Repository repository_;
};

TEST_F(RepositoryTest, LoadsEverySubfolder) {
  folder_.Write("a/model", "1");
  folder_.Write("b/model", "bad");
  folder_.Write("..data/model", "1");
  folder_.Write("file", "");
  ASSERT_TRUE(repository_.LoadAll());
  EXPECT_THAT(repository_.Names(), testing::ElementsAre("a", "b"));
  EXPECT_EQ(repository_.Find("a")->state, ModelState::kReady);
  EXPECT_EQ(repository_.Find("b")->state, ModelState::kFailed);
  EXPECT_EQ(repository_.Find("b")->reason, "a broken file");
  EXPECT_EQ(repository_.Find("c"), nullptr);
}

TEST_F(RepositoryTest, AnOldVersionLivesUntilItsLastRequest) {
  folder_.Write("a/model", "1");
  ASSERT_TRUE(repository_.Load("a"));
  auto request = repository_.Find("a");
  std::weak_ptr<const Model> old = request->model;
  folder_.Write("a/model", "2");
  ASSERT_TRUE(repository_.Load("a"));
  EXPECT_EQ(VersionOf(*repository_.Find("a")), "2");
  EXPECT_EQ(VersionOf(*request), "1");
  request.reset();
  EXPECT_TRUE(old.expired());
}

TEST_F(RepositoryTest, AFailedReloadKeepsTheOldVersion) {
  folder_.Write("a/model", "1");
  ASSERT_TRUE(repository_.Load("a"));
  folder_.Write("a/model", "bad");
  EXPECT_FALSE(repository_.Load("a"));
  EXPECT_EQ(VersionOf(*repository_.Find("a")), "1");
}

TEST_F(RepositoryTest, UnknownNamesLeaveNoTrace) {
  EXPECT_EQ(repository_.Load("absent").error().code(), Code::kNotFound);
  for (const char* name : {"", ".", "..", "../a", "a/b", "a\\b"}) {
    EXPECT_EQ(repository_.Load(name).error().code(), Code::kNotFound) << name;
  }
  EXPECT_TRUE(repository_.Names().empty());
  EXPECT_EQ(repository_.Unload("absent").error().message(),
            "Model with name absent does not exist.");
}

TEST_F(RepositoryTest, UnloadFrees) {
  folder_.Write("a/model", "1");
  ASSERT_TRUE(repository_.Load("a"));
  std::weak_ptr<const Model> model = repository_.Find("a")->model;
  ASSERT_TRUE(repository_.Unload("a"));
  EXPECT_TRUE(model.expired());
  EXPECT_EQ(repository_.Find("a"), nullptr);
}

}  // namespace
}  // namespace kinglet::server
