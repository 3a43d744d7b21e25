#include "runtimes/trees/forest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace kinglet::runtimes::trees {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
Result<Forest<T>> BuildForest(ForestSpec<T> spec) {
  Budget budget = Budget::ForInput(1 << 20);
  return Forest<T>::Build(std::move(spec), budget);
}

// What a forest means, written as plainly as possible.
template <class T>
bool GoesLeft(const Tree<T>& tree, const Node<T>& node, T x) {
  const bool zero = std::abs(x) <= T(1e-35f);
  if (std::isnan(x) && node.missing == Missing::kNone) x = 0;
  if (std::isnan(x) || (node.missing == Missing::kZero && zero)) return node.missing_left;
  if (node.category_set < 0) return x <= node.threshold;
  if (std::is_same_v<T, float> && x < 0) return false;
  const double category = std::trunc(x);
  const auto& set = tree.category_sets[node.category_set];
  if (category < 0 || category >= 32.0 * set.size()) return false;
  const size_t bit = static_cast<size_t>(category);
  return (set[bit / 32] >> (bit % 32)) & 1;
}

template <class T>
void NaiveSum(const ForestSpec<T>& spec, const T* row, double* out) {
  std::vector<float> sums(out, out + spec.outputs);
  for (const Tree<T>& tree : spec.trees) {
    const Node<T>* node = &tree.nodes[0];
    while (node->left != -1) {
      node = &tree.nodes[GoesLeft(tree, *node, row[node->feature]) ? node->left : node->right];
    }
    for (size_t k = 0; k < (spec.vector_leaves ? spec.outputs : 1); ++k) {
      const size_t output = spec.vector_leaves ? k : tree.output;
      sums[output] += static_cast<float>(tree.leaf_values[node->leaf + k]);
      out[output] += tree.leaf_values[node->leaf + k];
    }
  }
  if (spec.float_sums) std::copy(sums.begin(), sums.end(), out);
}

struct Shape {
  size_t features = 5;
  size_t outputs = 1;
  size_t trees = 30;
  size_t nodes = 40;  // splits a tree, at most
  bool vector_leaves = false;
  bool float_sums = false;
  bool categories = false;
  bool float_leaves = false;
};

using Random = std::mt19937;
size_t Below(Random& random, size_t n) { return random() % n; }

// Few different values, so that rows meet thresholds, zeros and categories exactly.
template <class T>
T AnyValue(Random& random) {
  switch (Below(random, 10)) {
    case 0:
      return T(0);
    case 1:
      return T(-0.0);
    case 2:
      return T(1e-36);
    case 3:
      return T(kInfinity);
    case 4:
      return T(-kInfinity);
    case 5:
      return T(-0.5);
    default:
      return T(static_cast<int>(Below(random, 90)) - 10);
  }
}

template <class T>
Tree<T> RandomTree(Random& random, const Shape& shape) {
  Tree<T> tree;
  const size_t width = shape.vector_leaves ? shape.outputs : 1;
  auto add_leaf = [&] {
    Node<T> leaf;
    leaf.leaf = static_cast<int32_t>(tree.leaf_values.size());
    for (size_t k = 0; k < width; ++k) {
      const double value = static_cast<double>(random()) / 3e8 - 7;
      tree.leaf_values.push_back(shape.float_leaves ? static_cast<float>(value) : value);
    }
    tree.nodes.push_back(leaf);
  };
  add_leaf();
  const size_t splits = Below(random, shape.nodes + 1);
  for (size_t i = 0; i < splits; ++i) {
    size_t at = Below(random, tree.nodes.size());
    if (tree.nodes[at].left != -1) continue;
    Node<T> split;
    // The right child may come before the left one.
    split.left = static_cast<int32_t>(tree.nodes.size());
    split.right = split.left + 1;
    if (random() % 2) std::swap(split.left, split.right);
    split.feature = static_cast<int32_t>(Below(random, shape.features));
    split.threshold = AnyValue<T>(random);
    split.missing = static_cast<Missing>(Below(random, 3));
    split.missing_left = random() % 2;
    if (shape.categories && random() % 3 == 0) {
      split.category_set = static_cast<int32_t>(tree.category_sets.size());
      auto& set = tree.category_sets.emplace_back(Below(random, 4));
      for (uint32_t& word : set) word = static_cast<uint32_t>(random());
    }
    add_leaf();
    add_leaf();
    tree.nodes[at] = split;
  }
  tree.output = shape.vector_leaves ? 0 : static_cast<int32_t>(Below(random, shape.outputs));
  return tree;
}

