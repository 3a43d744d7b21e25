// https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html, "JSON Schema".
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtimes/xgboost/description.h"

namespace kinglet::runtimes::xgboost {
namespace {

Result<int64_t> Integer(const Value& object, std::string_view key) {
  auto number = object[key].Number();
  if (!number) return Unexpected(number.error().WithContext(key));
  if (!(std::abs(*number) <= 1 << 30) || *number != std::floor(*number)) {
    return Fail(Code::kInvalidArgument, "{}: {} is not a sensible count", key, *number);
  }
  return static_cast<int64_t>(*number);
}

Result<int64_t> IntegerOr(const Value& object, std::string_view key, int64_t fallback) {
  if (object[key].IsNull()) return fallback;
  return Integer(object, key);
}

Status Floats(const Value& object, std::string_view key, std::vector<double>& scratch,
              std::vector<float>& out) {
  if (Status status = object[key].Numbers(scratch); !status) {
    return Unexpected(status.error().WithContext(key));
  }
  out.resize(scratch.size());
  std::transform(scratch.begin(), scratch.end(), out.begin(),
                 [](double x) { return static_cast<float>(x); });
  return {};
}

Status Integers(const Value& object, std::string_view key, std::vector<double>& scratch,
                std::vector<int32_t>& out) {
  if (Status status = object[key].Numbers(scratch); !status) {
    return Unexpected(status.error().WithContext(key));
  }
  out.resize(scratch.size());
  for (size_t i = 0; i < out.size(); ++i) {
    // Also catches NaN.
    if (!(scratch[i] >= std::numeric_limits<int32_t>::min() &&
          scratch[i] <= std::numeric_limits<int32_t>::max())) {
      return Fail(Code::kInvalidArgument, "{}: {} is out of range", key, scratch[i]);
    }
    out[i] = static_cast<int32_t>(scratch[i]);
  }
  return {};
}

// Reads the trees of one model; its members are reused from tree to tree.
class TreeReader {
 public:
  TreeReader(size_t outputs, Budget& budget) : outputs_(outputs), budget_(budget) {}

  // `vector_leaves` is set where the tree has a value for each output in a leaf.
  Result<trees::Tree<float>> Read(const Value& tree, bool& vector_leaves) {
    KINGLET_RETURN_IF_ERROR(Integers(tree, "left_children", scratch_, left_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "right_children", scratch_, right_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "split_indices", scratch_, feature_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "default_left", scratch_, default_left_));
    KINGLET_RETURN_IF_ERROR(Floats(tree, "split_conditions", scratch_, condition_));
    const size_t nodes = left_.size();
    for (size_t size : {right_.size(), feature_.size(), default_left_.size(), condition_.size()}) {
      if (size != nodes) {
        return Fail(Code::kInvalidArgument, "the arrays of nodes differ in length: {} and {}",
                    nodes, size);
      }
    }
    KINGLET_TRY(const int64_t width, IntegerOr(tree["tree_param"], "size_leaf_vector", 0));
    // 0 and 1 both mean one value a leaf.
    vector_leaves = width > 1;
    if (vector_leaves && static_cast<size_t>(width) != outputs_) {
      return Fail(Code::kInvalidArgument, "leaves have {} values, the model has {} outputs", width,
                  outputs_);
    }
    trees::Tree<float> out;
    KINGLET_RETURN_IF_ERROR(ReadCategories(tree, out));
    if (vector_leaves) KINGLET_RETURN_IF_ERROR(ReadLeafVectors(tree, out));
    out.nodes.resize(nodes);
    for (size_t i = 0; i < nodes; ++i) {
      trees::Node<float>& node = out.nodes[i];
      if (left_[i] == -1) {
        SetLeaf(i, node, out);
        continue;
      }
      node.left = left_[i];
      node.right = right_[i];
      node.feature = feature_[i];
      node.missing_left = default_left_[i] != 0;
      if (set_of_node_[i] >= 0) {
        // XGBoost sends the categories of the set to the right.
        std::swap(node.left, node.right);
        node.missing_left = !node.missing_left;
        node.category_set = set_of_node_[i];
      } else {
        node.threshold = LessThan(condition_[i]);
      }
    }
    return out;
  }

 private:
  void SetLeaf(size_t i, trees::Node<float>& node, trees::Tree<float>& tree) {
    if (leaf_width_ == 0) {
      node.leaf = static_cast<int32_t>(tree.leaf_values.size());
      tree.leaf_values.push_back(condition_[i]);
    } else {
      // Since 3.1 a leaf's right child numbers its vector; before, vectors lay by node.
      const int64_t at = leaves_numbered_ ? right_[i] : static_cast<int64_t>(i);
      // Out of range becomes a leaf without values, which the forest refuses.
      const int64_t first = at * static_cast<int64_t>(leaf_width_);
      node.leaf = first > std::numeric_limits<int32_t>::max() ? -1 : static_cast<int32_t>(first);
    }
  }

