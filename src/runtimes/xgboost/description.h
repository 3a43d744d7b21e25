// A model file of XGBoost, read: what to build a predictor from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "runtimes/trees/forest.h"
#include "runtimes/xgboost/objective.h"
#include "runtimes/xgboost/value.h"

namespace kinglet::runtimes::xgboost {

struct Description {
  Objective objective;
  size_t features = 0;
  size_t outputs = 1;                      // margins a row: classes or targets
  std::vector<float> base_margins;         // one an output
  std::vector<std::string> feature_names;  // empty: the model has none
  // booster gblinear: weights[feature * outputs + output], then one bias an output. Else the trees.
  bool linear = false;
  std::vector<float> weights;
  trees::ForestSpec<float> forest;
};

// XGBoost 1.0 and later, JSON or UBJSON, within the file's budget.
Result<Description> ReadDocument(const Value& document, Budget& budget);

// The binary format that save_model wrote before 2.1 to any name but .json and .ubj.
bool LooksLikeBinary(std::string_view head);
Result<Description> ReadBinary(std::string_view bytes, Budget& budget);

// Shared by both. A float threshold of XGBoost's "x < t goes left" as "x <= threshold".
float LessThan(float threshold);
// Fills base_margins and checks the counts against each other.
Status SetOutputs(Description& description, int64_t classes, int64_t targets,
                  const std::vector<double>& base_scores, const Budget& budget);

}  // namespace kinglet::runtimes::xgboost
