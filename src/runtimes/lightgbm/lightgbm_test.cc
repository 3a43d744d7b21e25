#include <gtest/gtest.h>

#include "runtimes/trees/parity_testing.h"

namespace kinglet::runtimes {
Plugin Plugin_lightgbm();
namespace {

TEST(Lightgbm, PredictsAsTheLibrary) { testing::ExpectParity(Plugin_lightgbm(), 1e-6, 1e-6); }

}  // namespace
}  // namespace kinglet::runtimes
