// sklearn.ensemble.HistGradientBoosting*. Prediction does not bin: splits have real thresholds, and
// categorical splits have bit sets of the categories as they come.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "runtimes/sklearn/categories.h"
#include "runtimes/sklearn/families.h"
#include "runtimes/trees/forest.h"

namespace kinglet::runtimes::sklearn {
namespace {

enum class Link { kIdentity, kLog };

// The encoder that 1.4 and newer put before the trees: categorical columns become the index of
// their category and move to the front.
struct Preprocessor {
  std::vector<size_t> source;          // the input column of each of the trees' columns
  std::vector<Categories> categories;  // of the first columns
};

// The categories 0..255 that were seen in a column; empty for a column of numbers.
using KnownSet = std::vector<uint32_t>;

// Of 256 categories, with the vector that holds it.
constexpr size_t kSetBytes = 64;

bool InSet(const std::vector<uint32_t>& set, uint8_t category) {
  return (set[category / 32] >> (category % 32) & 1) != 0;
}

class HistGradientBoosting : public Estimator {
 public:
  HistGradientBoosting(Traits traits, std::optional<Preprocessor> preprocessor,
                       std::vector<KnownSet> known, std::vector<double> baseline,
                       trees::Forest<double> forest, Link link)
      : Estimator(std::move(traits)),
        preprocessor_(std::move(preprocessor)),
        known_(std::move(known)),
        baseline_(std::move(baseline)),
        forest_(std::move(forest)),
        link_(link) {}

