// How many cores this process may use.
#pragma once

#include <cstddef>
#include <filesystem>

namespace kinglet::server {

// The least of the affinity mask and the cgroup's quota (v1 or v2), rounded up; at least 1.
size_t AvailableCpus(const std::filesystem::path& cgroup_root = "/sys/fs/cgroup");

}  // namespace kinglet::server
