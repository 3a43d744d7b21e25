// sklearn.linear_model, LinearSVC / LinearSVR and linear discriminant analysis: X @ coef_.T +
// intercept_, and what each makes of it.
#include <algorithm>
#include <cmath>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

// Row-major coefficients of every output.
struct Weights {
  size_t outputs = 0;
  size_t features = 0;
  std::vector<double> coef;
  std::vector<double> intercept;

  void Apply(const double* x, double* out) const {
    for (size_t k = 0; k < outputs; ++k) {
      const double* w = coef.data() + k * features;
      double sum = 0;
      for (size_t f = 0; f < features; ++f) sum += x[f] * w[f];
      out[k] = sum + intercept[k];
    }
  }
};

Result<Weights> ReadWeights(const Attributes& attributes) {
  Weights weights;
  KINGLET_TRY(Numbers coef, attributes.Array("coef_"));
  if (coef.shape.size() > 2 || coef.data.empty()) {
    return attributes.Wrong("coef_", "it has no coefficients");
  }
  weights.outputs = coef.rows();
  weights.features = coef.columns();
  weights.coef = std::move(coef.data);
  KINGLET_TRY(Numbers intercept, attributes.Array("intercept_"));
  if (intercept.data.size() == 1) intercept.data.resize(weights.outputs, intercept.data[0]);
  if (intercept.data.size() != weights.outputs) {
    return attributes.Wrong("intercept_", "its size is not that of coef_");
  }
  weights.intercept = std::move(intercept.data);
  return weights;
}

// --- Regressors ---------------------------------------------------------------------------------

enum class Link { kIdentity, kLog };

class LinearRegressor : public Estimator {
 public:
  LinearRegressor(Traits traits, Weights weights, Link link)
      : Estimator(std::move(traits)), weights_(std::move(weights)), link_(link) {}

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    for (size_t r = 0; r < x.rows; ++r) weights_.Apply(x.row(r), out + r * weights_.outputs);
    if (link_ == Link::kLog) {
      for (size_t i = 0; i < x.rows * weights_.outputs; ++i) out[i] = std::exp(out[i]);
    }
    return {};
  }

 private:
  Weights weights_;
  Link link_;
};

Result<std::unique_ptr<Estimator>> MakeRegressor(const Attributes& attributes, Link link) {
  KINGLET_TRY(const Numbers coef, attributes.Array("coef_"));
  KINGLET_TRY(Weights weights, ReadWeights(attributes));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(weights.features));
  traits.outputs = weights.outputs;
  traits.flat = coef.shape.size() < 2;
  traits.why_no_proba = "it is a regressor";
  return std::make_unique<LinearRegressor>(std::move(traits), std::move(weights), link);
}

Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  return MakeRegressor(attributes, Link::kIdentity);
}

Result<std::unique_ptr<Estimator>> BuildLogLink(const Attributes& attributes) {
  return MakeRegressor(attributes, Link::kLog);
}

Result<std::unique_ptr<Estimator>> BuildTweedie(const Attributes& attributes) {
  const std::string link = attributes.TextOr("link", "auto");
  if (link == "identity") return MakeRegressor(attributes, Link::kIdentity);
  if (link == "log") return MakeRegressor(attributes, Link::kLog);
  KINGLET_TRY(const double power, attributes.NumberOr("power", 0));
  return MakeRegressor(attributes, power <= 0 ? Link::kIdentity : Link::kLog);
}

// --- Classifiers --------------------------------------------------------------------------------

enum class Proba { kNone, kOneVsRest, kSoftmax, kModifiedHuber };

class LinearClassifier : public Estimator {
 public:
  LinearClassifier(Traits traits, Weights weights, Proba proba)
      : Estimator(std::move(traits)), weights_(std::move(weights)), proba_(proba) {}

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    Buffer<double> scores(weights_.outputs);
    for (size_t r = 0; r < x.rows; ++r) {
      weights_.Apply(x.row(r), scores.data());
      out[r] = weights_.outputs == 1 ? (scores[0] > 0 ? 1 : 0)
                                     : static_cast<double>(ArgMax(scores.data(), weights_.outputs));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t classes = std::max<size_t>(weights_.outputs, 2);
    for (size_t r = 0; r < x.rows; ++r, out += classes) {
      if (weights_.outputs == 1) {
        double score = 0;
        weights_.Apply(x.row(r), &score);
        Binary(score, out);
      } else {
        weights_.Apply(x.row(r), out);
        Multiclass(out, classes);
      }
    }
    return {};
  }

 private:
  void Binary(double score, double* out) const {
    switch (proba_) {
      case Proba::kSoftmax:
        out[0] = -score;
        out[1] = score;
        Softmax(out, 2);
        return;
      case Proba::kModifiedHuber:
        out[1] = (std::clamp(score, -1.0, 1.0) + 1) / 2;
        break;
      default:
        out[1] = Expit(score);
        break;
    }
    out[0] = 1 - out[1];
  }

  void Multiclass(double* out, size_t classes) const {
    if (proba_ == Proba::kSoftmax) return Softmax(out, classes);
    double sum = 0;
    for (size_t k = 0; k < classes; ++k) {
      out[k] =
          proba_ == Proba::kModifiedHuber ? (std::clamp(out[k], -1.0, 1.0) + 1) / 2 : Expit(out[k]);
      sum += out[k];
    }
    // Where no class has any probability all have the same.
    for (size_t k = 0; k < classes; ++k) out[k] = sum == 0 ? 1.0 / classes : out[k] / sum;
  }

