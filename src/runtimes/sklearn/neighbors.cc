// sklearn.neighbors.KNeighbors*, by brute force whatever the fitted search tree is.
#include <algorithm>
#include <cmath>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

enum class Metric { kEuclidean, kManhattan, kChebyshev, kMinkowski };

struct Neighborhood {
  Metric metric = Metric::kEuclidean;
  double p = 2;
  size_t neighbors = 5;
  size_t features = 0;
  size_t samples = 0;
  bool by_distance = false;
  std::vector<double> x;
  std::vector<double> y;  // samples * outputs
};

double Distance(const Neighborhood& n, const double* a, const double* b) {
  double sum = 0;
  for (size_t f = 0; f < n.features; ++f) {
    const double difference = std::abs(a[f] - b[f]);
    switch (n.metric) {
      case Metric::kEuclidean:
        sum += difference * difference;
        break;
      case Metric::kManhattan:
        sum += difference;
        break;
      case Metric::kChebyshev:
        sum = std::max(sum, difference);
        break;
      case Metric::kMinkowski:
        sum += std::pow(difference, n.p);
        break;
    }
  }
  if (n.metric == Metric::kEuclidean) return std::sqrt(sum);
  return n.metric == Metric::kMinkowski ? std::pow(sum, 1 / n.p) : sum;
}

// The nearest samples of one row, as pairs: distance (then weight), index. scratch: 2 * samples.
void Nearest(const Neighborhood& n, const double* row, std::pair<double, double>* scratch) {
  for (size_t s = 0; s < n.samples; ++s) {
    scratch[s] = {Distance(n, row, n.x.data() + s * n.features), static_cast<double>(s)};
  }
  std::partial_sort(scratch, scratch + n.neighbors, scratch + n.samples);
  if (!n.by_distance) {
    for (size_t i = 0; i < n.neighbors; ++i) scratch[i].first = 1;
    return;
  }
  // Samples at no distance are the only ones that count.
  const bool exact = scratch[0].first == 0;
  for (size_t i = 0; i < n.neighbors; ++i) {
    scratch[i].first = exact ? (scratch[i].first == 0 ? 1 : 0) : 1 / scratch[i].first;
  }
}

class Neighbors : public Estimator {
 public:
  Neighbors(Traits traits, Neighborhood neighborhood)
      : Estimator(std::move(traits)), n_(std::move(neighborhood)) {}