template <class T>
ForestSpec<T> RandomSpec(Random& random, const Shape& shape) {
  ForestSpec<T> spec;
  spec.features = shape.features;
  spec.outputs = shape.outputs;
  spec.vector_leaves = shape.vector_leaves;
  spec.float_sums = shape.float_sums;
  for (size_t i = 0; i < shape.trees; ++i) spec.trees.push_back(RandomTree<T>(random, shape));
  return spec;
}

template <class T>
void ExpectAsNaive(uint32_t seed, const Shape& shape) {
  Random random(seed);
  const ForestSpec<T> spec = RandomSpec<T>(random, shape);
  auto forest = BuildForest(spec);
  ASSERT_TRUE(forest) << forest.error().ToString();
  ASSERT_EQ(forest->features(), shape.features);
  ASSERT_EQ(forest->outputs(), shape.outputs);
  for (size_t n : {0, 1, 7, 8, 9, 64, 65, 150}) {
    const size_t stride = shape.features + n % 3;
    std::vector<T> rows(n * stride);
    for (T& x : rows) x = Below(random, 6) == 0 ? T(kNan) : AnyValue<T>(random);
    std::vector<double> expected(n * shape.outputs, 0.5), actual = expected;
    for (size_t i = 0; i < n; ++i) {
      NaiveSum(spec, &rows[i * stride], &expected[i * shape.outputs]);
    }
    forest->Sum(rows.data(), n, stride, actual.data());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(actual[i], expected[i]) << "seed " << seed << " rows " << n << " value " << i;
    }
  }
}

TEST(Forest, SumsAsANaiveTraversal) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    for (bool categories : {false, true}) {
      for (bool float_leaves : {false, true}) {
        Shape shape{.categories = categories, .float_leaves = float_leaves};
        shape.trees = 1 + seed;
        shape.float_sums = seed % 2;
        ExpectAsNaive<float>(seed, shape);
        ExpectAsNaive<double>(seed, shape);
        shape.outputs = 3;
        ExpectAsNaive<float>(seed, shape);
        ExpectAsNaive<double>(seed, shape);
        shape.vector_leaves = true;
        ExpectAsNaive<float>(seed, shape);
        ExpectAsNaive<double>(seed, shape);
      }
    }
  }
}

TEST(Forest, ManyFeaturesUseWideNodes) {
  // Slots and children together take more than 32 bits.
  Shape shape{.features = 70000, .trees = 60, .nodes = 3000};
  ExpectAsNaive<float>(1, shape);
}

// Thresholds of one feature that one byte, two bytes and not even two bytes can number.
template <class T>
void ExpectManyThresholdsAsNaive(int32_t count) {
  ForestSpec<T> spec{.features = 1};
  for (int32_t i = 0; i < count; ++i) {
    spec.trees.push_back(
        {.nodes = {{.left = 1, .right = 2, .feature = 0, .threshold = static_cast<T>(i) / 2},
                   {.leaf = 0},
                   {.leaf = 1}},
         .leaf_values = {0, static_cast<double>(i % 7)}});
  }
  auto forest = BuildForest(spec);
  ASSERT_TRUE(forest);
  std::vector<T> rows = {-1, T(-0.0), 0, T(0.25), T(kNan)};
  for (int32_t i = 0; i < 70; ++i) rows.push_back(static_cast<T>(i) * static_cast<T>(count) / 128);
  std::vector<double> actual(rows.size()), expected(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) NaiveSum(spec, &rows[i], &expected[i]);
  forest->Sum(rows.data(), rows.size(), 1, actual.data());
  EXPECT_EQ(actual, expected);
}

TEST(Forest, AnyNumberOfThresholds) {
  for (int32_t count : {1, 2, 255, 256, 4000}) {
    SCOPED_TRACE(count);
    ExpectManyThresholdsAsNaive<float>(count);
    ExpectManyThresholdsAsNaive<double>(count);
  }
  ExpectManyThresholdsAsNaive<float>(65536);
}

// About 256 leaves are the most that batches go down by ranks.
TEST(Forest, TreesOfManyLeaves) {
  for (uint32_t seed = 0; seed < 4; ++seed) {
    Shape shape{.trees = 3, .nodes = 500};
    ExpectAsNaive<float>(seed, shape);
    ExpectAsNaive<double>(seed, shape);
  }
}

