// sklearn.tree._tree.Tree, the Cython structure inside every tree estimator.
#pragma once

#include <vector>

#include "base/result.h"
#include "runtimes/sklearn/attributes.h"
#include "runtimes/trees/forest.h"

namespace kinglet::runtimes::sklearn {

struct FittedTree {
  // `leaf` of a leaf is its node's index.
  std::vector<trees::Node<float>> nodes;
  // [node][output][class]: nodes.size() * outputs * width.
  std::vector<double> values;
  size_t outputs = 1;
  size_t width = 1;
  size_t features = 0;

  const double* value(size_t node, size_t output) const {
    return values.data() + (node * outputs + output) * width;
  }
};

// From a DecisionTree*'s or ExtraTree*'s attribute tree_.
Result<FittedTree> ReadTree(const Attributes& estimator);

// Whether the tree lets NaN through: since 1.3, for some criteria and splitters.
bool TreeAcceptsNan(const Attributes& estimator);

}  // namespace kinglet::runtimes::sklearn
