// sklearn.dummy, and the constant estimators that gradient boosting began from before 0.21.
#include <algorithm>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

// Gives the same for every row, whatever the row holds.
class Constant : public Estimator {
 public:
  Constant(Traits traits, std::vector<double> prediction, std::vector<double> proba)
      : Estimator(std::move(traits)),
        prediction_(std::move(prediction)),
        proba_(std::move(proba)) {}

  Status Predict(const Table& x, double* out) const override {
    for (size_t r = 0; r < x.rows; ++r)
      out = std::copy(prediction_.begin(), prediction_.end(), out);
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    for (size_t r = 0; r < x.rows; ++r) out = std::copy(proba_.begin(), proba_.end(), out);
    return {};
  }

 private:
  std::vector<double> prediction_;
  std::vector<double> proba_;
};

Result<std::unique_ptr<Estimator>> BuildDummyRegressor(const Attributes& attributes) {
  KINGLET_TRY(Numbers constant, attributes.Array("constant_"));
  if (constant.data.empty()) return attributes.Wrong("constant_", "it is empty");
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(std::nullopt));
  traits.outputs = constant.data.size();
  traits.flat = constant.data.size() == 1;
  traits.why_no_proba = "it is a regressor";
  return std::make_unique<Constant>(std::move(traits), std::move(constant.data),
                                    std::vector<double>());
}

Result<std::unique_ptr<Estimator>> BuildDummyClassifier(const Attributes& attributes) {
  KINGLET_TRY(const double outputs, attributes.NumberOr("n_outputs_", 1));
  if (outputs != 1) return attributes.Unsupported("several outputs");
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(std::nullopt));
  const std::string strategy = attributes.TextOr("strategy", "prior");
  KINGLET_TRY(Numbers prior, attributes.Array("class_prior_"));
  if (prior.data.size() != classes.size()) {
    return attributes.Wrong("class_prior_", "it does not fit classes_");
  }
  size_t index = ArgMax(prior.data.data(), prior.data.size());
  if (strategy == "constant") {
    if (classes.type == inference::DataType::kBytes) {
      KINGLET_TRY(const std::string constant, attributes.Text("constant"));
      index = static_cast<size_t>(std::ranges::find(classes.strings, constant) -
                                  classes.strings.begin());
    } else {
      KINGLET_TRY(const double constant, attributes.Number("constant"));
      index = static_cast<size_t>(std::ranges::find(classes.numbers, constant) -
                                  classes.numbers.begin());
    }
    if (index >= classes.size()) return attributes.Wrong("constant", "it is none of classes_");
  } else if (strategy != "prior" && strategy != "most_frequent") {
    return attributes.Unsupported(fmt::format("the random strategy='{}'", strategy.substr(0, 40)));
  }
  std::vector<double> proba = std::move(prior.data);
  if (strategy != "prior") {
    proba.assign(classes.size(), 0);
    proba[index] = 1;
  }
  traits.classes.push_back(std::move(classes));
  traits.has_proba = true;
  return std::make_unique<Constant>(
      std::move(traits), std::vector<double>{static_cast<double>(index)}, std::move(proba));
}

constexpr Family kFamilies[] = {
    {"DummyRegressor", BuildDummyRegressor},
    {"DummyClassifier", BuildDummyClassifier},
};

}  // namespace

std::span<const Family> DummyFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