TEST(Forest, ALongChainIsNoProblem) {
  ForestSpec<double> spec{.features = 1};
  Tree<double>& tree = spec.trees.emplace_back();
  const int32_t depth = 20000;
  for (int32_t i = 0; i < depth; ++i) {
    tree.nodes.push_back(
        {.left = 2 * i + 1, .right = 2 * i + 2, .feature = 0, .threshold = static_cast<double>(i)});
    tree.nodes.push_back({.leaf = i});
    tree.leaf_values.push_back(i);
  }
  tree.leaf_values.push_back(-1);
  tree.nodes.push_back({.leaf = depth});
  auto forest = BuildForest(spec);
  ASSERT_TRUE(forest) << forest.error().ToString();
  for (double x : {0.0, 17.5, 19999.0, 1e9}) {
    double expected = 0, actual = 0;
    NaiveSum(spec, &x, &expected);
    forest->Sum(&x, 1, 1, &actual);
    EXPECT_EQ(actual, expected);
  }
}

TEST(Forest, MissingGoesRightOfAnInfiniteThreshold) {
  // scikit-learn's split of everything against missing.
  ForestSpec<float> spec{.features = 1};
  spec.trees.push_back({.nodes = {{.left = 1,
                                   .right = 2,
                                   .feature = 0,
                                   .threshold = std::numeric_limits<float>::infinity()},
                                  {.leaf = 0},
                                  {.leaf = 1}},
                        .leaf_values = {1, 2}});
  auto forest = BuildForest(spec);
  ASSERT_TRUE(forest);
  const float rows[] = {3, std::numeric_limits<float>::infinity(), static_cast<float>(kNan)};
  double out[3] = {};
  forest->Sum(rows, 3, 1, out);
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[1], 1);
  EXPECT_EQ(out[2], 2);
}

TEST(Forest, AForestWithoutTreesAddsNothing) {
  auto forest = BuildForest(ForestSpec<float>{.features = 2});
  ASSERT_TRUE(forest);
  const float row[] = {1, 2};
  double out = 4;
  forest->Sum(row, 1, 2, &out);
  EXPECT_EQ(out, 4);
}

// A tree of one split to break.
ForestSpec<double> Stump() {
  ForestSpec<double> spec{.features = 2};
  spec.trees.push_back(
      {.nodes = {{.left = 1, .right = 2, .feature = 1, .threshold = 3}, {.leaf = 0}, {.leaf = 1}},
       .leaf_values = {1, 2}});
  return spec;
}

void ExpectRefused(const ForestSpec<double>& spec, std::string_view why) {
  auto forest = BuildForest(spec);
  ASSERT_FALSE(forest) << why;
  EXPECT_EQ(forest.error().code(), Code::kInvalidArgument);
  EXPECT_NE(forest.error().message().find(why), std::string::npos) << forest.error().message();
}

TEST(Forest, RefusesWhatIsNoForest) {
  ASSERT_TRUE(BuildForest(Stump()));
  auto broken = [](auto change) {
    ForestSpec<double> spec = Stump();
    change(spec, spec.trees[0].nodes);
    return spec;
  };
  using Nodes = std::vector<Node<double>>;
  using Spec = ForestSpec<double>;
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].left = 3; }), "has children 3 and 2 of 3 nodes");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].right = -1; }), "has children");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].right = -7; }), "has children");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].right = 0; }), "reached twice");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].right = 1; }), "reached twice");
  ExpectRefused(broken([](Spec&, Nodes& n) {
                  n[1] = n[0];
                  n[1].left = 0;
                }),
                "reached twice");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].feature = 2; }), "splits on feature 2");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].feature = -1; }), "splits on feature");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].threshold = kNan; }), "no threshold");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[0].category_set = 0; }), "category set 0 of 0");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[1].leaf = -1; }), "leaf 1 has no value");
  ExpectRefused(broken([](Spec&, Nodes& n) { n[2].leaf = 2; }), "leaf 2 has no value");
  ExpectRefused(broken([](Spec& s, Nodes&) { s.vector_leaves = true, s.outputs = 2; }),
                "leaf 2 has no value");
  ExpectRefused(broken([](Spec& s, Nodes&) { s.trees[0].output = 1; }), "output 1 of 1");
  ExpectRefused(broken([](Spec& s, Nodes&) { s.trees[0].output = -1; }), "output -1 of 1");
  ExpectRefused(broken([](Spec& s, Nodes&) { s.outputs = 0; }), "no outputs");
  ExpectRefused(broken([](Spec&, Nodes& n) { n.clear(); }), "tree 0: has no nodes");
}

}  // namespace
}  // namespace kinglet::runtimes::trees
