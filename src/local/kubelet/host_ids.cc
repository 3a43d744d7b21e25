#include "local/kubelet/host_ids.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <string>

#include "local/kubelet/pod/open.h"

namespace kinglet::kubelet {
namespace {

constexpr int64_t kCount = int64_t{1} << 22;  // as many as there are pod addresses
// In containers that have only the usual 65536 users.
constexpr int64_t kSmallId = 65533;
// Deeper folders are not a program's ordinary output.
constexpr int kMaxDepth = 256;

bool IsMapped(const char* map, int64_t first, int64_t count) {
  std::ifstream file(map);
  int64_t inside, outside, length;
  while (file >> inside >> outside >> length) {
    if (first >= inside && first + count <= inside + length) return true;
  }
  return false;
}

bool IsMapped(int64_t first, int64_t count) {
  return IsMapped("/proc/self/uid_map", first, count) &&
         IsMapped("/proc/self/gid_map", first, count);
}

Status WriteMap(pid_t process, const char* name, const std::string& map) {
  std::string path = fmt::format("/proc/{}/{}", process, name);
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), map.data(), map.size()) < 0) {
    return Unexpected(ErrnoError("writing " + path, errno));
  }
  return {};
}

Status GiveEntries(int folder, uid_t id, int depth) {
  if (depth > kMaxDepth) {
    return Fail(Code::kResourceExhausted, "folders more than {} deep", kMaxDepth);
  }
  std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(dup(folder)), closedir);
  if (!listing) return Unexpected(ErrnoError("cannot list a folder", errno));
  while (dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    Fd inner(openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inner) KINGLET_RETURN_IF_ERROR(GiveEntries(inner.get(), id, depth + 1));
    if (fchownat(folder, entry->d_name, id, id, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT) {
      return Unexpected(ErrnoError(fmt::format("cannot give {} to user {}", name, id), errno));
    }
  }
  return {};
}

}  // namespace

int64_t HostIds::OfPod(std::string_view pod_ip) const {
  in_addr parsed{};
  if (!per_pod || inet_pton(AF_INET, std::string(pod_ip).c_str(), &parsed) != 1) return shared;
  return shared + 1 + (ntohl(parsed.s_addr) & (kCount - 1));
}

HostIds FindHostIds(const std::filesystem::path& data_dir, int64_t first) {
  if (geteuid() != 0) return {};
  if (!IsMapped(first, kCount + 1)) {
    return IsMapped(kSmallId, 1) ? HostIds{.shared = kSmallId} : HostIds{};
  }
  auto tried = [&]() -> Status {
    KINGLET_TRY(Fd folder, pod::OpenCanonical(data_dir.string()));
    KINGLET_TRY(Fd tree, pod::CloneTree(folder.get()));
    KINGLET_TRY(Fd map, MakeIdMap(first, first + 1));
    return MapTree(tree.get(), map.get());
  }();
  return {.shared = first, .per_pod = tried.has_value()};
}

Status GiveTree(int fd, int64_t id) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Unexpected(ErrnoError("fstat", errno));
  const auto user = static_cast<uid_t>(id);
  if (id < 0 || (info.st_uid == user && info.st_gid == user)) return {};
  if (S_ISDIR(info.st_mode)) {
    Fd folder(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return Unexpected(ErrnoError("cannot open a folder", errno));
    KINGLET_RETURN_IF_ERROR(GiveEntries(folder.get(), user, 0));
  }
  // Last, so that an interrupted run is repeated.
  if (fchownat(fd, "", user, user, AT_EMPTY_PATH) != 0) {
    return Unexpected(ErrnoError(fmt::format("cannot give files to user {}", id), errno));
  }
  return {};
}

Result<Fd> MakeIdMap(int64_t on_disk, int64_t seen) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Unexpected(ErrnoError("pipe", errno));
  Fd reader(ends[0]), writer(ends[1]);
  // The namespace needs a process to be made and described; it lives on in the descriptor.
  const pid_t child = fork();
  if (child < 0) return Unexpected(ErrnoError("fork", errno));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char made = unshare(CLONE_NEWUSER) == 0 ? '+' : '-';
    if (write(writer.get(), &made, 1) != 1) _exit(1);
    for (;;) pause();
  }
  writer.Reset();
  auto made = [&]() -> Result<Fd> {
    char answer = 0;
    if (read(reader.get(), &answer, 1) != 1 || answer != '+') {
      return Fail(Code::kPermissionDenied, "the kernel refuses a user namespace");
    }
    const std::string map = fmt::format("0 0 {}\n{} {} 1\n", on_disk, on_disk, seen);
    KINGLET_RETURN_IF_ERROR(WriteMap(child, "uid_map", map));
    KINGLET_RETURN_IF_ERROR(WriteMap(child, "gid_map", map));
    Fd ns(open(fmt::format("/proc/{}/ns/user", child).c_str(), O_RDONLY | O_CLOEXEC));
    if (!ns) return Unexpected(ErrnoError("opening a user namespace", errno));
    return ns;
  }();
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return made;
}

Status MapTree(int tree, int map) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(map);
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0) {
    return Unexpected(ErrnoError("cannot map the users of a mount", errno));
  }
  return {};
}

}  // namespace kinglet::kubelet
