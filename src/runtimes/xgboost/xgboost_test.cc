#include <gtest/gtest.h>

#include "runtimes/trees/parity_testing.h"

namespace kinglet::runtimes {
Plugin Plugin_xgboost();
namespace {

TEST(Xgboost, PredictsAsTheLibrary) {
  // Margins near zero are sums of larger leaves in float32.
  testing::ExpectParity(Plugin_xgboost(), 1e-6, 1.0);
}

}  // namespace
}  // namespace kinglet::runtimes
