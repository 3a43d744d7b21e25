#include "base/confine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "base/syscall_filter.h"

namespace kinglet {
namespace {

// Of linux/landlock.h, which older systems have without the later half.
constexpr uint64_t kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3, kRemoveDir = 1 << 4,
                   kRemoveFile = 1 << 5, kMakeDir = 1 << 7, kMakeRegular = 1 << 8,
                   kMakeSymlink = 1 << 12, kRefer = 1 << 13, kTruncate = 1 << 14,
                   kIoctlDevice = 1 << 15;
constexpr uint64_t kAllOfVersion2 = (1 << 14) - 1;
constexpr uint64_t kConnectTcp = 1 << 1;
constexpr uint64_t kScopes = 0b11;  // abstract sockets, signals
constexpr uint32_t kVersionFlag = 1;
constexpr int kPathBeneath = 1;

struct RulesetAttributes {
  uint64_t handled_fs, handled_net, scoped;
};

// Packed, as the kernel's.
struct [[gnu::packed]] PathBeneathAttributes {
  uint64_t allowed;
  int32_t parent;
};

constexpr uint64_t kRead = kReadFile | kReadDir;
constexpr uint64_t kOfFiles =
    kWriteFile | kReadFile | kTruncate | kIoctlDevice;  // the rest: of folders
constexpr uint64_t kWrite = kRead | kWriteFile | kTruncate | kRemoveDir | kRemoveFile | kMakeDir |
                            kMakeRegular | kMakeSymlink | kRefer;

// /etc as a whole has keys and password hashes, which root may read. /proc is harmless: Landlock
// refuses the parts of it that look into processes outside.
constexpr const char* kSystemFiles[] = {"/usr",
                                        "/lib",
                                        "/lib64",
                                        "/lib32",
                                        "/nix/store",
                                        "/proc",
                                        "/sys/devices/system/cpu",
                                        "/sys/fs/cgroup",
                                        "/dev/zero",
                                        "/dev/random",
                                        "/dev/urandom",
                                        "/etc/ssl",
                                        "/etc/pki",
                                        "/etc/ca-certificates",
                                        "/etc/crypto-policies",
                                        "/etc/resolv.conf",
                                        "/etc/hosts",
                                        "/etc/host.conf",
                                        "/etc/nsswitch.conf",
                                        "/etc/gai.conf",
                                        "/etc/services",
                                        "/etc/protocols",
                                        "/etc/localtime",
                                        "/etc/ld.so.cache",
                                        "/etc/passwd",
                                        "/etc/group",
                                        "/etc/krb5.conf",
                                        "/etc/krb5.conf.d",
                                        "/etc/gss",
                                        "/var/lib/sss/pubconf"};

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// The version of Landlock's interface; 0 when there is none.
int LandlockVersion() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  return version > 0 ? static_cast<int>(version) : 0;
}

class Ruleset {
 public:
  Ruleset(int version, bool connect) {
    RulesetAttributes attributes{kAllOfVersion2, 0, 0};
    size_t size = sizeof attributes.handled_fs;
    if (version >= 3) attributes.handled_fs |= kTruncate;
    if (version >= 5) attributes.handled_fs |= kIoctlDevice;
    if (version >= 4) {
      attributes.handled_net = connect ? 0 : kConnectTcp;
      size += sizeof attributes.handled_net;
    }
    if (version >= 6) {
      attributes.scoped = kScopes;
      size += sizeof attributes.scoped;
    }
    handled_ = attributes.handled_fs;
    fd_.Reset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  }

  // What does not exist, or a file system that the kernel has no rules for, is left out: it then
  // cannot be opened.
  void Allow(const std::string& path, uint64_t access) {
    Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat info{};
    if (!fd || fstat(fd.get(), &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) access &= kOfFiles;
    PathBeneathAttributes attributes{access & handled_, fd.get()};
    syscall(SYS_landlock_add_rule, fd_.get(), kPathBeneath, &attributes, 0);
  }

  Status Enforce() const {
    if (fd_ && syscall(SYS_landlock_restrict_self, fd_.get(), 0) == 0) return {};
    return Unexpected(ErrnoError("Landlock", errno));
  }

 private:
  Fd fd_;
  uint64_t handled_ = 0;
};

Status RestrictFiles(const Confinement& confinement, int version) {
  // Version 1 refuses every rename to another folder, which is how a download is published.
  if (version < 2) return Fail(Code::kUnimplemented, "Linux 5.19 or later with Landlock is needed");
  Ruleset ruleset(version, confinement.connect);
  for (const char* path : kSystemFiles) ruleset.Allow(path, kRead);
  ruleset.Allow("/dev/null", kReadFile | kWriteFile | kTruncate);
  for (const std::string& path : confinement.read) ruleset.Allow(path, kRead);
  for (const std::string& path : confinement.write) ruleset.Allow(path, kWrite);
  for (const std::string& path : confinement.remove) {
    ruleset.Allow(path, kRead | kRemoveFile | kRemoveDir);
    ruleset.Allow(std::filesystem::path(path).parent_path(), kRemoveDir);
  }
  return ruleset.Enforce();
}

// Root keeps what files of other owners and low ports take. CAP_SYS_ADMIN, CAP_PERFMON or
// CAP_SYS_PTRACE would let it read the memory of others in /proc although Landlock does not.
void DropCapabilities() {
  constexpr uint32_t kKept = 1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH |
                             1 << CAP_FOWNER | 1 << CAP_FSETID | 1 << CAP_NET_BIND_SERVICE;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return;
  data[0].effective &= kKept;
  data[0].permitted &= kKept;
  data[0].inheritable = data[1].inheritable = 0;
  data[1].effective = data[1].permitted = 0;
  syscall(SYS_capset, &header, data);
}

// Whether a supervisor without privileges reads this process's memory to make system calls for it,
// as kinglet-pod does where there are no user namespaces: a filter is in force already, and the
// user is an ordinary one of the machine. Such a supervisor would be locked out with everybody
// else.
bool MayBeSupervised() {
  if (geteuid() == 0 || prctl(PR_GET_SECCOMP) == 0) return false;
  auto map = ReadFile("/proc/self/uid_map", 4096);
  return map && map->find("4294967295") != std::string::npos;
}

// A core dump has everything in it that the process ever read. (The size limit does not hold for
// dumps that are piped to a program; that nothing of memory is to be dumped does.)
void ForbidDumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  Fd filter(open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC));
  if (filter) (void)!write(filter.get(), "0", 1);
  if (!MayBeSupervised()) prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

void Confine(const Confinement& confinement) {
  if (kSanitized) return;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ForbidDumps();
  const int version = LandlockVersion();
  DropCapabilities();
  Status files = RestrictFiles(confinement, version);
  Status calls = InstallSyscallFilter(confinement.connect);
  auto state = [](const Status& status) {
    return status ? std::string("restricted") : "not restricted: " + status.error().message();
  };
  if (files && calls) {
    LogInfo("confined", {{"landlock_version", version}});
  } else {
    LogWarning("confined in part: the kernel does not offer more",
               {{"files", state(files)}, {"system_calls", state(calls)}});
  }
}

}  // namespace kinglet
