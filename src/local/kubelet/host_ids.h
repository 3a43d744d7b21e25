// The users of this machine that pods run as when the kubelet is root. Without root there is no
// choice: pods run as the kubelet's user.
//
// Each pod is a user of its own, so that one pod's files and processes are not another's, even if
// it gets out of its namespaces. Volumes that outlive pods belong to one user, `shared`, on the
// disk; each pod sees them as its own through an id-mapped mount (mount_setattr(2)). Where the data
// folder's file system has none, all pods are `shared`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet {

// 0x7C000000. Of the numbers that systemd's list (UIDS-GIDS.md) leaves to nobody, those that SSSD's
// default range for directory users ends before.
inline constexpr int64_t kDefaultFirstHostId = 2080374784;
// As many as there are pod addresses come after the first; 2^32 - 1 is no user.
inline constexpr int64_t kMaxFirstHostId = (int64_t{1} << 32) - (int64_t{1} << 22) - 3;

// Values: users and groups have the same numbers.
struct HostIds {
  int64_t shared = -1;  // -1: pods run as the kubelet's user
  bool per_pod = false;

  // The user of the pod with this address; it is the same after a restart, as the address is.
  int64_t OfPod(std::string_view pod_ip) const;
};

// What can be had here: tries an id-mapped mount of `data_dir`, which must exist.
HostIds FindHostIds(const std::filesystem::path& data_dir, int64_t first);

// Gives what is open at `fd` (O_PATH is enough), and all below it, to a user and group, unless it
// belongs to them already. Follows no symbolic links. `id` -1: does nothing.
Status GiveTree(int fd, int64_t id);

// A user namespace that maps `on_disk` to `seen` and the users below `on_disk` to themselves.
Result<Fd> MakeIdMap(int64_t on_disk, int64_t seen);

// Makes a detached mount show the users of its files as `map` (of MakeIdMap) says.
Status MapTree(int tree, int map);

}  // namespace kinglet::kubelet
