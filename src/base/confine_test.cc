#include "base/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "base/file.h"

namespace kinglet {
namespace {

// Whether `check` holds in a child process that was confined: confinement cannot be undone.
bool HoldsConfined(const Confinement& confinement, const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) {
    Confine(confinement);
    _exit(check() ? 0 : 1);
  }
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Builds with sanitizers are not confined.
bool IsConfinedHere() {
  return HoldsConfined({}, [] { return prctl(PR_GET_SECCOMP) == 2; });
}

bool HasLandlock() { return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) >= 2; }

class ConfineTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!IsConfinedHere()) GTEST_SKIP() << "this build, or this kernel, does not confine";
    for (const char* name : {"inside", "outside"}) {
      std::filesystem::create_directory(root_ / name);
      std::ofstream(root_ / name / "file") << "text";
    }
  }

  std::string At(const char* name) const { return root_ / name; }

  const TemporaryFolder folder_ = *TemporaryFolder::Make("kinglet-confine");
  const std::filesystem::path root_ = folder_.path();
};

TEST_F(ConfineTest, SystemCallsAreRefused) {
  EXPECT_TRUE(HoldsConfined({}, [] {
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    return execv(name, arguments) == -1 && errno == EPERM;
  }));
  EXPECT_TRUE(HoldsConfined({}, [] { return fork() == -1 && errno == EPERM; }));
  EXPECT_TRUE(HoldsConfined({}, [] { return unshare(CLONE_NEWUSER) == -1 && errno == EPERM; }));
  EXPECT_TRUE(HoldsConfined({}, [] { return ptrace(PTRACE_TRACEME, 0, 0, 0) == -1; }));
  EXPECT_TRUE(
      HoldsConfined({}, [] { return syscall(SYS_bpf, 0, nullptr, 0) == -1 && errno == EPERM; }));
  EXPECT_TRUE(HoldsConfined({}, [] { return syscall(SYS_keyctl, 0, 0) == -1 && errno == EPERM; }));
  EXPECT_TRUE(
      HoldsConfined({}, [] { return socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM; }));
  for (int family : {AF_INET, AF_NETLINK, AF_VSOCK}) {
    EXPECT_TRUE(HoldsConfined({}, [&] {
      int ends[2];
      return socketpair(family, SOCK_STREAM, 0, ends) == -1 && errno == EPERM;
    })) << family;
  }
  EXPECT_TRUE(HoldsConfined({}, [] { return ioctl(0, TIOCSTI, "x") == -1 && errno == EPERM; }));
}

TEST_F(ConfineTest, ThreadsAndSocketsStillWork) {
  EXPECT_TRUE(HoldsConfined({}, [] {
    bool ran = false;
    std::thread([&] { ran = true; }).join();
    Fd stream(socket(AF_INET, SOCK_STREAM, 0)), local(socket(AF_UNIX, SOCK_STREAM, 0));
    return ran && stream && local;
  }));
}

TEST_F(ConfineTest, AServerOnlyListens) {
  const Confinement listening{.connect = false};
  EXPECT_TRUE(HoldsConfined(listening, [] {
    Fd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        client(socket(AF_INET6, SOCK_STREAM, 0));
    int pair[2];
    return server && client && listen(server.get(), 1) == 0 &&
           socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
           send(pair[0], "x", 1, MSG_NOSIGNAL) == 1;
  }));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(9);
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_TRUE(HoldsConfined(listening, [&] {
    Fd client(socket(AF_INET, SOCK_STREAM, 0));
    return connect(client.get(), to, sizeof address) == -1 && errno == EPERM;
  }));
  EXPECT_TRUE(HoldsConfined(listening, [&] {
    Fd client(socket(AF_INET, SOCK_STREAM, 0));
    return sendto(client.get(), "x", 1, MSG_FASTOPEN, to, sizeof address) == -1 && errno == EPERM;
  }));
  EXPECT_TRUE(HoldsConfined(listening, [&] {
    Fd client(socket(AF_INET, SOCK_STREAM, 0));
    msghdr message{.msg_name = &address, .msg_namelen = sizeof address};
    return sendmsg(client.get(), &message, MSG_FASTOPEN) == -1 && errno == EPERM;
  }));
  for (int family : {AF_INET, AF_INET6}) {
    for (int type : {int{SOCK_DGRAM}, SOCK_DGRAM | SOCK_CLOEXEC, int{SOCK_RAW}}) {
      EXPECT_TRUE(HoldsConfined(listening,
                                [&] { return socket(family, type, 0) == -1 && errno == EPERM; }));
      if (type != SOCK_RAW) {
        EXPECT_TRUE(HoldsConfined({}, [&] { return Fd(socket(family, type, 0)).get() >= 0; }));
      }
    }
  }
}

