#include "storage/limits.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/file.h"
#include "storage/archive.h"
#include "storage/path.h"
#include "storage/web.h"

namespace kinglet::storage {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

TEST(Limits, Bytes) {
  EXPECT_EQ(*ParseBytes("0"), 0u);
  EXPECT_EQ(*ParseBytes("1000"), 1000u);
  EXPECT_EQ(*ParseBytes("2Ki"), 2048u);
  EXPECT_EQ(*ParseBytes("3G"), 3'000'000'000u);
  for (const char* bad :
       {"", "x", "-1", "1.5Gi", "1KiB", "99999999Ti", "18446744073709551616", "1 Gi"}) {
    EXPECT_FALSE(ParseBytes(bad)) << bad;
  }
}

TEST(Limits, SumsDoNotWrap) {
  EXPECT_EQ(AddWithoutWrap(1, 2), 3u);
  EXPECT_EQ(AddWithoutWrap(kMost, 1), kMost);
  EXPECT_EQ(AddWithoutWrap(uint64_t{1} << 63, uint64_t{1} << 63), kMost);
  EXPECT_EQ(Together({}, kMost).max_total_bytes, ArchiveLimits().max_total_bytes);
}

TEST(Limits, AReserveStaysFree) {
  const auto folder = *TemporaryFolder::Make("kinglet-limits");
  Fd fd(open(folder.path().c_str(), O_RDONLY | O_DIRECTORY));
  FreeSpace space(fd.get());
  EXPECT_TRUE(space.Check(0));
  auto refused = space.Check(kMost);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("kept free"));
}

TEST(Limits, NamesAreCountedWithTheirFolders) {
  PathSet paths;
  // Each name is new folders only: a thousand names are half a million folders.
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "d/";
  Status status;
  int added = 0;
  for (; added < 10'000 && status; ++added)
    status = paths.Add(fmt::format("{}/{}file", added, deep));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kResourceExhausted);
  EXPECT_LT(added, 2'500);
}

TEST(Limits, ListingsEnd) {
  Pages pages;
  EXPECT_TRUE(pages.Turn("a", "x"));
  EXPECT_TRUE(pages.Turn("b", "x"));
  EXPECT_FALSE(pages.Turn("a", "x"));  // and so on for ever
  Pages many;
  Status status;
  int count = 0;
  for (; count < 1'000'000 && status; ++count) status = many.Turn(std::to_string(count), "x");
  EXPECT_FALSE(status);
}

}  // namespace
}  // namespace kinglet::storage
