// sklearn.ensemble.GradientBoosting*: an initial estimate and scaled regression trees.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtimes/sklearn/families.h"
#include "runtimes/sklearn/tree_nodes.h"

namespace kinglet::runtimes::sklearn {
namespace {

// What the raw prediction of the start is made of.
struct Start {
  std::vector<double> constant;  // one a raw output; empty where `estimator` says
  std::unique_ptr<Estimator> estimator;
  double epsilon = 0;    // probabilities are kept this far from 0 and 1
  double scale = 1;      // of the log odds: 0.5 for the exponential loss
  bool centred = false;  // multinomial: log p minus its mean (1.4 and newer)
};

class GradientBoosting : public Estimator {
 public:
  GradientBoosting(Traits traits, Start start, trees::Forest<float> forest, double slope,
                   bool zero_is_positive)
      : Estimator(std::move(traits)),
        start_(std::move(start)),
        forest_(std::move(forest)),
        slope_(slope),
        zero_is_positive_(zero_is_positive) {}

  Status Predict(const Table& x, double* out) const override {
    if (traits_.classes.empty()) return Raw(x, out);
    const size_t k = forest_.outputs();
    Buffer<double> raw(x.rows * k);
    KINGLET_RETURN_IF_ERROR(Raw(x, raw.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      if (k > 1) {
        out[r] = static_cast<double>(ArgMax(raw.data() + r * k, k));
      } else {
        out[r] = raw[r] > 0 || (raw[r] == 0 && zero_is_positive_) ? 1 : 0;
      }
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
      out[2 * r + 1] = Expit(slope_ * raw[r]);
      out[2 * r] = 1 - out[2 * r + 1];
    }
    return {};
  }

 private:
  Status Raw(const Table& x, double* out) const {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFiniteFloat32));
    const size_t cells = x.rows * x.columns;
    Buffer<float> values(cells);
    for (size_t i = 0; i < cells; ++i) values[i] = static_cast<float>(x.values[i]);
    if (start_.estimator) {
      // The first estimator is given the rows as the trees are: as float32.
      Buffer<double> rounded(cells);
      std::copy_n(values.data(), cells, rounded.data());
      KINGLET_RETURN_IF_ERROR(Begin({x.rows, x.columns, rounded.data()}, out));
    } else {
      KINGLET_RETURN_IF_ERROR(Begin(x, out));
    }
    forest_.Sum(values.data(), x.rows, x.columns, out);
    return {};
  }

