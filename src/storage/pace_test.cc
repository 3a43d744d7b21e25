#include "storage/pace.h"

#include <gtest/gtest.h>

namespace kinglet::storage {
namespace {

// A store that gives `each` bytes a second to a connection, and no more than `all` together.
class PaceTest : public testing::Test {
 protected:
  void Run(Pace& pace, double seconds, double each, double all, bool all_used = true) {
    for (double left = seconds; left > 0; left -= 0.1) {
      received_ += 0.1 * std::min(each * pace.allowed(), all);
      now_ += std::chrono::milliseconds(100);
      pace.Measure(static_cast<uint64_t>(received_), all_used, now_);
    }
  }
  double received_ = 0;
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(PaceTest, GrowsWhileMoreBringMore) {
  Pace pace(16);
  EXPECT_EQ(pace.allowed(), 4);
  Run(pace, 6, 1e6, 1e9);
  EXPECT_EQ(pace.allowed(), 16);
}

TEST_F(PaceTest, StaysWhereMoreBringNothing) {
  Pace pace(64);
  int most = 0;
  for (int i = 0; i < 300; ++i) {
    Run(pace, 0.1, 1e6, 5e6);
    most = std::max(most, pace.allowed());
  }
  EXPECT_LE(most, 9);  // six saturate it; a step beyond is tried now and then
  EXPECT_LE(pace.allowed(), 9);
  EXPECT_GE(pace.allowed(), 4);
}

TEST_F(PaceTest, LearnsNothingFromConnectionsThatAreNotUsed) {
  Pace pace(16);
  Run(pace, 6, 1e6, 1e9, false);
  EXPECT_EQ(pace.allowed(), 4);
}

TEST_F(PaceTest, HalvesWhenRefusedAndRecovers) {
  Pace pace(16);
  Run(pace, 6, 1e6, 1e9);
  for (int i = 0; i < 16; ++i) pace.Refused(now_);  // one for each connection
  EXPECT_EQ(pace.allowed(), 8);
  Run(pace, 1, 1e6, 1e9);
  pace.Refused(now_);
  EXPECT_EQ(pace.allowed(), 4);
  for (int i = 0; i < 5; ++i, now_ += std::chrono::seconds(1)) pace.Refused(now_);
  EXPECT_EQ(pace.allowed(), 1);
  Run(pace, 12, 1e6, 1e9);
  EXPECT_EQ(pace.allowed(), 16);
}

TEST_F(PaceTest, NeverMoreThanAsked) {
  Pace one(1), none(0);
  Run(one, 5, 1e6, 1e9);
  EXPECT_EQ(one.allowed(), 1);
  EXPECT_EQ(none.allowed(), 1);
}

}  // namespace
}  // namespace kinglet::storage
