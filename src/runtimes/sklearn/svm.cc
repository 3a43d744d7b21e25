// sklearn.svm's kernel machines, as libsvm evaluates them: one-against-one votes, Platt scaling and
// pairwise coupling (Wu, Lin, Weng: Probability Estimates for Multi-class Classification by
// Pairwise Coupling, JMLR 5, 2004, second method).
#include <algorithm>
#include <cmath>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

enum class Kernel { kLinear, kPolynomial, kRbf, kSigmoid };

struct Machine {
  Kernel kernel = Kernel::kRbf;
  double gamma = 0;
  double coef0 = 0;
  int64_t degree = 3;
  size_t features = 0;
  size_t vectors = 0;
  std::vector<double> support;    // vectors * features
  std::vector<double> dual;       // (classes - 1) * vectors
  std::vector<double> intercept;  // one a pair of classes, or one
};

double IntegerPower(double base, int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
  }
  return result;
}

void Kernels(const Machine& machine, const double* x, double* out) {
  const double* v = machine.support.data();
  for (size_t s = 0; s < machine.vectors; ++s, v += machine.features) {
    double sum = 0;
    if (machine.kernel == Kernel::kRbf) {
      for (size_t f = 0; f < machine.features; ++f) sum += (x[f] - v[f]) * (x[f] - v[f]);
      out[s] = std::exp(-machine.gamma * sum);
      continue;
    }
    for (size_t f = 0; f < machine.features; ++f) sum += x[f] * v[f];
    switch (machine.kernel) {
      case Kernel::kPolynomial:
        out[s] = IntegerPower(machine.gamma * sum + machine.coef0, machine.degree);
        break;
      case Kernel::kSigmoid:
        out[s] = std::tanh(machine.gamma * sum + machine.coef0);
        break;
      default:
        out[s] = sum;
        break;
    }
  }
}

Result<Machine> ReadMachine(const Attributes& attributes) {
  Machine machine;
  const std::string kernel = attributes.TextOr("kernel", "");
  if (kernel == "linear") {
    machine.kernel = Kernel::kLinear;
  } else if (kernel == "poly") {
    machine.kernel = Kernel::kPolynomial;
  } else if (kernel == "rbf") {
    machine.kernel = Kernel::kRbf;
  } else if (kernel == "sigmoid") {
    machine.kernel = Kernel::kSigmoid;
  } else {
    return attributes.Unsupported(
        kernel.empty() ? "a kernel function" : fmt::format("kernel='{}'", kernel.substr(0, 40)));
  }
  KINGLET_TRY(machine.gamma, attributes.Number("_gamma"));
  KINGLET_TRY(machine.coef0, attributes.NumberOr("coef0", 0));
  KINGLET_TRY(const double degree, attributes.NumberOr("degree", 3));
  if (!(degree >= 0 && degree <= 1000) || std::trunc(degree) != degree) {
    return attributes.Wrong("degree", "it is no small whole number");
  }
  machine.degree = static_cast<int64_t>(degree);
  KINGLET_TRY(Numbers support, attributes.Array("support_vectors_"));
  if (support.shape.size() != 2) return attributes.Wrong("support_vectors_", "it is no matrix");
  machine.vectors = support.rows();
  machine.features = static_cast<size_t>(support.shape[1]);
  machine.support = std::move(support.data);
  // The underscored ones have libsvm's sign; scikit-learn turns the public ones for two classes.
  KINGLET_TRY(Numbers dual, attributes.Array("_dual_coef_"));
  KINGLET_TRY(Numbers intercept, attributes.Array("_intercept_"));
  if (dual.columns() != machine.vectors) {
    return attributes.Wrong("_dual_coef_", "it does not fit support_vectors_");
  }
  machine.dual = std::move(dual.data);
  machine.intercept = std::move(intercept.data);
  return machine;
}

// SVR, NuSVR and OneClassSVM: one decision value.
class OneMachine : public Estimator {
 public:
  OneMachine(Traits traits, Machine machine, bool outlier)
      : Estimator(std::move(traits)), machine_(std::move(machine)), outlier_(outlier) {}

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    Buffer<double> kernels(machine_.vectors);
    for (size_t r = 0; r < x.rows; ++r) {
      Kernels(machine_, x.row(r), kernels.data());
      double sum = 0;
      for (size_t s = 0; s < machine_.vectors; ++s) sum += machine_.dual[s] * kernels[s];
      sum += machine_.intercept[0];
      out[r] = !outlier_ ? sum : sum > 0 ? 1 : -1;
    }
    return {};
  }

 private:
  Machine machine_;
  bool outlier_;
};

