// sklearn.naive_bayes.GaussianNB.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class GaussianNaiveBayes : public Estimator {
 public:
  GaussianNaiveBayes(Traits traits, std::vector<double> means, std::vector<double> variances,
                     const std::vector<double>& priors)
      : Estimator(std::move(traits)), means_(std::move(means)), variances_(std::move(variances)) {
    // The part of the log-likelihood that no input changes.
    for (size_t k = 0; k < priors.size(); ++k) {
      double sum = 0;
      for (size_t f = 0; f < traits_.features; ++f) {
        sum += std::log(2 * std::numbers::pi * variances_[k * traits_.features + f]);
      }
      constants_.push_back(std::log(priors[k]) - 0.5 * sum);
    }
  }

  Status Predict(const Table& x, double* out) const override {
    const size_t classes = constants_.size();
    Buffer<double> likelihood(x.rows * classes);
    KINGLET_RETURN_IF_ERROR(Likelihood(x, likelihood.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      out[r] = static_cast<double>(ArgMax(likelihood.data() + r * classes, classes));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Likelihood(x, out));
    for (size_t r = 0; r < x.rows; ++r) Softmax(out + r * constants_.size(), constants_.size());
    return {};
  }

 private:
  Status Likelihood(const Table& x, double* out) const {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    for (size_t r = 0; r < x.rows; ++r) {
      const double* row = x.row(r);
      for (size_t k = 0; k < constants_.size(); ++k) {
        double sum = 0;
        for (size_t f = 0; f < x.columns; ++f) {
          const double difference = row[f] - means_[k * x.columns + f];
          sum += difference * difference / variances_[k * x.columns + f];
        }
        *out++ = constants_[k] - 0.5 * sum;
      }
    }
    return {};
  }

  std::vector<double> means_, variances_, constants_;
};

Result<std::unique_ptr<Estimator>> BuildGaussian(const Attributes& attributes) {
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  KINGLET_TRY(Numbers means, attributes.Array("theta_"));
  // sigma_ until 1.0.
  KINGLET_TRY(Numbers variances, attributes.Array(attributes.Has("var_") ? "var_" : "sigma_"));
  KINGLET_TRY(const Numbers priors, attributes.Array("class_prior_"));
  if (means.shape.size() != 2 || means.rows() != classes.size() ||
      variances.data.size() != means.data.size() || priors.data.size() != classes.size()) {
    return attributes.Wrong("theta_", "it does not fit classes_");
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(means.columns()));
  traits.classes.push_back(std::move(classes));
  traits.has_proba = true;
  return std::make_unique<GaussianNaiveBayes>(std::move(traits), std::move(means.data),
                                              std::move(variances.data), priors.data);
}

constexpr Family kFamilies[] = {{"GaussianNB", BuildGaussian}};

}  // namespace

std::span<const Family> NaiveBayesFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
