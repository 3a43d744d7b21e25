// sklearn.tree and the averaging forests of sklearn.ensemble.
#include "runtimes/sklearn/tree_nodes.h"

#include <algorithm>
#include <optional>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

// Trees of one kind, whose leaf vectors are added. A classifier's leaf vector has each output's
// classes in turn, a regressor's has one number an output.
class TreeEnsemble : public Estimator {
 public:
  struct Shape {
    std::vector<size_t> widths;  // numbers an output has in a leaf vector
    size_t total = 0;
    double trees = 1;
    bool average = false;  // a forest
    bool counts = false;   // leaves hold class counts, which predict_proba divides
    Accept accept = Accept::kFiniteFloat32;
  };

  TreeEnsemble(Traits traits, Shape shape, trees::Forest<float> forest)
      : Estimator(std::move(traits)), shape_(std::move(shape)), forest_(std::move(forest)) {}

  Status Predict(const Table& x, double* out) const override {
    if (traits_.classes.empty()) return Sum(x, out);
    Buffer<double> sums(x.rows * shape_.total);
    KINGLET_RETURN_IF_ERROR(Sum(x, sums.data()));
    const double* row = sums.data();
    for (size_t r = 0; r < x.rows; ++r) {
      for (const size_t width : shape_.widths) {
        *out++ = static_cast<double>(ArgMax(row, width));
        row += width;
      }
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Sum(x, out));
    if (!shape_.counts) return {};
    for (size_t r = 0; r < x.rows; ++r) {
      for (const size_t width : shape_.widths) {
        double sum = 0;
        for (size_t k = 0; k < width; ++k) sum += out[k];
        if (sum == 0) sum = 1;
        for (size_t k = 0; k < width; ++k) out[k] /= sum;
        out += width;
      }
    }
    return {};
  }

 private:
  Status Sum(const Table& x, double* out) const {
    KINGLET_RETURN_IF_ERROR(Check(x, shape_.accept));
    const size_t cells = x.rows * x.columns;
    Buffer<float> values(cells);
    for (size_t i = 0; i < cells; ++i) values[i] = static_cast<float>(x.values[i]);
    std::fill_n(out, x.rows * shape_.total, 0.0);
    forest_.Sum(values.data(), x.rows, x.columns, out);
    if (shape_.average) {
      for (size_t i = 0; i < x.rows * shape_.total; ++i) out[i] /= shape_.trees;
    }
    return {};
  }

  Shape shape_;
  trees::Forest<float> forest_;
};

// Classes of each output: `classes_` is an array, or a list of arrays for several outputs.
Result<std::vector<Labels>> ReadClasses(const Attributes& attributes, size_t outputs) {
  std::vector<Labels> classes;
  if (outputs == 1) {
    KINGLET_TRY(Labels labels, attributes.Classes("classes_"));
    classes.push_back(std::move(labels));
    return classes;
  }
  KINGLET_TRY(const std::vector<pickle::Value> items, attributes.Items("classes_"));
  for (const pickle::Value item : items) {
    KINGLET_TRY(Labels labels, attributes.ClassesOf("classes_", item));
    if (labels.size() == 0) return attributes.Wrong("classes_", "an output has none");
    classes.push_back(std::move(labels));
  }
  return classes;
}

// The tree with only its leaves' values, in the layout of TreeEnsemble.
trees::Tree<float> WithLeaves(FittedTree tree, const std::vector<size_t>& widths, bool normalise) {
  trees::Tree<float> out;
  out.nodes = std::move(tree.nodes);
  for (size_t i = 0; i < out.nodes.size(); ++i) {
    trees::Node<float>& node = out.nodes[i];
    if (node.left != -1) continue;
    node.leaf = static_cast<int32_t>(out.leaf_values.size());
    for (size_t output = 0; output < tree.outputs; ++output) {
      const double* value = tree.value(i, output);
      double sum = 0;
      for (size_t k = 0; k < widths[output]; ++k) sum += value[k];
      if (!normalise || sum == 0) sum = 1;
      for (size_t k = 0; k < widths[output]; ++k) out.leaf_values.push_back(value[k] / sum);
    }
  }
  return out;
}

