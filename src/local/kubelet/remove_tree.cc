#include "local/kubelet/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>

#include "base/file.h"

namespace kinglet::kubelet {
namespace {

// Opens a folder, giving its owner the permissions that removing its entries needs.
Result<Fd> OpenFolder(int parent, const char* name) {
  Fd place(openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!place) return Unexpected(ErrnoError(fmt::format("cannot open {}", name), errno));
  (void)chmod(fmt::format("/proc/self/fd/{}", place.get()).c_str(), 0700);
  Fd folder(openat(place.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Unexpected(ErrnoError(fmt::format("cannot open {}", name), errno));
  return folder;
}

Status ForEach(const Fd& folder, const std::function<Status(const char*)>& visit) {
  Fd again(openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> listing(again ? fdopendir(again.get()) : nullptr, closedir);
  if (!listing) return Unexpected(ErrnoError("cannot list a folder", errno));
  (void)again.Release();  // closedir closes it
  while (dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") KINGLET_RETURN_IF_ERROR(visit(entry->d_name));
  }
  return {};
}

// Whether the entry is gone; not if it is a folder that is not empty.
Result<bool> Remove(int folder, const char* name) {
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return true;
  if (errno == EISDIR || errno == EPERM) {
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == EACCES) return false;
  }
  return Unexpected(ErrnoError(fmt::format("cannot remove {}", name), errno));
}

// Empties the folder `name` of `top`: its own folders move to `top`, where their turn comes.
Status Flatten(const Fd& top, const char* name, uint64_t& moved) {
  KINGLET_TRY(Fd folder, OpenFolder(top.get(), name));
  return ForEach(folder, [&](const char* entry) -> Status {
    KINGLET_TRY(bool gone, Remove(folder.get(), entry));
    if (gone) return {};
    // Another parent means another "..", for which the folder itself must be writable.
    KINGLET_TRY(Fd inner, OpenFolder(folder.get(), entry));
    for (;;) {
      std::string free_name = fmt::format("{}", ++moved);
      if (renameat2(folder.get(), entry, top.get(), free_name.c_str(), RENAME_NOREPLACE) == 0) {
        return {};
      }
      if (errno != EEXIST) {
        return Unexpected(ErrnoError(fmt::format("cannot move {}", entry), errno));
      }
    }
  });
}

}  // namespace

Status RemoveTree(const std::filesystem::path& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 && errno == ENOENT) return {};
  KINGLET_TRY(Fd top, OpenFolder(AT_FDCWD, path.c_str()));
  uint64_t moved = 0;
  for (bool empty = false; !empty;) {
    empty = true;
    KINGLET_RETURN_IF_ERROR(ForEach(top, [&](const char* name) -> Status {
      KINGLET_TRY(bool gone, Remove(top.get(), name));
      if (gone) return {};
      empty = false;
      KINGLET_RETURN_IF_ERROR(Flatten(top, name, moved));
      KINGLET_TRY(gone, Remove(top.get(), name));
      return {};
    }));
  }
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
    return Unexpected(ErrnoError("cannot remove " + path.string(), errno));
  }
  return {};
}

}  // namespace kinglet::kubelet