  Status ReadLeafVectors(const Value& tree, trees::Tree<float>& out) {
    leaf_width_ = outputs_;
    leaves_numbered_ = !tree["leaf_weights"].IsNull();
    const std::string_view key = leaves_numbered_ ? "leaf_weights" : "base_weights";
    if (Status status = tree[key].Numbers(out.leaf_values); !status) {
      return Unexpected(status.error().WithContext(key));
    }
    return {};
  }

  Status ReadCategories(const Value& tree, trees::Tree<float>& out) {
    leaf_width_ = 0;
    set_of_node_.assign(left_.size(), -1);
    if (tree["categories_nodes"].IsNull()) return {};
    KINGLET_RETURN_IF_ERROR(Integers(tree, "categories_nodes", scratch_, category_nodes_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "categories_segments", scratch_, segments_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "categories_sizes", scratch_, sizes_));
    KINGLET_RETURN_IF_ERROR(Integers(tree, "categories", scratch_, categories_));
    if (segments_.size() != category_nodes_.size() || sizes_.size() != category_nodes_.size()) {
      return Fail(Code::kInvalidArgument, "the arrays of categories differ in length");
    }
    for (size_t i = 0; i < category_nodes_.size(); ++i) {
      const int32_t node = category_nodes_[i];
      const int64_t first = segments_[i], size = sizes_[i];
      if (node < 0 || static_cast<size_t>(node) >= left_.size() || first < 0 || size < 0 ||
          static_cast<size_t>(first + size) > categories_.size()) {
        return Fail(Code::kInvalidArgument, "category set {} lies outside the tree", i);
      }
      set_of_node_[node] = static_cast<int32_t>(out.category_sets.size());
      std::vector<uint32_t>& set = out.category_sets.emplace_back();
      KINGLET_RETURN_IF_ERROR(ReadSet(std::span(categories_).subspan(first, size), set));
    }
    return {};
  }

  Status ReadSet(std::span<const int32_t> categories, std::vector<uint32_t>& set) {
    if (categories.empty()) return {};
    const auto [least, most] = std::minmax_element(categories.begin(), categories.end());
    if (*least < 0 || *most >= 1 << 24) {
      return Fail(Code::kInvalidArgument, "category {} is out of range",
                  *least < 0 ? *least : *most);
    }
    const size_t words = static_cast<size_t>(*most) / 32 + 1;
    // A bit for each number up to the largest category.
    if (Status status = budget_.Allocate(words, sizeof(uint32_t)); !status) {
      return Unexpected(status.error().WithContext("the categories' numbers are too large"));
    }
    set.resize(words);
    for (int32_t category : categories) set[category / 32] |= 1u << (category % 32);
    return {};
  }