class SupportVectorClassifier : public Estimator {
 public:
  SupportVectorClassifier(Traits traits, Machine machine, std::vector<size_t> starts,
                          bool break_ties, std::vector<double> prob_a, std::vector<double> prob_b)
      : Estimator(std::move(traits)),
        machine_(std::move(machine)),
        starts_(std::move(starts)),
        break_ties_(break_ties),
        prob_a_(std::move(prob_a)),
        prob_b_(std::move(prob_b)) {}

  Status Predict(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t classes = traits_.classes[0].size();
    Buffer<double> kernels(machine_.vectors);
    Buffer<double> decisions(machine_.intercept.size());
    Buffer<double> votes(2 * classes);
    for (size_t r = 0; r < x.rows; ++r) {
      Decide(x.row(r), kernels.data(), decisions.data());
      std::fill_n(votes.data(), 2 * classes, 0.0);
      for (size_t i = 0, p = 0; i < classes; ++i) {
        for (size_t j = i + 1; j < classes; ++j, ++p) {
          // libsvm gives a zero to j, scikit-learn's own one-vs-rest values give it to i.
          const bool first = break_ties_ ? decisions[p] >= 0 : decisions[p] > 0;
          votes[first ? i : j] += 1;
          votes[classes + i] += decisions[p];
          votes[classes + j] -= decisions[p];
        }
      }
      if (break_ties_) {
        // Votes plus a confidence that is squeezed below one vote (_ovr_decision_function).
        for (size_t k = 0; k < classes; ++k) {
          const double confidence = votes[classes + k];
          votes[k] += confidence / (3 * (std::abs(confidence) + 1));
        }
      }
      out[r] = static_cast<double>(ArgMax(votes.data(), classes));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t classes = traits_.classes[0].size();
    Buffer<double> kernels(machine_.vectors);
    Buffer<double> decisions(machine_.intercept.size());
    Buffer<double> pairwise(classes * classes);
    Buffer<double> scratch(classes * classes + classes);
    for (size_t r = 0; r < x.rows; ++r) {
      Decide(x.row(r), kernels.data(), decisions.data());
      for (size_t i = 0, p = 0; i < classes; ++i) {
        for (size_t j = i + 1; j < classes; ++j, ++p) {
          const double value = Platt(decisions[p] * prob_a_[p] + prob_b_[p]);
          pairwise[i * classes + j] = std::clamp(value, 1e-7, 1 - 1e-7);
          pairwise[j * classes + i] = 1 - pairwise[i * classes + j];
        }
      }
      Couple(pairwise.data(), classes, scratch.data(), out + r * classes);
    }
    return {};
  }

 private:
  // The decision value of each pair i < j of classes.
  void Decide(const double* x, double* kernels, double* decisions) const {
    Kernels(machine_, x, kernels);
    const size_t classes = traits_.classes[0].size();
    for (size_t i = 0, p = 0; i < classes; ++i) {
      for (size_t j = i + 1; j < classes; ++j, ++p) {
        // Row j-1 of the dual coefficients weighs class i's vectors against class j, and so on.
        const double* against_j = machine_.dual.data() + (j - 1) * machine_.vectors;
        const double* against_i = machine_.dual.data() + i * machine_.vectors;
        double sum = 0;
        for (size_t s = starts_[i]; s < starts_[i + 1]; ++s) sum += against_j[s] * kernels[s];
        for (size_t s = starts_[j]; s < starts_[j + 1]; ++s) sum += against_i[s] * kernels[s];
        decisions[p] = sum + machine_.intercept[p];
      }
    }
  }

  // 1 / (1 + exp(value)) without overflow.
  static double Platt(double value) {
    return value >= 0 ? std::exp(-value) / (1.0 + std::exp(-value)) : 1.0 / (1.0 + std::exp(value));
  }

  // Minimises sum over i != j of (r[j][i] p[i] - r[i][j] p[j])^2 by Gauss-Seidel steps.
  // scratch: k*k + k.
  static void Couple(const double* r, size_t k, double* scratch, double* p) {
    double* q = scratch;
    double* qp = scratch + k * k;
    for (size_t t = 0; t < k; ++t) {
      p[t] = 1.0 / static_cast<double>(k);
      q[t * k + t] = 0;
      for (size_t j = 0; j < k; ++j) {
        if (j == t) continue;
        q[t * k + t] += r[j * k + t] * r[j * k + t];
        q[t * k + j] = -r[j * k + t] * r[t * k + j];
      }
    }
    const size_t rounds = std::max<size_t>(100, k);
    const double tolerance = 0.005 / static_cast<double>(k);
    for (size_t round = 0; round < rounds; ++round) {
      double pqp = 0;
      for (size_t t = 0; t < k; ++t) {
        qp[t] = 0;
        for (size_t j = 0; j < k; ++j) qp[t] += q[t * k + j] * p[j];
        pqp += p[t] * qp[t];
      }
      double worst = 0;
      for (size_t t = 0; t < k; ++t) worst = std::max(worst, std::abs(qp[t] - pqp));
      if (worst < tolerance) break;
      for (size_t t = 0; t < k; ++t) {
        const double step = (pqp - qp[t]) / q[t * k + t];
        const double scale = 1 + step;
        p[t] += step;
        pqp = (pqp + step * (step * q[t * k + t] + 2 * qp[t])) / scale / scale;
        for (size_t j = 0; j < k; ++j) {
          qp[j] = (qp[j] + step * q[t * k + j]) / scale;
          p[j] /= scale;
        }
      }
    }
  }

  Machine machine_;
  std::vector<size_t> starts_;  // class i's vectors: [starts_[i], starts_[i + 1])
  bool break_ties_;
  std::vector<double> prob_a_, prob_b_;
};

Result<std::unique_ptr<Estimator>> MakeOne(const Attributes& attributes, bool outlier) {
  KINGLET_TRY(Machine machine, ReadMachine(attributes));
  if (machine.dual.size() != machine.vectors || machine.intercept.size() != 1) {
    return attributes.Wrong("_dual_coef_", "it has the wrong size");
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(machine.features));
  traits.why_no_proba = outlier ? "it detects outliers" : "it is a regressor";
  if (outlier) traits.number_type = inference::DataType::kInt64;
  return std::make_unique<OneMachine>(std::move(traits), std::move(machine), outlier);
}

Result<std::unique_ptr<Estimator>> BuildSvr(const Attributes& attributes) {
  return MakeOne(attributes, false);
}

Result<std::unique_ptr<Estimator>> BuildOneClass(const Attributes& attributes) {
  return MakeOne(attributes, true);
}

// The public name of an attribute was a plain one in older versions.
std::string_view Either(const Attributes& attributes, std::string_view name,
                        std::string_view older) {
  return attributes.Has(name) ? name : older;
}

Result<std::unique_ptr<Estimator>> BuildSvc(const Attributes& attributes) {
  KINGLET_TRY(Machine machine, ReadMachine(attributes));
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  const size_t count = classes.size();
  const size_t pairs = count * (count - 1) / 2;
  KINGLET_TRY(const Numbers support,
              attributes.Array(Either(attributes, "_n_support", "n_support_")));
  std::vector<size_t> starts = {0};
  for (const double n : support.data) {
    if (!(n >= 0 && n <= static_cast<double>(machine.vectors))) {
      return attributes.Wrong("n_support_", "it does not fit support_vectors_");
    }
    starts.push_back(starts.back() + static_cast<size_t>(n));
  }
  if (count < 2 || starts.size() != count + 1 || starts.back() != machine.vectors ||
      machine.intercept.size() != pairs || machine.dual.size() != (count - 1) * machine.vectors) {
    return attributes.Wrong("classes_", "classes and support vectors do not fit each other");
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(machine.features));
  std::vector<double> prob_a, prob_b;
  // Since 1.9 the parameter may also be the word "deprecated", which means false.
  bool probability = false;
  if (attributes.Raw("probability").kind() != pickle::Kind::kStr) {
    KINGLET_TRY(probability, attributes.BoolOr("probability", false));
  }
  const std::string_view a = Either(attributes, "_probA", "probA_");
  const std::string_view b = Either(attributes, "_probB", "probB_");
  if (probability && attributes.Has(a) && attributes.Has(b)) {
    KINGLET_TRY(Numbers numbers_a, attributes.Array(a));
    KINGLET_TRY(Numbers numbers_b, attributes.Array(b));
    if (numbers_a.data.size() != pairs || numbers_b.data.size() != pairs) {
      return attributes.Wrong(a, "it does not fit classes_");
    }
    // What coupling the pairs takes at most, for one row.
    KINGLET_RETURN_IF_ERROR(attributes.budget().Spend(count * count, std::max<size_t>(100, count)));
    prob_a = std::move(numbers_a.data);
    prob_b = std::move(numbers_b.data);
    traits.has_proba = true;
  }
  traits.why_no_proba = "predict_proba is not available when probability=False";
  KINGLET_TRY(const bool break_ties, attributes.BoolOr("break_ties", false));
  const bool one_vs_rest = attributes.TextOr("decision_function_shape", "ovr") == "ovr";
  if (break_ties && !one_vs_rest) {
    return attributes.Wrong("break_ties", "it must be False when decision_function_shape is 'ovo'");
  }
  traits.classes.push_back(std::move(classes));
  return std::make_unique<SupportVectorClassifier>(std::move(traits), std::move(machine),
                                                   std::move(starts), break_ties && count > 2,
                                                   std::move(prob_a), std::move(prob_b));
}

constexpr Family kFamilies[] = {
    {"SVC", BuildSvc},
    {"NuSVC", BuildSvc},
    {"SVR", BuildSvr},
    {"NuSVR", BuildSvr},
    {"OneClassSVM", BuildOneClass},
};

}  // namespace

std::span<const Family> SvmFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