  Status Predict(const Table& x, double* out) const override {
    const size_t k = forest_.outputs();
    if (traits_.classes.empty()) {
      KINGLET_RETURN_IF_ERROR(Raw(x, out));
      if (link_ == Link::kLog) {
        for (size_t r = 0; r < x.rows; ++r) out[r] = std::exp(out[r]);
      }
      return {};
    }
    Buffer<double> raw(x.rows * k);
    KINGLET_RETURN_IF_ERROR(Raw(x, raw.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      out[r] = k == 1 ? (raw[r] > 0 ? 1 : 0) : static_cast<double>(ArgMax(raw.data() + r * k, k));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    const size_t k = forest_.outputs();
    if (k > 1) {
      KINGLET_RETURN_IF_ERROR(Raw(x, out));
      for (size_t r = 0; r < x.rows; ++r) Softmax(out + r * k, k);
      return {};
    }
    Buffer<double> raw(x.rows);
    KINGLET_RETURN_IF_ERROR(Raw(x, raw.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      out[2 * r + 1] = Expit(raw[r]);
      out[2 * r] = 1 - out[2 * r + 1];
    }
    return {};
  }

 private:
  Status Raw(const Table& x, double* out) const {
    const size_t columns = known_.size();
    const double* rows = x.values;
    Buffer<double> encoded;
    if (preprocessor_) {
      if (x.columns != traits_.features) return Check(x, Accept::kAny);
      encoded = Buffer<double>(x.rows * columns);
      KINGLET_RETURN_IF_ERROR(Encode(x, encoded.data()));
      rows = encoded.data();
    } else {
      KINGLET_RETURN_IF_ERROR(Check(x, Accept::kAny));
    }
    if (std::ranges::any_of(known_, [](const KnownSet& set) { return !set.empty(); })) {
      if (!preprocessor_) {
        encoded = Buffer<double>(x.rows * columns);
        std::copy_n(x.values, x.rows * columns, encoded.data());
      }
      for (size_t r = 0; r < x.rows; ++r) KnownOrMissing(encoded.data() + r * columns);
      rows = encoded.data();
    }
    const size_t k = forest_.outputs();
    for (size_t r = 0; r < x.rows; ++r) std::ranges::copy(baseline_, out + r * k);
    forest_.Sum(rows, x.rows, columns, out);
    return {};
  }

  Status Encode(const Table& x, double* out) const {
    const size_t categorical = preprocessor_->categories.size();
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < preprocessor_->source.size(); ++c) {
        const size_t from = preprocessor_->source[c];
        if (c >= categorical && x.TextAt(r, from) != nullptr) {
          return Fail(Code::kInvalidArgument, "could not convert string to float: '{}'",
                      x.TextAt(r, from)->substr(0, 100));
        }
        double value = c < categorical ? 0 : x.row(r)[from];
        if (c < categorical) {
          const Categories& categories = preprocessor_->categories[c];
          const int index = categories.Find(x, r, from);
          value = index < 0 || index == categories.nan_index()
                      ? std::numeric_limits<double>::quiet_NaN()
                      : index;
        }
        *out++ = value;
      }
    }
    return {};
  }

  // A category that was not seen is a missing value. Values are cut to a byte first, as
  // scikit-learn's cast does.
  void KnownOrMissing(double* row) const {
    for (size_t c = 0; c < known_.size(); ++c) {
      if (known_[c].empty() || std::isnan(row[c])) continue;
      const bool in_range = row[c] >= 0 && row[c] <= std::numeric_limits<int32_t>::max();
      const auto category = in_range ? static_cast<uint8_t>(static_cast<int32_t>(row[c])) : 0;
      row[c] = in_range && InSet(known_[c], category) ? category
                                                      : std::numeric_limits<double>::quiet_NaN();
    }
  }

  std::optional<Preprocessor> preprocessor_;
  std::vector<KnownSet> known_;  // one a column of the trees
  std::vector<double> baseline_;
  trees::Forest<double> forest_;
  Link link_;
};

bool HasField(const pickle::Array& array, std::string_view name) {
  return std::ranges::any_of(array.dtype.fields,
                             [&](const pickle::Field& field) { return field.name == name; });
}

Result<trees::Tree<double>> ReadPredictor(const Attributes& attributes, pickle::Value predictor,
                                          size_t features) {
  Budget& budget = attributes.budget();
  auto nodes = pickle::ReadArray(predictor.Attr("nodes"), budget);
  if (!nodes) return attributes.Wrong("_predictors", nodes.error().message());
  const size_t count = nodes->count;
  if (nodes->shape.size() != 1 || count == 0 || count > (size_t{1} << 30)) {
    return attributes.Wrong("_predictors", "a tree has no nodes");
  }
  KINGLET_TRY(const auto value, pickle::FieldView<double>::Of(*nodes, "value", budget));
  KINGLET_TRY(const auto feature, pickle::FieldView<int64_t>::Of(*nodes, "feature_idx", budget));
  // "threshold" until 0.23.
  const bool renamed = HasField(*nodes, "num_threshold");
  KINGLET_TRY(const auto threshold, pickle::FieldView<double>::Of(
                                        *nodes, renamed ? "num_threshold" : "threshold", budget));
  KINGLET_TRY(const auto left, pickle::FieldView<int64_t>::Of(*nodes, "left", budget));
  KINGLET_TRY(const auto right, pickle::FieldView<int64_t>::Of(*nodes, "right", budget));
  KINGLET_TRY(const auto leaf, pickle::FieldView<int64_t>::Of(*nodes, "is_leaf", budget));
  std::optional<pickle::FieldView<int64_t>> missing, categorical, bitset;
  if (HasField(*nodes, "missing_go_to_left")) {
    KINGLET_TRY(missing, pickle::FieldView<int64_t>::Of(*nodes, "missing_go_to_left", budget));
  }
  Numbers sets;
  if (HasField(*nodes, "is_categorical")) {
    KINGLET_TRY(categorical, pickle::FieldView<int64_t>::Of(*nodes, "is_categorical", budget));
    KINGLET_TRY(bitset, pickle::FieldView<int64_t>::Of(*nodes, "bitset_idx", budget));
    KINGLET_TRY(sets, attributes.ArrayOf("_predictors", predictor.Attr("raw_left_cat_bitsets")));
  }
  KINGLET_RETURN_IF_ERROR(budget.Allocate(count, sizeof(trees::Node<double>)));
  trees::Tree<double> tree;
  tree.nodes.resize(count);
  for (size_t i = 0; i < count; ++i) {
    trees::Node<double>& node = tree.nodes[i];
    if (leaf[i] != 0) {
      node.leaf = static_cast<int32_t>(tree.leaf_values.size());
      tree.leaf_values.push_back(value[i]);
      continue;
    }
    const auto limit = static_cast<int64_t>(count);
    if (left[i] < 0 || left[i] >= limit || right[i] < 0 || right[i] >= limit || feature[i] < 0 ||
        feature[i] >= static_cast<int64_t>(features)) {
      return attributes.Wrong("_predictors", "a tree's node points outside it");
    }
    node.left = static_cast<int32_t>(left[i]);
    node.right = static_cast<int32_t>(right[i]);
    node.feature = static_cast<int32_t>(feature[i]);
    node.threshold = threshold[i];
    node.missing_left = missing && (*missing)[i] != 0;
    if (!categorical || (*categorical)[i] == 0) {
      if (std::isnan(threshold[i])) return attributes.Wrong("_predictors", "a threshold is NaN");
      continue;
    }
    if ((*bitset)[i] < 0 || static_cast<size_t>((*bitset)[i]) >= sets.data.size() / 8) {
      return attributes.Wrong("_predictors", "a node's bit set is missing");
    }
    KINGLET_RETURN_IF_ERROR(budget.Allocate(kSetBytes));
    node.threshold = 0;
    node.category_set = static_cast<int32_t>(tree.category_sets.size());
    std::vector<uint32_t>& set = tree.category_sets.emplace_back();
    for (size_t w = 0; w < 8; ++w) {
      set.push_back(static_cast<uint32_t>(
          std::clamp(sets.data[static_cast<size_t>((*bitset)[i]) * 8 + w], 0.0, 4294967295.0)));
    }
  }
  return tree;
}

// The seen categories of each column of the trees, from the bin mapper's thresholds.
Result<std::vector<KnownSet>> ReadKnown(const Attributes& attributes, size_t features) {
  std::vector<KnownSet> known(features);
  const pickle::Value mapper = attributes.Raw("_bin_mapper");
  const pickle::Value flags = mapper.Attr("is_categorical_");
  if (flags.missing() || flags.none()) return known;
  KINGLET_TRY(const Numbers categorical, attributes.ArrayOf("_bin_mapper.is_categorical_", flags));
  const pickle::Value thresholds = mapper.Attr("bin_thresholds_");
  if (categorical.data.size() != features || thresholds.size() != features) {
    return attributes.Wrong("_bin_mapper", "it does not fit the columns");
  }
  for (size_t c = 0; c < features; ++c) {
    if (categorical.data[c] == 0) continue;
    KINGLET_TRY(const Numbers seen,
                attributes.ArrayOf("_bin_mapper.bin_thresholds_", thresholds[c]));
    known[c].assign(8, 0);
    for (const double category : seen.data) {
      if (!(category >= 0 && category < 256)) continue;
      const auto bit = static_cast<uint32_t>(category);
      known[c][bit / 32] |= 1u << (bit % 32);
    }
  }
  return known;
}

Result<std::optional<Preprocessor>> ReadPreprocessor(const Attributes& attributes) {
  if (!attributes.Has("_preprocessor")) return std::optional<Preprocessor>();
  KINGLET_TRY(const Attributes columns,
              Attributes::Of(attributes.Raw("_preprocessor"), attributes.context()));
  KINGLET_TRY(const std::vector<pickle::Value> steps, columns.Items("transformers_"));
  KINGLET_TRY(const Numbers categorical, attributes.Array("is_categorical_"));
  if (steps.empty() || steps[0][1].name() != "OrdinalEncoder") {
    return attributes.Unsupported("a preprocessor of another kind");
  }
  KINGLET_TRY(const Attributes encoder, Attributes::Of(steps[0][1], attributes.context()));
  Preprocessor preprocessor;
  KINGLET_TRY(preprocessor.categories, ReadCategories(encoder));
  for (const bool wanted : {true, false}) {
    for (size_t c = 0; c < categorical.data.size(); ++c) {
      if ((categorical.data[c] != 0) == wanted) preprocessor.source.push_back(c);
    }
    if (wanted && preprocessor.source.size() != preprocessor.categories.size()) {
      return attributes.Wrong("_preprocessor", "it does not fit is_categorical_");
    }
  }
  return std::optional<Preprocessor>(std::move(preprocessor));
}

Result<std::unique_ptr<Estimator>> Build(const Attributes& attributes, bool classifier) {
  size_t features = 0;
  for (const std::string_view name : {"_n_features", "n_features_in_", "n_features_"}) {
    if (!attributes.Has(name)) continue;
    KINGLET_TRY(const int64_t count, attributes.Integer(name));
    if (count > 0 && count < (1 << 24)) features = static_cast<size_t>(count);
    break;
  }
  if (features == 0) return attributes.Wrong("n_features_in_", "it is missing or out of range");
  KINGLET_RETURN_IF_ERROR(attributes.budget().Allocate(features, sizeof(KnownSet) + kSetBytes));
  std::vector<Labels> classes;
  size_t outputs = 1;
  if (classifier) {
    KINGLET_TRY(Labels labels, attributes.Classes("classes_"));
    if (labels.size() < 2) return attributes.Wrong("classes_", "it has one class");
    outputs = labels.size() == 2 ? 1 : labels.size();
    classes.push_back(std::move(labels));
  }
  KINGLET_TRY(const std::vector<pickle::Value> iterations, attributes.Items("_predictors"));
  trees::ForestSpec<double> spec;
  spec.features = features;
  spec.outputs = outputs;
  for (const pickle::Value iteration : iterations) {
    if (iteration.size() != outputs) {
      return attributes.Wrong("_predictors", "it does not fit classes_");
    }
    for (size_t k = 0; k < outputs; ++k) {
      KINGLET_TRY(trees::Tree<double> tree, ReadPredictor(attributes, iteration[k], features));
      tree.output = static_cast<int32_t>(k);
      spec.trees.push_back(std::move(tree));
    }
  }
  KINGLET_TRY(Numbers baseline, attributes.Array("_baseline_prediction"));
  if (baseline.data.size() != outputs) {
    return attributes.Wrong("_baseline_prediction", "it does not fit classes_");
  }
  KINGLET_TRY(std::optional<Preprocessor> preprocessor, ReadPreprocessor(attributes));
  KINGLET_TRY(std::vector<KnownSet> known, ReadKnown(attributes, features));
  const std::string loss = attributes.TextOr("loss", "");
  const Link link = loss == "poisson" || loss == "gamma" ? Link::kLog : Link::kIdentity;
  if (preprocessor && preprocessor->source.size() != features) {
    return attributes.Wrong("_preprocessor", "it does not fit the trees");
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(features));
  traits.classes = std::move(classes);
  traits.has_proba = classifier;
  traits.why_no_proba = "it is a regressor";
  auto forest = trees::Forest<double>::Build(std::move(spec), attributes.budget());
  if (!forest) return attributes.Wrong("_predictors", forest.error().message());
  return std::make_unique<HistGradientBoosting>(
      std::move(traits), std::move(preprocessor), std::move(known), std::move(baseline.data),
      std::move(*forest), classifier ? Link::kIdentity : link);
}

Result<std::unique_ptr<Estimator>> BuildClassifier(const Attributes& attributes) {
  return Build(attributes, true);
}
Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  return Build(attributes, false);
}

constexpr Family kFamilies[] = {
    {"HistGradientBoostingClassifier", BuildClassifier},
    {"HistGradientBoostingRegressor", BuildRegressor},
};

}  // namespace

std::span<const Family> HistGradientBoostingFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
