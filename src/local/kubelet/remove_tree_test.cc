#include "local/kubelet/remove_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/encoding.h"
#include "base/file.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

class RemoveTreeTest : public testing::Test {
 protected:
  RemoveTreeTest() { fs::create_directories(dir_ / "tree"); }
  ~RemoveTreeTest() override { EXPECT_TRUE(RemoveTree(dir_).has_value()); }
  void ExpectRemoved() {
    Status removed = RemoveTree(dir_ / "tree");
    EXPECT_TRUE(removed.has_value()) << removed.error().message();
    EXPECT_FALSE(fs::exists(dir_ / "tree"));
  }
  const fs::path dir_ = fs::temp_directory_path() / ("remove-tree-test-" + RandomSuffix(10));
};

TEST_F(RemoveTreeTest, RemovesOrdinaryTrees) {
  ExpectRemoved();
  EXPECT_TRUE(RemoveTree(dir_ / "tree").has_value());  // a second time
  fs::create_directories(dir_ / "tree/a/b/c");
  for (const char* name : {"f", "a/f", "a/b/f", "a/b/c/f", "1", "a/1"}) {
    std::ofstream(dir_ / "tree" / name) << "x";
  }
  fs::create_directories(dir_ / "tree/a/2/2/2/2");
  ExpectRemoved();
}

TEST_F(RemoveTreeTest, FollowsNoLinks) {
  fs::create_directories(dir_ / "outside/kept");
  fs::create_directories(dir_ / "tree/a");
  fs::create_symlink(dir_ / "outside", dir_ / "tree/link");
  fs::create_symlink(dir_ / "outside", dir_ / "tree/a/link");
  ExpectRemoved();
  EXPECT_TRUE(fs::exists(dir_ / "outside/kept"));
  fs::create_symlink(dir_ / "outside", dir_ / "tree");
  EXPECT_FALSE(RemoveTree(dir_ / "tree").has_value());
  EXPECT_TRUE(fs::exists(dir_ / "outside/kept"));
}

TEST_F(RemoveTreeTest, RemovesFoldersWithoutPermissions) {
  fs::create_directories(dir_ / "tree/a/b/c");
  std::ofstream(dir_ / "tree/a/b/f") << "x";
  for (const char* name : {"tree/a/b/c", "tree/a/b", "tree/a", "tree"}) {
    chmod((dir_ / name).c_str(), 0);
  }
  ExpectRemoved();
}

TEST_F(RemoveTreeTest, RemovesDeeperFoldersThanThereAreDescriptors) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  rlimit few = files;
  few.rlim_cur = 64;
  Fd at(open((dir_ / "tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 1000; ++depth) {
    ASSERT_EQ(mkdirat(at.get(), "d", 0755), 0);
    at.Reset(openat(at.get(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(static_cast<bool>(at));
  }
  at.Reset();
  setrlimit(RLIMIT_NOFILE, &few);
  ExpectRemoved();
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace kinglet::kubelet