TEST_F(ConfineTest, NothingIsDumpedOrGained) {
  EXPECT_TRUE(HoldsConfined({}, [] {
    rlimit core{};
    getrlimit(RLIMIT_CORE, &core);
    return core.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0 &&
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  }));
}

TEST_F(ConfineTest, FilesOutsideCannotBeOpened) {
  if (!HasLandlock()) GTEST_SKIP() << "no Landlock";
  const std::string inside = At("inside/file"), outside = At("outside/file");
  const Confinement reading{.read = {At("inside"), At("does-not-exist")}};
  EXPECT_TRUE(HoldsConfined(reading, [&] { return ReadFile(inside).has_value(); }));
  EXPECT_FALSE(HoldsConfined(reading, [&] { return ReadFile(outside).has_value(); }));
  EXPECT_FALSE(HoldsConfined(reading, [&] { return WriteFileAtomic(inside, "x").has_value(); }));
  // A link does not lead out, and neither does a new name.
  std::filesystem::create_symlink(outside, root_ / "inside/link");
  EXPECT_FALSE(HoldsConfined(reading, [&] { return ReadFile(At("inside/link")).has_value(); }));
  EXPECT_FALSE(HoldsConfined(reading, [] { return ReadFile("/etc/shadow").has_value(); }));
  EXPECT_FALSE(HoldsConfined(
      reading, [] { return ReadFile(fmt::format("/proc/{}/environ", getppid())).has_value(); }));
  EXPECT_TRUE(HoldsConfined(reading, [] { return ReadFile("/proc/self/statm").has_value(); }));
}

TEST_F(ConfineTest, FoldersThatMayBeWritten) {
  if (!HasLandlock()) GTEST_SKIP() << "no Landlock";
  const Confinement writing{.write = {At("inside")}};
  EXPECT_TRUE(HoldsConfined(writing, [&] {
    std::error_code error;
    std::filesystem::create_directory(root_ / "inside/folder", error);
    bool wrote = WriteFileAtomic(root_ / "inside/new", "x").has_value();
    std::filesystem::rename(root_ / "inside/new", root_ / "inside/folder/new", error);
    return wrote && !error;
  }));
  EXPECT_FALSE(HoldsConfined(
      writing, [&] { return WriteFileAtomic(root_ / "outside/new", "x").has_value(); }));
  EXPECT_FALSE(HoldsConfined(writing, [&] {
    return rename(At("inside/file").c_str(), At("outside/moved").c_str()) == 0;
  }));
  const Confinement removing{.remove = {At("inside")}};
  EXPECT_FALSE(HoldsConfined(removing,
                             [&] { return WriteFileAtomic(root_ / "inside/x", "x").has_value(); }));
  EXPECT_TRUE(HoldsConfined(removing, [&] {
    std::error_code error;
    std::filesystem::remove_all(root_ / "inside", error);
    return rmdir(At("inside").c_str()) == 0;
  }));
}

TEST_F(ConfineTest, ProcessesOutsideAreOutOfReach) {
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 6)
    GTEST_SKIP() << "no scopes of signals";
  EXPECT_FALSE(HoldsConfined({}, [] { return kill(getppid(), 0) == 0; }));
  EXPECT_TRUE(HoldsConfined({}, [] { return kill(getpid(), 0) == 0; }));
}

}  // namespace
}  // namespace kinglet