Result<std::unique_ptr<Estimator>> Build(const Attributes& attributes, bool classifier,
                                         bool forest) {
  std::vector<pickle::Value> members = {attributes.object()};
  if (forest) {
    KINGLET_TRY(members, attributes.Items("estimators_"));
    if (members.empty()) return attributes.Wrong("estimators_", "it is empty");
  }
  TreeEnsemble::Shape shape;
  shape.average = forest;
  shape.trees = static_cast<double>(members.size());
  // Before 1.5 predict_proba divided each leaf's values by their sum.
  const bool counts = classifier && !attributes.version().AtLeast(1, 5);
  shape.counts = counts && !forest;
  std::vector<Labels> classes;
  size_t outputs = 0, features = 0;
  std::optional<trees::ForestBuilder<float>> builder;
  for (const pickle::Value member : members) {
    KINGLET_TRY(const Attributes tree, Attributes::Of(member, attributes.context()));
    KINGLET_TRY(FittedTree fitted, ReadTree(tree));
    if (!builder) {
      outputs = fitted.outputs;
      features = fitted.features;
      shape.widths.assign(outputs, 1);
      if (classifier) {
        KINGLET_TRY(classes, ReadClasses(attributes, outputs));
        if (classes.size() != outputs) {
          return attributes.Wrong("classes_", "it does not fit the trees");
        }
        for (size_t k = 0; k < outputs; ++k) shape.widths[k] = classes[k].size();
      }
      for (const size_t width : shape.widths) shape.total += width;
      const bool nan = TreeAcceptsNan(tree) && (!forest || attributes.version().AtLeast(1, 4));
      shape.accept = nan ? Accept::kNanFloat32 : Accept::kFiniteFloat32;
      builder.emplace(
          trees::ForestShape{.features = features, .outputs = shape.total, .vector_leaves = true},
          attributes.budget());
    }
    const size_t widest = *std::ranges::max_element(shape.widths);
    if (fitted.outputs != outputs || fitted.features != features || fitted.width < widest ||
        (!classifier && fitted.width != 1)) {
      return attributes.Wrong("estimators_", "the trees have different shapes");
    }
    if (Status status = builder->Add(WithLeaves(std::move(fitted), shape.widths, counts && forest));
        !status) {
      return attributes.Wrong("tree_", status.error().message());
    }
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(features));
  traits.outputs = outputs;
  traits.flat = outputs == 1;
  traits.classes = std::move(classes);
  traits.has_proba = classifier;
  traits.why_no_proba = "it is a regressor";
  return std::make_unique<TreeEnsemble>(std::move(traits), std::move(shape),
                                        std::move(*builder).Build());
}

Result<std::unique_ptr<Estimator>> BuildTreeClassifier(const Attributes& attributes) {
  return Build(attributes, true, false);
}
Result<std::unique_ptr<Estimator>> BuildTreeRegressor(const Attributes& attributes) {
  return Build(attributes, false, false);
}
Result<std::unique_ptr<Estimator>> BuildForestClassifier(const Attributes& attributes) {
  return Build(attributes, true, true);
}
Result<std::unique_ptr<Estimator>> BuildForestRegressor(const Attributes& attributes) {
  return Build(attributes, false, true);
}

constexpr Family kFamilies[] = {
    {"DecisionTreeClassifier", BuildTreeClassifier},
    {"ExtraTreeClassifier", BuildTreeClassifier},
    {"DecisionTreeRegressor", BuildTreeRegressor},
    {"ExtraTreeRegressor", BuildTreeRegressor},
    {"RandomForestClassifier", BuildForestClassifier},
    {"ExtraTreesClassifier", BuildForestClassifier},
    {"RandomForestRegressor", BuildForestRegressor},
    {"ExtraTreesRegressor", BuildForestRegressor},
};

}  // namespace

std::span<const Family> TreeFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
