#include "server/cpus.h"

#include <gtest/gtest.h>

#include "server/testing.h"

namespace kinglet::server {
namespace {

TEST(AvailableCpus, QuotaLimits) {
  TemporaryFolder folder;
  size_t all = AvailableCpus(folder.path());
  EXPECT_GE(all, 1u);
  folder.Write("cpu.max", "max 100000\n");
  EXPECT_EQ(AvailableCpus(folder.path()), all);
  folder.Write("cpu.max", "50000 100000\n");
  EXPECT_EQ(AvailableCpus(folder.path()), 1u);
  std::filesystem::remove(folder.path() / "cpu.max");
  folder.Write("cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  folder.Write("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(AvailableCpus(folder.path()), 1u);
  folder.Write("cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(AvailableCpus(folder.path()), all);
}

}  // namespace
}  // namespace kinglet::server
