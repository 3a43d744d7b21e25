// The format is that of Booster.save_model; each tree's fields are those of
// https://github.com/microsoft/LightGBM, Tree::ToString.
#include "runtimes/lightgbm/description.h"

#include <algorithm>
#include <limits>

#include "runtimes/lightgbm/text.h"

namespace kinglet::runtimes::lightgbm {
namespace {

// Bits of decision_type.
constexpr int32_t kCategorical = 1;
constexpr int32_t kDefaultLeft = 2;
constexpr int32_t kMissingShift = 2;

// What a feature's name takes: a string, and a place in the index of names.
constexpr uint64_t kNameBytes = 128;

// Reads the trees of one model; its members are reused from tree to tree.
class TreeReader {
 public:
  Result<trees::Tree<double>> Read(const Section& section, std::vector<LinearLeaf>& linear) {
    KINGLET_TRY(const int64_t leaves, section.Integer("num_leaves"));
    if (leaves < 1 || leaves > 1 << 30) {
      return Fail(Code::kInvalidArgument, "num_leaves={} is not sensible", leaves);
    }
    trees::Tree<double> tree;
    KINGLET_RETURN_IF_ERROR(section.Numbers("leaf_value", leaves, tree.leaf_values));
    const size_t splits = static_cast<size_t>(leaves) - 1;
    KINGLET_RETURN_IF_ERROR(section.Numbers("split_feature", splits, feature_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("threshold", splits, threshold_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("left_child", splits, left_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("right_child", splits, right_));
    decision_.assign(splits, 0);
    if (section.Has("decision_type")) {
      KINGLET_RETURN_IF_ERROR(section.Numbers("decision_type", splits, decision_));
    }
    KINGLET_RETURN_IF_ERROR(ReadCategories(section, tree));
    if (section["is_linear"] == "1") {
      KINGLET_RETURN_IF_ERROR(ReadLinear(section, tree, linear));
    }
    // Splits first, then leaves: LightGBM's child ~i is leaf i.
    const auto child = [&](int32_t index) {
      return index >= 0 ? index : static_cast<int32_t>(splits) + ~index;
    };
    tree.nodes.resize(splits + leaves);
    for (size_t i = 0; i < splits; ++i) {
      trees::Node<double>& node = tree.nodes[i];
      // A leaf number may be anything; one beyond the leaves is beyond the nodes and refused.
      if (std::min(left_[i], right_[i]) < -leaves) {
        return Fail(Code::kInvalidArgument, "split {} leads to a leaf that is not there", i);
      }
      node.left = child(left_[i]);
      node.right = child(right_[i]);
      node.feature = feature_[i];
      if (decision_[i] & kCategorical) {
        // NaN is in no category.
        node.category_set = CategorySet(threshold_[i]);
        node.missing_left = false;
        continue;
      }
      const int32_t missing = decision_[i] >> kMissingShift & 3;
      if (missing == 3) {
        return Fail(Code::kInvalidArgument, "split {} has an unknown missing type", i);
      }
      node.threshold = threshold_[i];
      node.missing = static_cast<trees::Missing>(missing);
      node.missing_left = decision_[i] & kDefaultLeft;
    }
    for (int32_t i = 0; i < leaves; ++i) tree.nodes[splits + i].leaf = i;
    return tree;
  }

 private:
  // Out of range becomes the first set that is not there, which the forest refuses.
  int32_t CategorySet(double threshold) const {
    const double sets = static_cast<double>(sets_);
    return static_cast<int32_t>(threshold >= 0 && threshold < sets ? threshold : sets);
  }

  Status ReadCategories(const Section& section, trees::Tree<double>& tree) {
    sets_ = 0;
    if (!section.Has("cat_boundaries")) return {};
    KINGLET_RETURN_IF_ERROR(section.Numbers("cat_boundaries", boundaries_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("cat_threshold", words_));
    for (size_t i = 0; i + 1 < boundaries_.size(); ++i) {
      const int32_t first = boundaries_[i], last = boundaries_[i + 1];
      // Each starts where the one before ends, so that sets do not repeat words without bound.
      if (first < 0 || last < first || static_cast<size_t>(last) > words_.size()) {
        return Fail(Code::kInvalidArgument, "category set {} lies outside cat_threshold", i);
      }
      tree.category_sets.emplace_back(words_.begin() + first, words_.begin() + last);
    }
    sets_ = tree.category_sets.size();
    return {};
  }

  Status ReadLinear(const Section& section, trees::Tree<double>& tree,
                    std::vector<LinearLeaf>& linear) {
    const size_t leaves = tree.leaf_values.size();
    KINGLET_RETURN_IF_ERROR(section.Numbers("leaf_const", leaves, threshold_scratch_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("num_features", leaves, count_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("leaf_features", leaf_features_));
    KINGLET_RETURN_IF_ERROR(section.Numbers("leaf_coeff", coefficients_));
    size_t at = 0;
    for (size_t i = 0; i < leaves; ++i) {
      LinearLeaf& leaf = linear.emplace_back();
      leaf.constant = threshold_scratch_[i];
      leaf.otherwise = tree.leaf_values[i];
      const size_t count = static_cast<size_t>(std::max(count_[i], 0));
      if (count > leaf_features_.size() - at || at + count > coefficients_.size()) {
        return Fail(Code::kInvalidArgument, "leaf {} has {} features, more than are given", i,
                    count);
      }
      leaf.features.assign(leaf_features_.begin() + at, leaf_features_.begin() + at + count);
      leaf.coefficients.assign(coefficients_.begin() + at, coefficients_.begin() + at + count);
      at += count;
    }
    return {};
  }

  size_t sets_ = 0;
  std::vector<int32_t> feature_, left_, right_, decision_, boundaries_, count_, leaf_features_;
  std::vector<uint32_t> words_;
  std::vector<double> threshold_, threshold_scratch_, coefficients_;
};

// A linear model computes its leaves itself: the forest says for each tree which leaf it is.
Status MakeLinear(Description& out) {
  trees::ForestSpec<double>& forest = out.forest;
  forest.outputs = forest.trees.size();
  for (size_t t = 0; t < forest.trees.size(); ++t) {
    trees::Tree<double>& tree = forest.trees[t];
    std::vector<LinearLeaf>& leaves = out.linear_leaves[t];
    // A tree that could not be made linear has constant leaves.
    const bool constant = leaves.empty();
    for (size_t i = 0; i < tree.leaf_values.size(); ++i) {
      if (constant) leaves.push_back({.constant = tree.leaf_values[i]});
      for (int32_t feature : leaves[i].features) {
        if (feature < 0 || static_cast<size_t>(feature) >= out.features) {
          return Fail(Code::kInvalidArgument, "tree {}: leaf {} uses feature {} of {}", t, i,
                      feature, out.features);
        }
      }
      tree.leaf_values[i] = static_cast<double>(i);
    }
    tree.output = static_cast<int32_t>(t);
  }
  return {};
}

Status ReadHeader(const Section& header, Budget& budget, Description& out) {
  KINGLET_TRY(const int64_t outputs, header.Integer("num_tree_per_iteration"));
  KINGLET_TRY(const int64_t last_feature, header.Integer("max_feature_idx"));
  if (outputs < 1) {
    return Fail(Code::kInvalidArgument, "num_tree_per_iteration={} is not sensible", outputs);
  }
  KINGLET_RETURN_IF_ERROR(budget.CheckClaim(static_cast<uint64_t>(outputs), "trees an iteration"));
  if (last_feature < -1 || last_feature > 1 << 30) {
    return Fail(Code::kInvalidArgument, "max_feature_idx={} is not sensible", last_feature);
  }
  out.outputs = static_cast<size_t>(outputs);
  out.features = static_cast<size_t>(last_feature + 1);
  out.average = header.Has("average_output");
  KINGLET_TRY(out.objective, ParseObjective(header["objective"]));
  for (std::string_view name : Words(header["feature_names"])) {
    KINGLET_RETURN_IF_ERROR(budget.Allocate(kNameBytes + name.size()));
    out.feature_names.emplace_back(name);
  }
  if (out.feature_names.size() != out.features) {
    return Fail(Code::kInvalidArgument, "the model has {} features and {} feature_names",
                out.features, out.feature_names.size());
  }
  // "[least:most]" of numbers, "none" where a feature is constant, else its categories.
  for (std::string_view info : Words(header["feature_infos"])) {
    out.categorical.push_back(info != "none" && !info.starts_with('['));
  }
  out.categorical.resize(out.features);
  return {};
}

}  // namespace

bool LooksLikeModel(std::string_view head) {
  Lines lines(head);
  return lines.Next() == "tree" && head.find("num_tree_per_iteration=") != head.npos;
}

Result<Description> ReadModel(std::string_view text, Budget& budget) {
  Lines lines(text);
  if (lines.Next() != "tree") {
    return Fail(Code::kInvalidArgument,
                "not a model of LightGBM: it does not begin with \"tree\"; save the model with "
                "Booster.save_model('model.txt')");
  }
  Description out;
  KINGLET_TRY(const Section header, Section::Read(lines, budget));
  KINGLET_RETURN_IF_ERROR(ReadHeader(header, budget, out));
  TreeReader reader;
  bool linear = false, ended = false;
  while (!lines.AtEnd() && !ended) {
    const std::string_view line = lines.Peek();
    if (line.starts_with("Tree=")) {
      lines.Next();
      std::vector<LinearLeaf> leaves;
      const size_t t = out.forest.trees.size();
      KINGLET_TRY(const Section section, Section::Read(lines, budget));
      auto tree = reader.Read(section, leaves);
      if (!tree) return Unexpected(tree.error().WithContext(fmt::format("tree {}", t)));
      tree->output = static_cast<int32_t>(t % out.outputs);
      linear |= !leaves.empty();
      out.forest.trees.push_back(std::move(*tree));
      out.linear_leaves.push_back(std::move(leaves));
    } else if (line.empty()) {
      lines.Next();
    } else if (line == "end of trees") {
      ended = true;
    } else {
      return Fail(Code::kInvalidArgument, "\"{}\" where a tree was expected", line.substr(0, 40));
    }
  }
  if (!ended) return Fail(Code::kInvalidArgument, "the file ends before \"end of trees\"");
  if (out.forest.trees.size() % out.outputs != 0) {
    return Fail(Code::kInvalidArgument, "{} trees are no whole number of iterations of {}",
                out.forest.trees.size(), out.outputs);
  }
  out.iterations = out.forest.trees.size() / out.outputs;
  constexpr std::string_view kPandas = "pandas_categorical:";
  while (!lines.AtEnd()) {
    const std::string_view line = lines.Next();
    if (line.starts_with(kPandas)) out.pandas_categorical = line.substr(kPandas.size());
  }
  out.forest.features = out.features;
  out.forest.outputs = out.outputs;
  if (linear && !out.forest.trees.empty()) {
    KINGLET_RETURN_IF_ERROR(MakeLinear(out));
  } else {
    out.linear_leaves.clear();
  }
  return out;
}

}  // namespace kinglet::runtimes::lightgbm