  Weights weights_;
  Proba proba_;
};

Result<std::unique_ptr<Estimator>> MakeClassifier(const Attributes& attributes, Labels classes,
                                                  Proba proba, std::string why_no_proba) {
  KINGLET_TRY(Weights weights, ReadWeights(attributes));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(weights.features));
  const size_t wanted = classes.size() == 2 ? 1 : classes.size();
  if (classes.size() < 2 || weights.outputs != wanted) {
    return attributes.Wrong("coef_", "it does not fit classes_");
  }
  traits.classes.push_back(std::move(classes));
  traits.has_proba = proba != Proba::kNone;
  traits.why_no_proba = std::move(why_no_proba);
  return std::make_unique<LinearClassifier>(std::move(traits), std::move(weights), proba);
}

Result<std::unique_ptr<Estimator>> BuildScoresOnly(const Attributes& attributes) {
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  return MakeClassifier(attributes, std::move(classes), Proba::kNone, "it has no predict_proba");
}

Result<std::unique_ptr<Estimator>> BuildLogistic(const Attributes& attributes) {
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  bool one_vs_rest = classes.size() <= 2;
  if (!attributes.version().AtLeast(1, 8)) {
    const std::string multi_class = attributes.TextOr("multi_class", "auto");
    const std::string solver = attributes.TextOr("solver", "lbfgs");
    const bool automatic = multi_class == "auto" || multi_class == "deprecated";
    one_vs_rest =
        multi_class == "ovr" || multi_class == "warn" ||
        (automatic && (one_vs_rest || solver == "liblinear" ||
                       (solver == "newton-cholesky" && !attributes.version().AtLeast(1, 6))));
  }
  return MakeClassifier(attributes, std::move(classes),
                        one_vs_rest ? Proba::kOneVsRest : Proba::kSoftmax, "");
}

Result<std::unique_ptr<Estimator>> BuildSgdClassifier(const Attributes& attributes) {
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  const std::string loss = attributes.TextOr("loss", "hinge");
  const Proba proba = loss == "log" || loss == "log_loss" ? Proba::kOneVsRest
                      : loss == "modified_huber"          ? Proba::kModifiedHuber
                                                          : Proba::kNone;
  return MakeClassifier(
      attributes, std::move(classes), proba,
      fmt::format("probability estimates are not available for loss='{}'", loss.substr(0, 40)));
}

Result<std::unique_ptr<Estimator>> BuildRidgeClassifier(const Attributes& attributes) {
  const pickle::Value binarizer = attributes.Raw("_label_binarizer");
  if (binarizer.Attr("y_type_").text().starts_with("multilabel")) {
    return attributes.Unsupported("multilabel targets");
  }
  KINGLET_TRY(Labels classes,
              attributes.ClassesOf("_label_binarizer.classes_", binarizer.Attr("classes_")));
  return MakeClassifier(attributes, std::move(classes), Proba::kNone, "it has no predict_proba");
}

Result<std::unique_ptr<Estimator>> BuildDiscriminant(const Attributes& attributes) {
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  // Until 0.21 the multiclass probabilities were one-vs-rest ones too.
  const bool softmax = classes.size() > 2 && attributes.version().AtLeast(0, 22);
  const Proba proba = softmax ? Proba::kSoftmax : Proba::kOneVsRest;
  return MakeClassifier(attributes, std::move(classes), proba, "");
}

constexpr Family kFamilies[] = {
    {"LinearRegression", BuildRegressor},
    {"Ridge", BuildRegressor},
    {"RidgeCV", BuildRegressor},
    {"Lasso", BuildRegressor},
    {"LassoCV", BuildRegressor},
    {"ElasticNet", BuildRegressor},
    {"ElasticNetCV", BuildRegressor},
    {"MultiTaskLasso", BuildRegressor},
    {"MultiTaskLassoCV", BuildRegressor},
    {"MultiTaskElasticNet", BuildRegressor},
    {"MultiTaskElasticNetCV", BuildRegressor},
    {"Lars", BuildRegressor},
    {"LarsCV", BuildRegressor},
    {"LassoLars", BuildRegressor},
    {"LassoLarsCV", BuildRegressor},
    {"LassoLarsIC", BuildRegressor},
    {"OrthogonalMatchingPursuit", BuildRegressor},
    {"OrthogonalMatchingPursuitCV", BuildRegressor},
    {"BayesianRidge", BuildRegressor},
    {"ARDRegression", BuildRegressor},
    {"HuberRegressor", BuildRegressor},
    {"TheilSenRegressor", BuildRegressor},
    {"QuantileRegressor", BuildRegressor},
    {"SGDRegressor", BuildRegressor},
    {"PassiveAggressiveRegressor", BuildRegressor},
    {"LinearSVR", BuildRegressor},
    {"PoissonRegressor", BuildLogLink},
    {"GammaRegressor", BuildLogLink},
    {"TweedieRegressor", BuildTweedie},
    {"LogisticRegression", BuildLogistic},
    {"LogisticRegressionCV", BuildLogistic},
    {"SGDClassifier", BuildSgdClassifier},
    {"Perceptron", BuildScoresOnly},
    {"PassiveAggressiveClassifier", BuildScoresOnly},
    {"LinearSVC", BuildScoresOnly},
    {"RidgeClassifier", BuildRidgeClassifier},
    {"RidgeClassifierCV", BuildRidgeClassifier},
    {"LinearDiscriminantAnalysis", BuildDiscriminant},
};

}  // namespace

std::span<const Family> LinearFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