  Status Predict(const Table& x, double* out) const override {
    if (traits_.classes.empty()) return Average(x, out);
    const size_t classes = traits_.classes[0].size();
    Buffer<double> votes(x.rows * classes);
    KINGLET_RETURN_IF_ERROR(Vote(x, votes.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      out[r] = static_cast<double>(ArgMax(votes.data() + r * classes, classes));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    const size_t classes = traits_.classes[0].size();
    KINGLET_RETURN_IF_ERROR(Vote(x, out));
    for (size_t r = 0; r < x.rows; ++r, out += classes) {
      double sum = 0;
      for (size_t k = 0; k < classes; ++k) sum += out[k];
      if (sum == 0) sum = 1;
      for (size_t k = 0; k < classes; ++k) out[k] /= sum;
    }
    return {};
  }

 private:
  Status Vote(const Table& x, double* votes) const {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t classes = traits_.classes[0].size();
    std::fill_n(votes, x.rows * classes, 0.0);
    std::vector<std::pair<double, double>> scratch(n_.samples);
    for (size_t r = 0; r < x.rows; ++r) {
      Nearest(n_, x.row(r), scratch.data());
      for (size_t i = 0; i < n_.neighbors; ++i) {
        const auto sample = static_cast<size_t>(scratch[i].second);
        votes[r * classes + static_cast<size_t>(n_.y[sample])] += scratch[i].first;
      }
    }
    return {};
  }

  Status Average(const Table& x, double* out) const {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    const size_t outputs = traits_.outputs;
    std::vector<std::pair<double, double>> scratch(n_.samples);
    for (size_t r = 0; r < x.rows; ++r) {
      Nearest(n_, x.row(r), scratch.data());
      double weights = 0;
      for (size_t i = 0; i < n_.neighbors; ++i) weights += scratch[i].first;
      for (size_t k = 0; k < outputs; ++k) {
        double sum = 0;
        for (size_t i = 0; i < n_.neighbors; ++i) {
          const auto sample = static_cast<size_t>(scratch[i].second);
          sum += n_.y[sample * outputs + k] * scratch[i].first;
        }
        out[r * outputs + k] = sum / weights;
      }
    }
    return {};
  }

  Neighborhood n_;
};

Result<Neighborhood> ReadNeighborhood(const Attributes& attributes) {
  Neighborhood n;
  KINGLET_TRY(Numbers x, attributes.Array("_fit_X"));
  if (x.shape.size() != 2) return attributes.Wrong("_fit_X", "it is no matrix");
  n.samples = static_cast<size_t>(x.shape[0]);
  n.features = static_cast<size_t>(x.shape[1]);
  n.x = std::move(x.data);
  KINGLET_TRY(const int64_t neighbors, attributes.Integer("n_neighbors"));
  if (neighbors < 1 || static_cast<size_t>(neighbors) > n.samples) {
    return attributes.Wrong("n_neighbors", "it is more than the samples");
  }
  n.neighbors = static_cast<size_t>(neighbors);
  const std::string weights = attributes.TextOr("weights", "function");
  if (weights != "uniform" && weights != "distance") {
    return attributes.Unsupported("weights that are a function");
  }
  n.by_distance = weights == "distance";
  const std::string metric = attributes.TextOr("effective_metric_", "function");
  const pickle::Value parameters = attributes.Raw("effective_metric_params_");
  if (metric == "euclidean") {
    n.metric = Metric::kEuclidean;
  } else if (metric == "manhattan") {
    n.metric = Metric::kManhattan;
  } else if (metric == "chebyshev") {
    n.metric = Metric::kChebyshev;
  } else if (metric == "minkowski" && parameters.Get("w").missing()) {
    n.metric = Metric::kMinkowski;
    auto p = pickle::ReadNumber(parameters.Get("p"), attributes.budget());
    if (!p || !(*p > 0)) return attributes.Wrong("p", "it is no positive number");
    n.p = *p;
    if (n.p == 2) n.metric = Metric::kEuclidean;
    if (n.p == 1) n.metric = Metric::kManhattan;
  } else {
    return attributes.Unsupported(fmt::format("metric='{}'", metric.substr(0, 40)));
  }
  KINGLET_TRY(Numbers y, attributes.Array("_y"));
  if (n.samples == 0 || y.data.size() % n.samples != 0) {
    return attributes.Wrong("_y", "it does not fit _fit_X");
  }
  n.y = std::move(y.data);
  return n;
}

Result<std::unique_ptr<Estimator>> BuildClassifier(const Attributes& attributes) {
  KINGLET_TRY(Neighborhood n, ReadNeighborhood(attributes));
  KINGLET_TRY(const bool several, attributes.BoolOr("outputs_2d_", false));
  if (several) return attributes.Unsupported("several outputs");
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  const auto count = static_cast<double>(classes.size());
  if (n.y.size() != n.samples ||
      !std::ranges::all_of(n.y, [&](double y) { return y >= 0 && y < count; })) {
    return attributes.Wrong("_y", "it does not fit classes_");
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(n.features));
  traits.classes.push_back(std::move(classes));
  traits.has_proba = true;
  return std::make_unique<Neighbors>(std::move(traits), std::move(n));
}

Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  KINGLET_TRY(Neighborhood n, ReadNeighborhood(attributes));
  KINGLET_TRY(const Numbers y, attributes.Array("_y"));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(n.features));
  traits.outputs = n.y.size() / n.samples;
  traits.flat = y.shape.size() < 2;
  traits.why_no_proba = "it is a regressor";
  if (traits.outputs == 0) return attributes.Wrong("_y", "it is empty");
  return std::make_unique<Neighbors>(std::move(traits), std::move(n));
}

constexpr Family kFamilies[] = {
    {"KNeighborsClassifier", BuildClassifier},
    {"KNeighborsRegressor", BuildRegressor},
};

}  // namespace

std::span<const Family> NeighborFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
