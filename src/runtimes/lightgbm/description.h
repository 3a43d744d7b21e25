// A model file of LightGBM, read: what to build a predictor from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "runtimes/lightgbm/objective.h"
#include "runtimes/trees/forest.h"

namespace kinglet::runtimes::lightgbm {

// What a leaf of a linear tree computes: constant + sum of coefficient * feature; where one of the
// features is NaN, `otherwise`.
struct LinearLeaf {
  double constant = 0;
  double otherwise = 0;
  std::vector<int32_t> features;
  std::vector<double> coefficients;
};

struct Description {
  Objective objective;
  size_t features = 0;
  size_t outputs = 1;  // trees an iteration: one a class
  size_t iterations = 0;
  bool average = false;  // random forest: the mean over iterations instead of the sum
  std::vector<std::string> feature_names;
  std::vector<bool> categorical;  // by feature
  // From pandas: the values of each categorical feature in the order of their codes, as JSON.
  std::string pandas_categorical;
  trees::ForestSpec<double> forest;
  // Empty, or for each tree its leaves; the forest's leaf values are then indices into them.
  std::vector<std::vector<LinearLeaf>> linear_leaves;
};

// The text format of LightGBM 2.x to 4.x. The bytes are foreign.
Result<Description> ReadModel(std::string_view text, Budget& budget);

bool LooksLikeModel(std::string_view head);

}  // namespace kinglet::runtimes::lightgbm
