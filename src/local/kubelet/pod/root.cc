#include "local/kubelet/pod/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

namespace kinglet::kubelet::pod {
namespace {

namespace fs = std::filesystem;

Status MountError(std::string_view what, std::string_view where) {
  return Unexpected(ErrnoError(fmt::format("{} {}", what, where), errno));
}

// "/a//b/../c" -> components; kInvalidArgument for ".." (a mount path must not climb).
Result<fs::path> Relative(std::string_view target) {
  fs::path path = fs::path(target).relative_path();
  for (const fs::path& part : path) {
    if (part == "..") return Fail(Code::kInvalidArgument, "mountPath {} contains \"..\"", target);
  }
  return path.lexically_normal();
}

Status MakePlace(const fs::path& place, bool folder) {
  std::error_code error;
  fs::create_directories(folder ? place : place.parent_path(), error);
  if (error) {
    return Fail(Code::kInternal, "cannot make the mount point {}: {}", place.string(),
                error.message());
  }
  if (!folder && !fs::exists(place, error)) {
    Fd fd(open(place.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (!fd) return MountError("cannot make the mount point", place.string());
  }
  return {};
}

Status Bind(const fs::path& source, const fs::path& place, bool read_only) {
  struct stat info;
  if (stat(source.c_str(), &info) != 0) return MountError("cannot mount", source.string());
  KINGLET_RETURN_IF_ERROR(MakePlace(place, S_ISDIR(info.st_mode)));
  if (mount(source.c_str(), place.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return MountError("cannot bind", source.string());
  }
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | (read_only ? MOUNT_ATTR_RDONLY : 0);
  if (syscall(SYS_mount_setattr, AT_FDCWD, place.c_str(), AT_RECURSIVE, &attributes,
              sizeof(attributes)) != 0) {
    return MountError("cannot restrict the mount of", source.string());
  }
  return {};
}

// Binds a host path at its own place, when it is there; a symbolic link is copied as one
// (/bin -> usr/bin).
Status Mirror(const fs::path& root, const fs::path& path) {
  std::error_code error;
  fs::file_status status = fs::symlink_status(path, error);
  if (!fs::exists(status)) return {};
  fs::path place = root / path.relative_path();
  if (fs::is_symlink(status)) {
    KINGLET_RETURN_IF_ERROR(MakePlace(place.parent_path(), true));
    fs::copy_symlink(path, place, error);
    return {};
  }
  if (!fs::is_directory(status) && !fs::is_regular_file(status)) return {};
  return Bind(path, place, true);
}

// The minimal root: what a dynamically linked program and a shell need.
Status MirrorMinimal(const fs::path& root, const std::string& resolv_file) {
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
  // resolv.conf is often a link into /run, which is not here.
  std::error_code error;
  fs::path resolv =
      resolv_file.empty() ? fs::canonical("/etc/resolv.conf", error) : fs::path(resolv_file);
  if (!error) KINGLET_RETURN_IF_ERROR(Bind(resolv, root / "etc/resolv.conf", true));
  return {};
}

// The host's files. Where a mount goes below a top folder of the host (/mnt/models), that folder is
// made anew from its entries, because no mount point can be made in a read-only one.
Status MirrorHost(const fs::path& root, const std::vector<Mount>& mounts) {
  std::set<std::string> parted;
  for (const Mount& mount : mounts) {
    KINGLET_TRY(fs::path relative, Relative(mount.target));
    if (!relative.empty() && ++relative.begin() != relative.end()) {
      parted.insert(relative.begin()->string());
    }
  }
  const std::set<std::string> own = {"proc", "dev"};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/", error)) {
    std::string name = entry.path().filename().string();
    if (own.contains(name)) continue;
    if (!parted.contains(name) || !fs::is_directory(entry.symlink_status())) {
      KINGLET_RETURN_IF_ERROR(Mirror(root, entry.path()));
      continue;
    }
    KINGLET_RETURN_IF_ERROR(MakePlace(root / name, true));
    for (const auto& inner : fs::directory_iterator(entry.path(), error)) {
      KINGLET_RETURN_IF_ERROR(Mirror(root, inner.path()));
    }
  }
  return {};
}

Status MakeDev(const fs::path& root) {
  fs::path dev = root / "dev";
  KINGLET_RETURN_IF_ERROR(MakePlace(dev / "shm", true));
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    fs::path host = fs::path("/dev") / name;
    std::error_code error;
    if (!fs::exists(host, error)) continue;
    KINGLET_RETURN_IF_ERROR(MakePlace(dev / name, false));
    if (mount(host.c_str(), (dev / name).c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return MountError("cannot bind", host.string());
    }
  }
  std::error_code error;
  fs::create_symlink("/proc/self/fd", dev / "fd", error);
  fs::create_symlink("/proc/self/fd/0", dev / "stdin", error);
  fs::create_symlink("/proc/self/fd/1", dev / "stdout", error);
  fs::create_symlink("/proc/self/fd/2", dev / "stderr", error);
  if (mount("tmpfs", (dev / "shm").c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0) {
    return MountError("cannot mount", "/dev/shm");
  }
  return {};
}

Status MakeProc(const fs::path& root) {
  fs::path proc = root / "proc";
  KINGLET_RETURN_IF_ERROR(MakePlace(proc, true));
  if (mount("proc", proc.c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) {
    return {};
  }
  // Inside another container parts of /proc are covered and a new one is refused: share the old.
  if (mount("/proc", proc.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return MountError("cannot mount", "/proc");
  }
  return {};
}

}  // namespace

Status EnterRoot(const ContainerSpec& spec, std::string_view hostname) {
  if (unshare(CLONE_NEWNS) != 0) return MountError("cannot make", "a mount namespace");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return MountError("cannot make private", "/");
  }
  umask(022);
  const fs::path root = spec.root_dir;
  if (mount("tmpfs", root.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=755") != 0) {
    return MountError("cannot mount a tmpfs at", root.string());
  }
  if (spec.host_files) {
    KINGLET_RETURN_IF_ERROR(MirrorHost(root, spec.mounts));
  } else {
    KINGLET_RETURN_IF_ERROR(MirrorMinimal(root, spec.resolv_file));
    if (!spec.tmp_dir.empty()) {
      KINGLET_RETURN_IF_ERROR(Bind(spec.tmp_dir, root / "tmp", false));
    }
    if (!spec.hosts_file.empty()) {
      KINGLET_RETURN_IF_ERROR(Bind(spec.hosts_file, root / "etc/hosts", false));
    }
    Fd name(open((root / "etc/hostname").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (name) {
      std::string line = std::string(hostname) + "\n";
      if (write(name.get(), line.data(), line.size()) < 0) {
        return MountError("cannot write", "/etc/hostname");
      }
    }
  }
  KINGLET_RETURN_IF_ERROR(MakeDev(root));
  KINGLET_RETURN_IF_ERROR(MakeProc(root));
  for (const std::string& path : spec.host_paths) {
    if (!spec.host_files) KINGLET_RETURN_IF_ERROR(Mirror(root, path));
  }
  for (const Mount& mount : spec.mounts) {
    KINGLET_TRY(fs::path relative, Relative(mount.target));
    if (relative.empty() || relative == ".") {
      return Fail(Code::kInvalidArgument, "mountPath {} would cover the container's root",
                  mount.target);
    }
    if (auto bound = Bind(mount.source, root / relative, mount.read_only); !bound) {
      return Unexpected(bound.error().WithContext("mountPath " + mount.target));
    }
  }
  if (chdir(root.c_str()) != 0) return MountError("cannot enter", root.string());
  if (syscall(SYS_pivot_root, ".", ".") != 0) return MountError("cannot pivot to", root.string());
  if (umount2(".", MNT_DETACH) != 0) return MountError("cannot leave", "the host's root");
  if (chdir("/") != 0) return MountError("cannot enter", "/");
  if (spec.read_only_root) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof(attributes)) != 0) {
      return MountError("cannot make read-only", "/");
    }
  }
  return {};
}

}  // namespace kinglet::kubelet::pod
