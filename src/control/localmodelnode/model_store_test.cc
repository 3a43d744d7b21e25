#include "control/localmodelnode/model_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace kinglet::control {
namespace {

namespace fs = std::filesystem;

TEST(ModelStore, RefusesTopLevelRoots) {
  for (auto root : {"/", "/var", "relative", "/tmp/.."}) EXPECT_FALSE(ModelStore(root).Open());
}

TEST(ModelStore, IsGivenToItsUser) {
  auto folder = *TemporaryFolder::Make("store");
  ModelStore store(folder.path() / "volume" / "models");
  ASSERT_TRUE(store.GiveTo(getuid()));
  EXPECT_TRUE(fs::is_directory(store.root()));
  ASSERT_TRUE(store.GiveTo(getuid()));
  // What lies elsewhere is nobody's to give.
  fs::create_directory_symlink(store.root(), folder.path() / "volume" / "link");
  EXPECT_FALSE(ModelStore(folder.path() / "volume" / "link").GiveTo(getuid()));
  EXPECT_FALSE(ModelStore("/var").GiveTo(getuid()));
}

TEST(ModelStore, WhatIsStagedBelongsToItsModel) {
  auto folder = *TemporaryFolder::Make("store");
  ModelStore store(folder.path() / "models");
  ASSERT_TRUE(store.Open());
  fs::create_directories(store.root() / ".coming.kinglet-staging");
  fs::create_directories(store.PathOf("there"));
  EXPECT_EQ(*store.Folders(), (std::vector<std::string>{"coming", "there"}));
  ASSERT_TRUE(store.Remove("coming"));
  EXPECT_FALSE(fs::exists(store.root() / ".coming.kinglet-staging"));
}

TEST(ModelStore, DigestsAreCheckedWhereTheFileChanged) {
  auto folder = *TemporaryFolder::Make("store");
  ModelStore store(folder.path() / "models");
  ASSERT_TRUE(store.Open());
  fs::create_directories(store.PathOf("m"));
  std::ofstream(store.PathOf("m") / "w") << "hello";
  ASSERT_TRUE(WriteFileAtomic(
      store.PathOf("m") / ".kinglet-complete",
      R"({"sources":[{"uri":"u","files":[{"path":"w","size":5,"digest":"md5:5d41402abc4b2a76b9719d911017c592"}]}]})"));
  auto state = store.Inspect("m", "u", {}, {});
  ASSERT_TRUE(state);
  EXPECT_EQ(state->health, Health::kWhole);
  ModelRecord record{.uri = "u", .whole = true, .files = state->files};
  // Touched, but the same bytes.
  fs::last_write_time(store.PathOf("m") / "w",
                      fs::file_time_type::clock::now() + std::chrono::seconds(9));
  EXPECT_EQ(store.Inspect("m", "u", record, {})->health, Health::kWhole);
  std::ofstream(store.PathOf("m") / "w") << "jello";
  auto damaged = store.Inspect("m", "u", record, {});
  EXPECT_EQ(damaged->health, Health::kDamaged);
  EXPECT_EQ(damaged->problem, "w does not have its digest any more");
  ASSERT_TRUE(store.Invalidate("m", *damaged));
  EXPECT_FALSE(fs::exists(store.PathOf("m") / "w"));
  // The check value of CRC-32C.
  std::ofstream(store.PathOf("m") / "w") << "123456789";
  const std::string crc =
      R"({"sources":[{"uri":"u","files":[{"path":"w","size":9,"digest":"crc32c:e3069283"}]}]})";
  ASSERT_TRUE(WriteFileAtomic(store.PathOf("m") / ".kinglet-complete", crc));
  EXPECT_EQ(store.Inspect("m", "u", {}, {})->health, Health::kWhole);
  std::ofstream(store.PathOf("m") / "w") << "123456780";
  EXPECT_EQ(store.Inspect("m", "u", {}, {})->health, Health::kDamaged);
  // A marker that names what lies elsewhere.
  ASSERT_TRUE(
      WriteFileAtomic(store.PathOf("m") / ".kinglet-complete",
                      R"({"sources":[{"uri":"u","files":[{"path":"../../x","size":5}]}]})"));
  auto escape = store.Inspect("m", "u", {}, {});
  EXPECT_EQ(escape->health, Health::kDamaged);
  EXPECT_TRUE(store.Invalidate("m", *escape));
}

class HostileFolder : public testing::Test {
 protected:
  HostileFolder() : temporary_(*TemporaryFolder::Make("store")), store_(temporary_.path() / "m") {}
  void SetUp() override {
    ASSERT_TRUE(store_.Open());
    fs::create_directories(store_.PathOf("victim"));
    std::ofstream(store_.PathOf("victim") / "weights") << "victim";
    fs::create_directories(store_.PathOf("a") / "sub");
    std::ofstream(store_.PathOf("a") / "sub" / "weights") << "12345";
    Marker(R"({"path": "sub/weights", "size": 5})");
    auto first = store_.Inspect("a", "u", {}, {});
    ASSERT_TRUE(first);
    ASSERT_EQ(first->health, Health::kWhole);
    record_ = {.uri = "u", .whole = true, .files = first->files};
  }
  void Marker(const std::string& files) {
    ASSERT_TRUE(
        WriteFileAtomic(store_.PathOf("a") / ".kinglet-complete",
                        fmt::format(R"({{"sources": [{{"uri": "u", "files": [{}]}}]}})", files)));
  }
  FolderState Look() {
    auto state = store_.Inspect("a", "u", record_, {});
    EXPECT_TRUE(state) << state.error().message();
    return state.value_or(FolderState());
  }

