#include "local/kubelet/pod/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "local/kubelet/pod/open.h"

namespace kinglet::kubelet::pod {
namespace {

namespace fs = std::filesystem;

Status MountError(std::string_view what, std::string_view where) {
  return Unexpected(ErrnoError(fmt::format("{} {}", what, where), errno));
}

// Mounts what `source` is open on at `target` below the root.
Status Bind(int root, int source, const fs::path& target, bool read_only) {
  struct stat info;
  if (fstat(source, &info) != 0) return MountError("cannot mount at", target.string());
  KINGLET_TRY(Fd place, OpenPlace(root, target, S_ISDIR(info.st_mode)));
  KINGLET_TRY(Fd tree, CloneTree(source));
  return AttachTree(tree.get(), place.get(), read_only);
}

// Mounts a file of the kubelet's own, or of the host.
Status BindPath(int root, const std::string& source, const fs::path& target, bool read_only) {
  Fd fd(open(source.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return MountError("cannot mount", source);
  if (auto bound = Bind(root, fd.get(), target, read_only); !bound) {
    return Unexpected(bound.error().WithContext(source));
  }
  return {};
}

// Binds a host path at its own place, if it exists; a symbolic link is copied as one
// (/bin -> usr/bin).
Status Mirror(int root, const fs::path& path) {
  std::error_code error;
  fs::file_status status = fs::symlink_status(path, error);
  if (fs::is_symlink(status)) {
    KINGLET_TRY(Fd folder, OpenPlace(root, path.parent_path(), true));
    fs::path target = fs::read_symlink(path, error);
    if (error || symlinkat(target.c_str(), folder.get(), path.filename().c_str()) != 0) {
      return MountError("cannot copy the link", path.string());
    }
    return {};
  }
  if (!fs::is_directory(status) && !fs::is_regular_file(status)) return {};
  return BindPath(root, path.string(), path, true);
}

// The minimal root: what a dynamically linked program and a shell need.
Status MirrorMinimal(int root, const ContainerSpec& spec) {
  static constexpr const char* kPaths[] = {"/usr",
                                           "/bin",
                                           "/sbin",
                                           "/lib",
                                           "/lib64",
                                           "/lib32",
                                           "/sys",
                                           "/etc/ssl",
                                           "/etc/passwd",
                                           "/etc/group",
                                           "/etc/pki",
                                           "/etc/ca-certificates",
                                           "/etc/localtime",
                                           "/etc/nsswitch.conf",
                                           "/etc/ld.so.cache",
                                           "/etc/ld.so.conf",
                                           "/etc/alternatives",
                                           "/etc/os-release",
                                           "/etc/protocols",
                                           "/etc/services"};
  for (const char* path : kPaths) KINGLET_RETURN_IF_ERROR(Mirror(root, path));
  // resolv.conf is often a link into /run, which does not exist here.
  std::error_code error;
  std::string resolv = spec.resolv_file.empty() ? fs::canonical("/etc/resolv.conf", error).string()
                                                : spec.resolv_file;
  if (!error) KINGLET_RETURN_IF_ERROR(BindPath(root, resolv, "/etc/resolv.conf", true));
  if (!spec.hosts_file.empty()) {
    KINGLET_RETURN_IF_ERROR(BindPath(root, spec.hosts_file, "/etc/hosts", true));
  }
  return {};
}

Status WriteHostname(int root, std::string_view hostname) {
  Fd name(openat(root, "etc/hostname", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  std::string line = std::string(hostname) + "\n";
  if (!name || write(name.get(), line.data(), line.size()) < 0) {
    return MountError("cannot write", "/etc/hostname");
  }
  return {};
}

Status MakeDev(int root) {
  KINGLET_TRY(Fd dev, OpenPlace(root, "/dev", true));
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    fs::path host = fs::path("/dev") / name;
    Fd device(open(host.c_str(), O_PATH | O_CLOEXEC));
    if (!device) continue;
    KINGLET_TRY(Fd place, OpenPlace(root, host, false));
    KINGLET_TRY(Fd tree, CloneTree(device.get()));
    KINGLET_RETURN_IF_ERROR(MoveTree(tree.get(), place.get()));
  }
  static constexpr std::pair<const char*, const char*> kLinks[] = {{"/proc/self/fd", "fd"},
                                                                   {"/proc/self/fd/0", "stdin"},
                                                                   {"/proc/self/fd/1", "stdout"},
                                                                   {"/proc/self/fd/2", "stderr"}};
  for (auto [target, name] : kLinks) {
    if (symlinkat(target, dev.get(), name) != 0) return MountError("cannot link /dev/", name);
  }
  return {};
}

Status MountAt(int root, const char* type, const fs::path& target, unsigned long flags,
               const char* options) {
  KINGLET_TRY(Fd place, OpenPlace(root, target, true));
  std::string path = fmt::format("/proc/self/fd/{}", place.get());
  if (mount(type, path.c_str(), type, flags | MS_NOSUID | MS_NODEV, options) != 0) {
    return MountError(fmt::format("cannot mount a {} at", type), target.string());
  }
  return {};
}

Status MakeProc(int root) {
  if (MountAt(root, "proc", "/proc", MS_NOEXEC, nullptr)) return {};
  // Inside another container parts of /proc are covered and a new one is refused: share the old.
  return BindPath(root, "/proc", "/proc", false);
}

// What container runtimes hide from containers and make read-only: the lists of the OCI runtime
// specification's default configuration, and kernel debugging. Files whose permissions are the
// kernel's root's alone are listed, too: they must not depend on which user a container is.
Status MaskKernel(int root) {
  static constexpr const char* kMasked[] = {
      "/proc/acpi",          "/proc/asound",         "/proc/interrupts",
      "/proc/kcore",         "/proc/keys",           "/proc/kallsyms",
      "/proc/latency_stats", "/proc/sched_debug",    "/proc/scsi",
      "/proc/timer_list",    "/proc/timer_stats",    "/sys/devices/virtual/powercap",
      "/sys/firmware",       "/sys/fs/bpf",          "/sys/fs/pstore",
      "/sys/kernel/debug",   "/sys/kernel/security", "/sys/kernel/tracing"};
  static constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                              "/proc/sysrq-trigger"};
  for (const char* path : kReadOnly) {
    Fd fd(openat(root, path + 1, O_PATH | O_CLOEXEC));
    if (fd) KINGLET_RETURN_IF_ERROR(Bind(root, fd.get(), path, true));
  }
  for (const char* path : kMasked) {
    struct stat info;
    if (fstatat(root, path + 1, &info, 0) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      KINGLET_RETURN_IF_ERROR(MountAt(root, "tmpfs", path, MS_RDONLY | MS_NOEXEC, "size=4k"));
    } else {
      Fd null(openat(root, "dev/null", O_PATH | O_CLOEXEC));
      KINGLET_TRY(Fd place, OpenPlace(root, path, false));
      KINGLET_TRY(Fd tree, CloneTree(null.get()));
      KINGLET_RETURN_IF_ERROR(MoveTree(tree.get(), place.get()));
    }
  }
  // Temperature throttling of each processor tells what its other users do.
  std::error_code error;
  for (const auto& cpu : fs::directory_iterator("/sys/devices/system/cpu", error)) {
    fs::path path = cpu.path() / "thermal_throttle";
    if (fs::is_directory(path, error)) {
      KINGLET_RETURN_IF_ERROR(MountAt(root, "tmpfs", path, MS_RDONLY | MS_NOEXEC, "size=4k"));
    }
  }
  return {};
}

Status MountVolume(int root, const Mount& mount, const std::vector<Fd>& trees) {
  const fs::path target = fs::path(mount.target).lexically_normal();
  const fs::path relative = target.relative_path();
  if (relative.empty() || relative == ".") {
    return Fail(Code::kInvalidArgument, "would cover the container's root");
  }
  if (*relative.begin() == "proc" || *relative.begin() == "sys") {
    return Fail(Code::kInvalidArgument, "nothing may be mounted in /proc and /sys");
  }
  if (mount.tree < 0) {
    KINGLET_TRY(Fd source, OpenSource(mount));
    return Bind(root, source.get(), target, mount.read_only);
  }
  if (mount.tree >= static_cast<int>(trees.size())) {
    return Fail(Code::kInvalidArgument, "its volume was not passed along");
  }
  const Fd& tree = trees[static_cast<size_t>(mount.tree)];
  struct stat info;
  if (fstat(tree.get(), &info) != 0) return MountError("cannot mount", mount.source);
  KINGLET_TRY(Fd place, OpenPlace(root, target, S_ISDIR(info.st_mode)));
  return AttachTree(tree.get(), place.get(), mount.read_only);
}

// The mount that `path` is in below `at`; "" is that of `at` itself. Not what is mounted below it.
Status MakeReadOnly(int at, const char* path, std::string_view shown) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (syscall(SYS_mount_setattr, at, path, AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return MountError("cannot make read-only", shown);
  }
  return {};
}

}  // namespace

Status EnterRoot(const ContainerSpec& spec, const std::vector<Fd>& trees, std::string_view hostname,
                 uid_t owner) {
  if (unshare(CLONE_NEWNS) != 0) return MountError("cannot make", "a mount namespace");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return MountError("cannot make private", "/");
  }
  umask(022);
  const std::string& folder = spec.root_dir;
  if (mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=755") != 0) {
    return MountError("cannot mount a tmpfs at", folder);
  }
  Fd opened(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened || chown(folder.c_str(), owner, owner) != 0) return MountError("cannot own", folder);
  const int root = opened.get();
  KINGLET_RETURN_IF_ERROR(MirrorMinimal(root, spec));
  KINGLET_RETURN_IF_ERROR(WriteHostname(root, hostname));
  Fd tmp;
  if (!spec.tmp_dir.empty()) {
    KINGLET_RETURN_IF_ERROR(BindPath(root, spec.tmp_dir, "/tmp", false));
    tmp.Reset(openat(root, "tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!tmp) return MountError("cannot open", "/tmp");
  }
  KINGLET_RETURN_IF_ERROR(MakeDev(root));
  KINGLET_RETURN_IF_ERROR(MountAt(root, "tmpfs", "/dev/shm", 0, "mode=1777"));
  KINGLET_RETURN_IF_ERROR(MakeProc(root));
  KINGLET_RETURN_IF_ERROR(MaskKernel(root));
  for (const std::string& path : spec.host_paths) KINGLET_RETURN_IF_ERROR(Mirror(root, path));
  for (const Mount& mount : spec.mounts) {
    if (auto mounted = MountVolume(root, mount, trees); !mounted) {
      return Unexpected(mounted.error().WithContext("mountPath " + mount.target));
    }
  }
  if (fchdir(root) != 0) return MountError("cannot enter", folder);
  if (syscall(SYS_pivot_root, ".", ".") != 0) return MountError("cannot pivot to", folder);
  if (umount2(".", MNT_DETACH) != 0) return MountError("cannot leave", "the host's root");
  if (chdir("/") != 0) return MountError("cannot enter", "/");
  if (!spec.read_only_root) return {};
  // Last, since mount points were made in both; and /tmp by its descriptor, since a volume may
  // cover it by now, which stays writable.
  if (tmp) KINGLET_RETURN_IF_ERROR(MakeReadOnly(tmp.get(), "", "/tmp"));
  return MakeReadOnly(AT_FDCWD, "/", "/");
}

}  // namespace kinglet::kubelet::pod