  const size_t outputs_;
  Budget& budget_;
  size_t leaf_width_ = 0;  // 0: scalar leaves
  bool leaves_numbered_ = false;
  std::vector<double> scratch_;
  std::vector<int32_t> left_, right_, feature_, default_left_;
  std::vector<float> condition_;
  std::vector<int32_t> category_nodes_, segments_, sizes_, categories_, set_of_node_;
};

Status ReadTrees(const Value& model, const Value& weight_drop, Budget& budget, Description& out) {
  const Value::Items& trees = model["trees"].items();
  std::vector<double> scratch;
  std::vector<int32_t> groups;
  KINGLET_RETURN_IF_ERROR(Integers(model, "tree_info", scratch, groups));
  if (groups.size() != trees.size()) {
    return Fail(Code::kInvalidArgument, "tree_info has {} entries for {} trees", groups.size(),
                trees.size());
  }
  // dart: what each tree is scaled by.
  std::vector<double> weights;
  if (!weight_drop.IsNull()) {
    KINGLET_RETURN_IF_ERROR(weight_drop.Numbers(weights));
    if (!weights.empty() && weights.size() != trees.size()) {
      return Fail(Code::kInvalidArgument, "weight_drop has {} entries for {} trees", weights.size(),
                  trees.size());
    }
  }
  TreeReader reader(out.outputs, budget);
  for (size_t i = 0; i < trees.size(); ++i) {
    bool vector_leaves = false;
    auto tree = reader.Read(trees[i], vector_leaves);
    if (!tree) return Unexpected(tree.error().WithContext(fmt::format("tree {}", i)));
    if (i > 0 && vector_leaves != out.forest.vector_leaves) {
      return Fail(Code::kInvalidArgument, "tree {} has another kind of leaves than the rest", i);
    }
    out.forest.vector_leaves = vector_leaves;
    tree->output = vector_leaves ? 0 : groups[i];
    if (!weights.empty()) {
      const float weight = static_cast<float>(weights[i]);
      for (double& value : tree->leaf_values) value = static_cast<float>(value) * weight;
    }
    out.forest.trees.push_back(std::move(*tree));
  }
  out.forest.features = out.features;
  out.forest.outputs = out.outputs;
  out.forest.float_sums = true;
  return {};
}

Status ReadBooster(const Value& booster, Budget& budget, Description& out) {
  const std::string& name = booster["name"].text();
  if (name == "gblinear") {
    out.linear = true;
    std::vector<double> scratch;
    KINGLET_RETURN_IF_ERROR(Floats(booster["model"], "weights", scratch, out.weights));
    if (out.weights.size() != (out.features + 1) * out.outputs) {
      return Fail(Code::kInvalidArgument, "gblinear has {} weights for {} features and {} outputs",
                  out.weights.size(), out.features, out.outputs);
    }
    return {};
  }
  if (name == "dart") {
    return ReadTrees(booster["gbtree"]["model"], booster["weight_drop"], budget, out);
  }
  if (name == "gbtree") {
    // Since 3.3 dart is a gbtree with weights.
    return ReadTrees(booster["model"], booster["model"]["weight_drop"], budget, out);
  }
  return Fail(Code::kUnimplemented, "XGBoost booster \"{}\" is not supported", name.substr(0, 40));
}

// "5E-1", or since 3.1 "[5E-1,1E0]".
Result<std::vector<double>> BaseScores(const Value& value) {
  std::string_view text = value.text();
  std::vector<double> scores;
  if (text.starts_with('[') && text.ends_with(']')) {
    KINGLET_RETURN_IF_ERROR(PackedNumbers{.bytes = text.substr(1, text.size() - 2)}.Decode(scores));
  } else {
    KINGLET_TRY(const double score, value.Number());
    scores.push_back(score);
  }
  return scores;
}

}  // namespace

float LessThan(float threshold) {
  return std::nextafter(threshold, -std::numeric_limits<float>::infinity());
}

Status SetOutputs(Description& description, int64_t classes, int64_t targets,
                  const std::vector<double>& base_scores, const Budget& budget) {
  const int64_t outputs = std::max<int64_t>({classes, targets, 1});
  KINGLET_RETURN_IF_ERROR(budget.CheckClaim(static_cast<uint64_t>(outputs), "outputs"));
  description.outputs = static_cast<size_t>(outputs);
  if (base_scores.size() != 1 && base_scores.size() != description.outputs) {
    return Fail(Code::kInvalidArgument, "base_score has {} values for {} outputs",
                base_scores.size(), outputs);
  }
  for (size_t k = 0; k < description.outputs; ++k) {
    const double score = base_scores[base_scores.size() == 1 ? 0 : k];
    KINGLET_TRY(const float margin, Margin(description.objective, score));
    description.base_margins.push_back(margin);
  }
  return {};
}

Result<Description> ReadDocument(const Value& document, Budget& budget) {
  const Value& learner = document["learner"];
  if (!learner.IsObject()) {
    return Fail(Code::kInvalidArgument,
                "no \"learner\" in the document: not a model of XGBoost's save_model");
  }
  Description out;
  KINGLET_TRY(out.objective, FindObjective(learner["objective"]["name"].text()));
  const Value& param = learner["learner_model_param"];
  KINGLET_TRY(const int64_t features, Integer(param, "num_feature"));
  KINGLET_TRY(const int64_t classes, IntegerOr(param, "num_class", 0));
  KINGLET_TRY(const int64_t targets, IntegerOr(param, "num_target", 1));
  if (features < 0) return Fail(Code::kInvalidArgument, "num_feature is {}", features);
  out.features = static_cast<size_t>(features);
  auto base_scores = BaseScores(param["base_score"]);
  if (!base_scores) return Unexpected(base_scores.error().WithContext("base_score"));
  KINGLET_RETURN_IF_ERROR(SetOutputs(out, classes, targets, *base_scores, budget));
  for (const Value& name : learner["feature_names"].items()) {
    out.feature_names.push_back(name.text());
  }
  if (!out.feature_names.empty() && out.feature_names.size() != out.features) {
    return Fail(Code::kInvalidArgument, "the model has {} features and {} feature_names",
                out.features, out.feature_names.size());
  }
  KINGLET_RETURN_IF_ERROR(ReadBooster(learner["gradient_booster"], budget, out));
  return out;
}

}  // namespace kinglet::runtimes::xgboost