  Status Begin(const Table& x, double* out) const {
    const size_t k = forest_.outputs();
    if (!start_.estimator) {
      for (size_t r = 0; r < x.rows; ++r) std::ranges::copy(start_.constant, out + r * k);
      return {};
    }
    if (traits_.classes.empty()) return start_.estimator->Predict(x, out);
    const size_t classes = traits_.classes[0].size();
    Buffer<double> proba(x.rows * classes);
    KINGLET_RETURN_IF_ERROR(start_.estimator->PredictProba(x, proba.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      double* p = proba.data() + r * classes;
      for (size_t c = 0; c < classes; ++c) {
        p[c] = std::clamp(p[c], start_.epsilon, 1 - start_.epsilon);
      }
      if (k == 1) {
        out[r] = start_.scale * std::log(p[1] / (1 - p[1]));
        continue;
      }
      double mean = 0;
      for (size_t c = 0; c < k; ++c) mean += std::log(p[c]) / static_cast<double>(k);
      for (size_t c = 0; c < k; ++c) out[r * k + c] = std::log(p[c]) - (start_.centred ? mean : 0);
    }
    return {};
  }

  Start start_;
  trees::Forest<float> forest_;
  double slope_;
  bool zero_is_positive_;
};

// init_ of 0.20: small classes of sklearn.ensemble.gradient_boosting with one number each.
Result<bool> ReadOldStart(const Attributes& attributes, pickle::Value init, size_t outputs,
                          Start* start) {
  const std::string_view name = init.name();
  std::string_view attribute;
  if (name == "ZeroEstimator") {
    start->constant.assign(outputs, 0);
    return true;
  }
  if (name == "LogOddsEstimator" || name == "ScaledLogOddsEstimator") attribute = "prior";
  if (name == "PriorProbabilityEstimator") attribute = "priors";
  if (name == "MeanEstimator") attribute = "mean";
  if (name == "QuantileEstimator") attribute = "quantile";
  if (attribute.empty()) return false;
  KINGLET_TRY(Numbers numbers, attributes.ArrayOf("init_", init.Attr(attribute)));
  if (numbers.data.size() != outputs) return attributes.Wrong("init_", "it does not fit the trees");
  start->constant = std::move(numbers.data);
  return true;
}

Result<Start> ReadStart(const Attributes& attributes, const std::string& loss, size_t features,
                        size_t outputs, size_t classes) {
  Start start;
  const pickle::Value init = attributes.Raw("init_");
  if (init.text() == "zero") {
    start.constant.assign(outputs, 0);
    return start;
  }
  KINGLET_TRY(const bool old, ReadOldStart(attributes, init, outputs, &start));
  if (old) return start;
  KINGLET_TRY(start.estimator, attributes.Nested("init_", init));
  const Estimator::Traits& traits = start.estimator->traits();
  // An estimator given as `init` sees the same columns; the dummies do not look at them.
  const bool fits = classes == 0
                        ? traits.outputs == outputs && traits.classes.empty() && traits.predicts
                        : traits.has_proba && start.estimator->proba_columns() == classes;
  if (!fits || (traits.features != 0 && traits.features != features)) {
    return attributes.Unsupported("an init estimator that gives something else than the model");
  }
  start.epsilon = attributes.version().AtLeast(1, 8)
                      ? std::numeric_limits<double>::epsilon()
                      : double{std::numeric_limits<float>::epsilon()};
  start.scale = loss == "exponential" ? 0.5 : 1;
  start.centred = attributes.version().AtLeast(1, 4);
  return start;
}

Result<std::unique_ptr<Estimator>> Build(const Attributes& attributes, bool classifier) {
  auto stages = pickle::ReadArray(attributes.Raw("estimators_"), attributes.budget());
  if (!stages) return attributes.Wrong("estimators_", stages.error().message());
  if (stages->dtype.kind != 'O' || stages->shape.size() != 2 || stages->count == 0) {
    return attributes.Wrong("estimators_", "it is no matrix of trees");
  }
  const std::string loss = attributes.TextOr("loss", "");
  std::vector<Labels> classes;
  const auto outputs = static_cast<size_t>(stages->shape[1]);
  if (classifier) {
    KINGLET_TRY(Labels labels, attributes.Classes("classes_"));
    if (labels.size() < 2 || outputs != (labels.size() == 2 ? 1 : labels.size())) {
      return attributes.Wrong("classes_", "it does not fit the trees");
    }
    if (loss != "log_loss" && loss != "deviance" && loss != "exponential") {
      return attributes.Unsupported(fmt::format("loss='{}'", loss.substr(0, 40)));
    }
    classes.push_back(std::move(labels));
  } else if (outputs != 1) {
    return attributes.Wrong("estimators_", "a regressor has one tree a stage");
  }
  KINGLET_TRY(const double rate, attributes.Number("learning_rate"));
  trees::ForestSpec<float> spec;
  spec.outputs = outputs;
  for (size_t i = 0; i < stages->count; ++i) {
    KINGLET_TRY(const Attributes member, Attributes::Of(stages->objects[i], attributes.context()));
    KINGLET_TRY(FittedTree fitted, ReadTree(member));
    if (fitted.outputs != 1 || fitted.width != 1 || (i > 0 && fitted.features != spec.features)) {
      return attributes.Wrong("estimators_", "the trees have different shapes");
    }
    spec.features = fitted.features;
    trees::Tree<float> tree;
    tree.nodes = std::move(fitted.nodes);
    tree.output = static_cast<int32_t>(i % outputs);
    for (trees::Node<float>& node : tree.nodes) {
      if (node.left != -1) continue;
      const double value = fitted.values[static_cast<size_t>(node.leaf)];
      node.leaf = static_cast<int32_t>(tree.leaf_values.size());
      tree.leaf_values.push_back(rate * value);
    }
    spec.trees.push_back(std::move(tree));
  }
  KINGLET_TRY(Start start, ReadStart(attributes, loss, spec.features, outputs,
                                     classifier ? classes[0].size() : 0));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(spec.features));
  traits.classes = std::move(classes);
  traits.has_proba = classifier;
  traits.why_no_proba = "it is a regressor";
  // Before 1.4 the binomial loss took the argmax of both probabilities, so a tie was the first.
  const bool zero_is_positive = loss == "exponential" || attributes.version().AtLeast(1, 4);
  auto forest = trees::Forest<float>::Build(std::move(spec), attributes.budget());
  if (!forest) return attributes.Wrong("estimators_", forest.error().message());
  return std::make_unique<GradientBoosting>(std::move(traits), std::move(start), std::move(*forest),
                                            loss == "exponential" ? 2.0 : 1.0, zero_is_positive);
}

Result<std::unique_ptr<Estimator>> BuildClassifier(const Attributes& attributes) {
  return Build(attributes, true);
}
Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  return Build(attributes, false);
}

constexpr Family kFamilies[] = {
    {"GradientBoostingClassifier", BuildClassifier},
    {"GradientBoostingRegressor", BuildRegressor},
};

}  // namespace

std::span<const Family> GradientBoostingFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
