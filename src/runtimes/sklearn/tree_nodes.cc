#include "runtimes/sklearn/tree_nodes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace kinglet::runtimes::sklearn {
namespace {

constexpr int64_t kMaxNodes = std::numeric_limits<int32_t>::max() / 2;

// scikit-learn compares float32 values with a double threshold; for float32 values the largest
// float32 not above it decides the same.
float FloatNotAbove(double threshold) {
  const float rounded =
      static_cast<float>(std::clamp(threshold, -double{std::numeric_limits<float>::max()},
                                    double{std::numeric_limits<float>::max()}));
  if (std::isinf(threshold)) return static_cast<float>(threshold);
  return rounded > threshold ? std::nextafter(rounded, -std::numeric_limits<float>::infinity())
                             : rounded;
}

}  // namespace

Result<FittedTree> ReadTree(const Attributes& estimator) {
  const pickle::Value tree = estimator.Raw("tree_");
  if (tree.kind() != pickle::Kind::kObject || tree.name() != "Tree") {
    return estimator.Wrong("tree_", "it is missing (is the model fitted?)");
  }
  Budget& budget = estimator.budget();
  auto nodes = pickle::ReadArray(tree.Attr("nodes"), budget);
  if (!nodes) return estimator.Wrong("tree_.nodes", nodes.error().message());
  auto values_view = pickle::ReadArray(tree.Attr("values"), budget);
  if (!values_view) return estimator.Wrong("tree_.values", values_view.error().message());
  FittedTree fitted;
  KINGLET_TRY(const double features, pickle::ReadNumber(tree.args()[0], budget));
  if (!(features >= 1 && features <= kMaxNodes)) {
    return estimator.Wrong("tree_", "its number of features is wrong");
  }
  fitted.features = static_cast<size_t>(features);
  const std::vector<int64_t>& shape = values_view->shape;
  if (nodes->shape.size() != 1 || shape.size() != 3 || nodes->count == 0 || shape[1] < 1 ||
      shape[2] < 1 || shape[0] != static_cast<int64_t>(nodes->count) || shape[0] > kMaxNodes) {
    return estimator.Wrong("tree_", "its nodes and values do not fit each other");
  }
  fitted.outputs = static_cast<size_t>(shape[1]);
  fitted.width = static_cast<size_t>(shape[2]);
  KINGLET_TRY(fitted.values, pickle::CopyNumbers<double>(*values_view, budget));
  KINGLET_TRY(const auto left, pickle::FieldView<int64_t>::Of(*nodes, "left_child", budget));
  KINGLET_TRY(const auto right, pickle::FieldView<int64_t>::Of(*nodes, "right_child", budget));
  KINGLET_TRY(const auto feature, pickle::FieldView<int64_t>::Of(*nodes, "feature", budget));
  KINGLET_TRY(const auto threshold, pickle::FieldView<double>::Of(*nodes, "threshold", budget));
  std::optional<pickle::FieldView<int64_t>> missing_left;
  if (std::ranges::any_of(nodes->dtype.fields, [](const pickle::Field& field) {
        return field.name == "missing_go_to_left";
      })) {
    KINGLET_TRY(missing_left, pickle::FieldView<int64_t>::Of(*nodes, "missing_go_to_left", budget));
  }
  KINGLET_RETURN_IF_ERROR(budget.Allocate(nodes->count, sizeof(trees::Node<float>)));
  fitted.nodes.resize(nodes->count);
  const auto count = static_cast<int64_t>(nodes->count);
  for (int64_t i = 0; i < count; ++i) {
    trees::Node<float>& node = fitted.nodes[i];
    if (left[i] == -1) {
      node.leaf = static_cast<int32_t>(i);
      continue;
    }
    if (left[i] < 0 || left[i] >= count || right[i] < 0 || right[i] >= count || feature[i] < 0 ||
        feature[i] >= static_cast<int64_t>(fitted.features) || std::isnan(threshold[i])) {
      return estimator.Wrong("tree_",
                             fmt::format("node {} of {} points outside the tree", i, count));
    }
    node.left = static_cast<int32_t>(left[i]);
    node.right = static_cast<int32_t>(right[i]);
    node.feature = static_cast<int32_t>(feature[i]);
    node.threshold = FloatNotAbove(threshold[i]);
    node.missing_left = missing_left && (*missing_left)[i] != 0;
  }
  return fitted;
}

bool TreeAcceptsNan(const Attributes& estimator) {
  const Version& version = estimator.version();
  const bool extra = estimator.class_name().starts_with("ExtraTree");
  const std::string splitter = estimator.TextOr("splitter", extra ? "random" : "best");
  if (version.AtLeast(1, 8)) return !extra || splitter == "random";
  constexpr std::array<std::string_view, 6> kCriteria = {
      "gini", "entropy", "log_loss", "squared_error", "friedman_mse", "poisson"};
  const std::string criterion = estimator.TextOr("criterion", "");
  if (std::ranges::find(kCriteria, criterion) == kCriteria.end()) return false;
  if (estimator.Has("monotonic_cst")) return false;
  if (version.AtLeast(1, 6)) return splitter == "random" || (!extra && splitter == "best");
  return version.AtLeast(1, 3) && !extra && splitter == "best";
}

}  // namespace kinglet::runtimes::sklearn
