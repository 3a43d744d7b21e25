// Opening, giving and checking paths that others may change meanwhile (pod/open.h, host_ids.h,
// host_path.h).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/encoding.h"
#include "local/kubelet/host_ids.h"
#include "local/kubelet/host_path.h"
#include "local/kubelet/pod/open.h"

namespace kinglet::kubelet {
namespace {

namespace fs = std::filesystem;

class HostFiles : public testing::Test {
 protected:
  HostFiles()
      : dir_(fs::canonical(fs::temp_directory_path()) / ("host-files-test-" + RandomSuffix(10))) {
    fs::create_directories(dir_ / "volume");
    fs::create_directories(dir_ / "outside");
  }
  ~HostFiles() override { fs::remove_all(dir_); }

  Result<fs::path> Open(const std::string& sub) {
    KINGLET_TRY(
        Fd fd, pod::OpenSource({.source = (dir_ / "volume").string(), .target = "/x", .sub = sub}));
    return fs::read_symlink(fmt::format("/proc/self/fd/{}", fd.get()));
  }

  const fs::path dir_;
};

TEST_F(HostFiles, SubPathsAreMadeBeneathTheVolume) {
  EXPECT_EQ(Open("").value(), dir_ / "volume");
  EXPECT_EQ(Open("a/b").value(), dir_ / "volume/a/b");
  EXPECT_EQ(fs::status(dir_ / "volume/a/b").permissions(), fs::perms(0755));
  std::ofstream(dir_ / "volume/file") << "x";
  EXPECT_EQ(Open("file").value(), dir_ / "volume/file");
  fs::create_symlink("a", dir_ / "volume/inside");
  EXPECT_EQ(Open("inside/c").value(), dir_ / "volume/a/c");
}

TEST_F(HostFiles, SubPathsLeadNowhereElse) {
  fs::create_symlink(dir_ / "outside", dir_ / "volume/absolute");
  fs::create_symlink("../outside", dir_ / "volume/relative");
  fs::create_symlink("../outside/missing", dir_ / "volume/dangling");
  fs::create_symlink("/proc/self/root", dir_ / "volume/magic");
  fs::create_symlink("loop", dir_ / "volume/loop");
  for (const char* sub : {"absolute", "absolute/made", "relative", "relative/made", "dangling",
                          "dangling/made", "magic", "magic/tmp", "loop", "loop/made"}) {
    auto opened = Open(sub);
    EXPECT_FALSE(opened.has_value()) << sub << ": " << opened.value();
    EXPECT_EQ(opened.error().code(), Code::kInvalidArgument) << sub;
  }
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

TEST_F(HostFiles, ACanonicalPathIsNoLinkLater) {
  EXPECT_TRUE(pod::OpenCanonical((dir_ / "volume").string()).has_value());
  fs::create_symlink(dir_ / "outside", dir_ / "link");
  auto opened = pod::OpenCanonical((dir_ / "link").string());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), Code::kFailedPrecondition);
}

TEST_F(HostFiles, PlacesAreMadeBeneathTheRoot) {
  Fd root(open((dir_ / "volume").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(pod::OpenPlace(root.get(), "/etc/hosts", false).has_value());
  EXPECT_TRUE(fs::is_regular_file(dir_ / "volume/etc/hosts"));
  EXPECT_TRUE(pod::OpenPlace(root.get(), "/mnt/models", true).has_value());
  EXPECT_TRUE(fs::is_directory(dir_ / "volume/mnt/models"));
  EXPECT_TRUE(pod::OpenPlace(root.get(), "/mnt/models", true).has_value());
  fs::create_symlink(dir_ / "outside", dir_ / "volume/link");
  fs::create_symlink("mnt", dir_ / "volume/inside");
  for (const char* target : {"/link/made", "/link", "/inside/made", "../outside/made"}) {
    EXPECT_FALSE(pod::OpenPlace(root.get(), target, true).has_value()) << target;
  }
  EXPECT_FALSE(pod::OpenPlace(root.get(), "/link/made", false).has_value());
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

TEST_F(HostFiles, HostPathsOfTheSystemAndOfKingletAreRefused) {
  const fs::path data = dir_ / "volume";
  fs::create_directories(data / "pods");
  fs::create_symlink(data, dir_ / "link");
  fs::create_symlink("/etc", dir_ / "system");
  for (const fs::path& path :
       {fs::path("/"), fs::path("/etc"), fs::path("/etc/ssl/certs"), fs::path("/proc/self/root"),
        fs::path("/dev/shm"), fs::path("/run"), fs::path("/var/run"), data, data / "pods",
        data / "not/there", dir_, dir_ / "", dir_ / "link", dir_ / "link/pods", dir_ / "system",
        dir_ / "system/ssl", dir_ / "x/.."}) {
    EXPECT_FALSE(CheckHostPath(path, data).has_value()) << path;
  }
  EXPECT_EQ(CheckHostPath(dir_ / "outside", data).value(), dir_ / "outside");
  EXPECT_EQ(CheckHostPath(dir_ / "volumes", data).value(), dir_ / "volumes");
  EXPECT_EQ(CheckHostPath("/usr/share", data).value(), "/usr/share");
}

TEST_F(HostFiles, HostPathsToCredentialsAreRefused) {
  const fs::path data = dir_ / "volume", home = dir_ / "outside";
  const std::string before = getenv("HOME") ? getenv("HOME") : "";
  setenv("HOME", home.c_str(), 1);
  fs::create_directories(home / ".ssh");
  fs::create_symlink(home / ".ssh", home / "keys");
  for (const fs::path& path : {home, home / ".ssh", home / ".ssh/id_rsa", home / "keys",
                               home / ".config/gcloud", home / ".kube"}) {
    EXPECT_FALSE(CheckHostPath(path, data).has_value()) << path;
  }
  for (const fs::path& path : {home / "models", home / ".cache/huggingface/hub",
                               home / ".local/share/models", dir_ / "..data/model"}) {
    EXPECT_TRUE(CheckHostPath(path, data).has_value()) << path;
  }
  setenv("HOME", before.c_str(), 1);
}

TEST_F(HostFiles, PathsInTheDataFolderAreNotKingletsOwn) {
  const fs::path data = fs::canonical(dir_);
  fs::create_directories(data / "models/iris");
  fs::create_directory_symlink(data / "models", data / "link");
  for (const char* path :
       {"", ".", "./", "..", "models/../..", "/models", "pki", "./pki/ca.key", "models/../pods",
        "claims/ns/c", "kinglet.db", "kinglet.db-wal", "link", "link/iris"}) {
    EXPECT_FALSE(CheckDataPath(path, data).has_value()) << path;
  }
  EXPECT_EQ(CheckDataPath("models/iris/", data).value(), data / "models/iris");
  EXPECT_EQ(CheckDataPath("./new/folder", data).value(), data / "new/folder");
}

TEST(HostIds, APodHasTheUserOfItsAddress) {
  HostIds ids{.shared = 1000000, .per_pod = true};
  EXPECT_EQ(ids.OfPod("127.64.0.1"), 1000002);
  EXPECT_EQ(ids.OfPod("127.127.255.255"), 1000000 + (1 << 22));
  EXPECT_NE(ids.OfPod("127.64.0.2"), ids.OfPod("127.64.1.2"));
  EXPECT_EQ(ids.OfPod(""), 1000000);
  ids.per_pod = false;
  EXPECT_EQ(ids.OfPod("127.64.0.1"), 1000000);
  EXPECT_EQ(HostIds{}.OfPod("127.64.0.1"), -1);
}

TEST_F(HostFiles, TreesAreGivenWithoutFollowingLinks) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  constexpr uid_t kUser = 4242;
  fs::create_directories(dir_ / "volume/a/b");
  std::ofstream(dir_ / "volume/a/file") << "x";
  std::ofstream(dir_ / "outside/file") << "x";
  fs::create_symlink(dir_ / "outside", dir_ / "volume/a/link");
  fs::create_symlink(dir_ / "outside/file", dir_ / "volume/link");
  auto owner = [&](const char* path) {
    struct stat info{};
    lstat((dir_ / path).c_str(), &info);
    return info.st_uid == info.st_gid ? info.st_uid : uid_t(-1);
  };
  Fd fd(open((dir_ / "volume").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_TRUE(GiveTree(fd.get(), -1).has_value());
  EXPECT_EQ(owner("volume"), 0u);
  EXPECT_TRUE(GiveTree(fd.get(), kUser).has_value());
  for (const char* path :
       {"volume", "volume/a", "volume/a/b", "volume/a/file", "volume/a/link", "volume/link"}) {
    EXPECT_EQ(owner(path), kUser) << path;
  }
  EXPECT_EQ(owner("outside"), 0u);
  EXPECT_EQ(owner("outside/file"), 0u);
}

}  // namespace
}  // namespace kinglet::kubelet
