#include "server/inline_limits.h"

#include <gtest/gtest.h>

namespace kinglet::server {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMost = size_t{1} << 20;

TEST(InlineLimits, GrowWithQuickBodiesNearThem) {
  InlineLimits limits(kMost);
  const size_t first = limits.For("m");
  EXPECT_LT(first, kMost);
  limits.Note("m", 10, true, milliseconds(1));
  EXPECT_EQ(limits.For("m"), first) << "a short body says nothing of long ones";
  limits.Note("m", first, true, milliseconds(20));
  EXPECT_EQ(limits.For("m"), first) << "not quick";
  limits.Note("m", first, false, milliseconds(1));
  EXPECT_EQ(limits.For("m"), first) << "refused, which is quick whatever a prediction takes";
  for (int i = 0; i < 20; ++i) limits.Note("m", limits.For("m"), true, milliseconds(1));
  EXPECT_EQ(limits.For("m"), kMost);
}

TEST(InlineLimits, FallToWhatWouldHaveBeenQuickAndRecover) {
  InlineLimits limits(kMost);
  limits.Note("m", 1000, false, milliseconds(500));
  EXPECT_EQ(limits.For("m"), 10u);
  limits.Note("m", 1, true, milliseconds(60));
  EXPECT_EQ(limits.For("m"), 0u);
  limits.Note("m", 100, true, milliseconds(1));
  EXPECT_EQ(limits.For("m"), 100u);
}

TEST(InlineLimits, NeverExceedTheMost) {
  InlineLimits limits(10);
  EXPECT_EQ(limits.For("m"), 10u);
  limits.Note("m", 1 << 20, true, milliseconds(1));
  EXPECT_EQ(limits.For("m"), 10u);
}

}  // namespace
}  // namespace kinglet::server
