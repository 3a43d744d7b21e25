#include "local/kubelet/pod/open.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace kinglet::kubelet::pod {
namespace {

namespace fs = std::filesystem;

Fd Open(int folder, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_PATH | O_CLOEXEC;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    Fd fd(static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof(how))));
    // The kernel asks for another try if something was renamed while it looked.
    if (fd || errno != EAGAIN) return fd;
  }
}

// Makes a folder in an open one, for the same owner. EEXIST is no error.
Status MakeFolderIn(int parent, const char* name) {
  if (mkdirat(parent, name, 0755) != 0) {
    if (errno == EEXIST) return {};
    return Unexpected(ErrnoError(fmt::format("cannot make the folder {}", name), errno));
  }
  struct stat info;
  if (fstat(parent, &info) != 0) return Unexpected(ErrnoError("fstat", errno));
  // Fails for owners that are not known here: the folder remains the kubelet's then.
  (void)fchownat(parent, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW);
  return {};
}

Error LeadsOut(const Mount& mount) {
  return Error(Code::kInvalidArgument,
               fmt::format("subPath \"{}\" leads out of its volume", mount.sub));
}

}  // namespace

Result<Fd> OpenCanonical(const std::string& path) {
  Fd fd = Open(AT_FDCWD, path.c_str(), 0, RESOLVE_NO_SYMLINKS);
  if (fd) return fd;
  if (errno == ELOOP) {
    return Fail(Code::kFailedPrecondition, "{} has become a symbolic link", path);
  }
  return Unexpected(ErrnoError("cannot open " + path, errno));
}

Result<Fd> OpenSource(const Mount& mount) {
  KINGLET_TRY(Fd at, OpenCanonical(mount.source));
  if (mount.sub.empty()) return at;
  if (Fd found = Open(at.get(), mount.sub.c_str(), 0, RESOLVE_BENEATH)) return found;
  if (errno == EXDEV || errno == ELOOP) return Unexpected(LeadsOut(mount));
  if (errno != ENOENT || !mount.make_sub) {
    return Unexpected(ErrnoError("subPath " + mount.sub, errno));
  }
  fs::path made;
  Fd parent;
  for (const fs::path& part : fs::path(mount.sub).lexically_normal()) {
    if (part.empty() || part == ".") continue;
    made /= part;
    Fd next = Open(at.get(), made.c_str(), O_DIRECTORY, RESOLVE_BENEATH);
    if (!next && errno == ENOENT) {
      KINGLET_RETURN_IF_ERROR(MakeFolderIn(parent ? parent.get() : at.get(), part.c_str()));
      next = Open(at.get(), made.c_str(), O_DIRECTORY, RESOLVE_BENEATH);
      // Whatever the umask says: the container may be another user.
      if (next) (void)chmod(fmt::format("/proc/self/fd/{}", next.get()).c_str(), 0755);
    }
    if (!next && (errno == EXDEV || errno == ELOOP || errno == ENOENT)) {
      return Unexpected(LeadsOut(mount));
    }
    if (!next) return Unexpected(ErrnoError("subPath " + mount.sub, errno));
    parent = std::move(next);
  }
  return parent;
}

Result<Fd> OpenPlace(int root, const fs::path& target, bool folder) {
  const fs::path relative = target.relative_path().lexically_normal();
  Fd at(fcntl(root, F_DUPFD_CLOEXEC, 0));
  for (auto it = relative.begin(); it != relative.end(); ++it) {
    if (it->empty() || *it == ".") continue;
    if (*it == "..") {
      return Fail(Code::kInvalidArgument, "{} contains \"..\"", target.string());
    }
    const bool file = !folder && std::next(it) == relative.end();
    const uint64_t flags = file ? 0 : O_DIRECTORY;
    constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    Fd next = Open(at.get(), it->c_str(), flags, kResolve);
    if (!next && errno == ENOENT) {
      bool made;
      if (file) {
        made = static_cast<bool>(Fd(openat(
            at.get(), it->c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644)));
      } else {
        made = mkdirat(at.get(), it->c_str(), 0755) == 0;
      }
      if (!made && errno != EEXIST) {
        return Unexpected(
            ErrnoError(fmt::format("cannot make the mount point {}", target.string()), errno));
      }
      next = Open(at.get(), it->c_str(), flags, kResolve);
    }
    if (!next && errno == ELOOP) {
      return Fail(Code::kInvalidArgument, "{} leads through a symbolic link", target.string());
    }
    if (!next) {
      return Unexpected(
          ErrnoError(fmt::format("cannot open the mount point {}", target.string()), errno));
    }
    at = std::move(next);
  }
  return at;
}

Result<Fd> CloneTree(int fd) {
  Fd tree(static_cast<int>(syscall(
      SYS_open_tree, fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return Unexpected(ErrnoError("cannot clone the mount", errno));
  return tree;
}

Status MoveTree(int tree, int place) {
  if (syscall(SYS_move_mount, tree, "", place, "",
              MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return Unexpected(ErrnoError("cannot attach the mount", errno));
  }
  return {};
}

Status AttachTree(int tree, int place, bool read_only) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0);
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
              sizeof(attributes)) != 0) {
    return Unexpected(ErrnoError("cannot restrict the mount", errno));
  }
  return MoveTree(tree, place);
}

}  // namespace kinglet::kubelet::pod