  TemporaryFolder temporary_;
  ModelStore store_;
  ModelRecord record_;
};

TEST_F(HostileFolder, LinksAreNotFollowedToOtherModels) {
  const fs::path victim = store_.PathOf("victim") / "weights";
  fs::remove_all(store_.PathOf("a") / "sub");
  fs::create_directory_symlink("../victim", store_.PathOf("a") / "sub");
  FolderState state = Look();
  EXPECT_EQ(state.health, Health::kDamaged);
  EXPECT_EQ(state.problem, "sub/weights is missing (and 1 more)");
  ASSERT_TRUE(store_.Invalidate("a", state));
  EXPECT_TRUE(fs::exists(victim));
  EXPECT_FALSE(fs::is_symlink(store_.PathOf("a") / "sub"));
  // Nor by a marker before the model is known.
  record_ = {};
  fs::create_directory_symlink("../victim", store_.PathOf("a") / "sub");
  Marker(R"({"path": "sub/weights", "size": 5})");
  state = Look();
  EXPECT_EQ(state.health, Health::kDamaged);
  ASSERT_TRUE(store_.Invalidate("a", state));
  EXPECT_TRUE(fs::exists(victim));
  ASSERT_TRUE(store_.Remove("a"));
  EXPECT_TRUE(fs::exists(victim));
  // A folder that is itself a link.
  fs::create_directory_symlink("victim", store_.PathOf("a"));
  EXPECT_FALSE(store_.Inspect("a", "u", {}, {}));
  EXPECT_FALSE(store_.MakeFolder("a"));
  ASSERT_TRUE(store_.Remove("a"));
  EXPECT_TRUE(fs::exists(victim));
}

TEST_F(HostileFolder, WhoeverWritesTheModelDoesNotSayWhatItIs) {
  std::ofstream(store_.PathOf("a") / "sub" / "weights") << "evil!!";
  Marker(R"({"path": "sub/weights", "size": 6})");
  EXPECT_EQ(Look().problem, "sub/weights has 6 bytes, not 5");
  fs::remove(store_.PathOf("a") / "sub" / "weights");
  fs::create_symlink("/etc/passwd", store_.PathOf("a") / "sub" / "weights");
  EXPECT_EQ(Look().problem, "sub/weights was replaced after it was downloaded");
}

// A download of local files consists of links.
TEST_F(HostileFolder, LinksOfTheModelKeepTheirTargets) {
  record_ = {};
  const fs::path link = store_.PathOf("a") / "link";
  fs::create_symlink("/somewhere", link);
  Marker(R"({"path": "sub/weights", "size": 5}, {"path": "link", "size": 0})");
  record_ = {.uri = "u", .whole = true, .files = Look().files};
  EXPECT_EQ(Look().health, Health::kWhole);
  fs::remove(link);
  fs::create_symlink("/elsewhere", link);
  EXPECT_EQ(Look().problem, "link was replaced after it was downloaded");
}

TEST_F(HostileFolder, WhatIsAddedIsRemoved) {
  std::ofstream(store_.PathOf("a") / "code.py") << "evil";
  ASSERT_EQ(mkfifo((store_.PathOf("a") / "pipe").c_str(), 0666), 0);
  FolderState state = Look();
  EXPECT_EQ(state.problem, "code.py was added after the download (and 1 more)");
  ASSERT_TRUE(store_.Invalidate("a", state));
  EXPECT_FALSE(fs::exists(store_.PathOf("a") / "code.py"));
  EXPECT_FALSE(fs::exists(store_.PathOf("a") / "pipe"));
  EXPECT_TRUE(fs::exists(store_.PathOf("a") / "sub" / "weights"));
}

TEST_F(HostileFolder, PipesKeepNobodyWaiting) {
  record_ = {};
  for (auto name : {".kinglet-complete", "sub/weights"}) {
    fs::remove(store_.PathOf("a") / name);
    ASSERT_EQ(mkfifo((store_.PathOf("a") / name).c_str(), 0666), 0);
  }
  EXPECT_EQ(Look().health, Health::kUnknown);
  fs::remove(store_.PathOf("a") / ".kinglet-complete");
  Marker(R"({"path": "sub/weights", "size": 0, "digest": "md5:00"})");
  EXPECT_EQ(Look().problem, "sub/weights is missing");
}

TEST_F(HostileFolder, TreesAreBounded) {
  fs::path deep = store_.PathOf("a");
  for (int i = 0; i < 70; ++i) deep /= "d";
  fs::create_directories(deep);
  auto state = store_.Inspect("a", "u", record_, {});
  ASSERT_FALSE(state);
  EXPECT_TRUE(state.error().message().contains("over 64 levels"));
  EXPECT_TRUE(store_.Remove("a"));
}

TEST_F(HostileFolder, RecordsAreTheAgents) {
  EXPECT_EQ(fs::status(store_.root() / ".kinglet-records").permissions(), fs::perms(0700));
}

}  // namespace
}  // namespace kinglet::control
