#include "server/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace kinglet::server {
namespace {

std::optional<double> ReadNumber(const std::filesystem::path& file) {
  std::ifstream in(file);
  double value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

// Cores of the cgroup's quota; nothing where there is none.
std::optional<double> Quota(const std::filesystem::path& root) {
  std::ifstream in(root / "cpu.max");  // cgroup v2: "max 100000" or "150000 100000"
  std::string quota;
  double period = 0;
  if (in >> quota >> period) {
    if (quota == "max" || period <= 0) return std::nullopt;
    return std::strtod(quota.c_str(), nullptr) / period;
  }
  for (const char* folder : {"cpu,cpuacct", "cpu"}) {
    auto limit = ReadNumber(root / folder / "cpu.cfs_quota_us");
    auto slice = ReadNumber(root / folder / "cpu.cfs_period_us");
    if (limit && slice && *limit > 0 && *slice > 0) return *limit / *slice;
  }
  return std::nullopt;
}

}  // namespace

size_t AvailableCpus(const std::filesystem::path& cgroup_root) {
  size_t count = std::max(1u, std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    count = std::min(count, static_cast<size_t>(std::max(1, CPU_COUNT(&set))));
  }
  if (auto quota = Quota(cgroup_root)) {
    count = std::min(count, static_cast<size_t>(std::max(1.0, std::ceil(*quota))));
  }
  return count;
}

}  // namespace kinglet::server
