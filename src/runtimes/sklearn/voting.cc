// sklearn.ensemble.VotingClassifier and VotingRegressor.
#include <algorithm>
#include <optional>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class Voting : public Estimator {
 public:
  Voting(Traits traits, std::vector<std::unique_ptr<Estimator>> members,
         std::vector<double> weights, bool soft)
      : Estimator(std::move(traits)),
        members_(std::move(members)),
        weights_(std::move(weights)),
        soft_(soft) {}

  size_t peak_columns() const override {
    size_t peak = Estimator::peak_columns();
    for (const auto& member : members_) peak = std::max(peak, member->peak_columns());
    return peak;
  }

  Status Predict(const Table& x, double* out) const override {
    if (traits_.classes.empty()) return Average(x, out);
    const size_t classes = traits_.classes[0].size();
    Buffer<double> votes(x.rows * classes);
    KINGLET_RETURN_IF_ERROR(soft_ ? PredictProba(x, votes.data()) : Count(x, votes.data()));
    for (size_t r = 0; r < x.rows; ++r) {
      out[r] = static_cast<double>(ArgMax(votes.data() + r * classes, classes));
    }
    return {};
  }

  Status PredictProba(const Table& x, double* out) const override {
    const size_t cells = x.rows * traits_.classes[0].size();
    Buffer<double> proba(cells);
    double total = 0;
    std::fill_n(out, cells, 0.0);
    for (size_t m = 0; m < members_.size(); ++m) {
      KINGLET_RETURN_IF_ERROR(members_[m]->PredictProba(x, proba.data()));
      for (size_t i = 0; i < cells; ++i) out[i] += weights_[m] * proba[i];
      total += weights_[m];
    }
    for (size_t i = 0; i < cells; ++i) out[i] /= total;
    return {};
  }

 private:
  Status Count(const Table& x, double* votes) const {
    const size_t classes = traits_.classes[0].size();
    std::fill_n(votes, x.rows * classes, 0.0);
    Buffer<double> picks(x.rows);
    for (size_t m = 0; m < members_.size(); ++m) {
      KINGLET_RETURN_IF_ERROR(members_[m]->Predict(x, picks.data()));
      // Members were fitted on the classes' numbers: their labels are indices here.
      const Labels& labels = members_[m]->traits().classes[0];
      for (size_t r = 0; r < x.rows; ++r) {
        const double label = labels.numbers[static_cast<size_t>(picks[r])];
        votes[r * classes + static_cast<size_t>(label)] += weights_[m];
      }
    }
    return {};
  }

  Status Average(const Table& x, double* out) const {
    Buffer<double> values(x.rows);
    double total = 0;
    std::fill_n(out, x.rows, 0.0);
    for (size_t m = 0; m < members_.size(); ++m) {
      KINGLET_RETURN_IF_ERROR(members_[m]->Predict(x, values.data()));
      for (size_t r = 0; r < x.rows; ++r) out[r] += weights_[m] * values[r];
      total += weights_[m];
    }
    for (size_t r = 0; r < x.rows; ++r) out[r] /= total;
    return {};
  }

  std::vector<std::unique_ptr<Estimator>> members_;
  std::vector<double> weights_;
  bool soft_;
};

Result<std::vector<std::unique_ptr<Estimator>>> ReadMembers(const Attributes& attributes) {
  KINGLET_TRY(const std::vector<pickle::Value> items, attributes.Items("estimators_"));
  std::vector<std::unique_ptr<Estimator>> members;
  for (const pickle::Value item : items) {
    KINGLET_TRY(std::unique_ptr<Estimator> member, attributes.Nested("estimators_", item));
    members.push_back(std::move(member));
  }
  if (members.empty()) return attributes.Wrong("estimators_", "it is empty");
  return members;
}

// Unknown where the estimator takes any number of columns.
std::optional<size_t> FeaturesOf(const Estimator& estimator) {
  const size_t features = estimator.traits().features;
  return features == 0 ? std::nullopt : std::optional(features);
}

Result<std::vector<double>> ReadWeights(const Attributes& attributes, size_t members) {
  std::vector<double> weights(members, 1);
  if (!attributes.Has("weights")) return weights;
  KINGLET_TRY(Numbers numbers, attributes.Array("weights"));
  if (numbers.data.size() != members) {
    return attributes.Unsupported("weights of estimators that were dropped");
  }
  return std::move(numbers.data);
}

Result<std::unique_ptr<Estimator>> BuildClassifier(const Attributes& attributes) {
  KINGLET_TRY(auto members, ReadMembers(attributes));
  KINGLET_TRY(std::vector<double> weights, ReadWeights(attributes, members.size()));
  KINGLET_TRY(Labels classes, attributes.Classes("classes_"));
  const bool soft = attributes.TextOr("voting", "hard") == "soft";
  for (const auto& member : members) {
    const Estimator::Traits& traits = member->traits();
    bool fits = traits.classes.size() == 1 && traits.classes[0].size() <= classes.size() &&
                !traits.classes[0].numbers.empty();
    for (size_t i = 0; fits && i < traits.classes[0].size(); ++i) {
      const double label = traits.classes[0].numbers[i];
      fits = label >= 0 && label < static_cast<double>(classes.size());
    }
    if (!fits || (soft && (!traits.has_proba || traits.classes[0].size() != classes.size()))) {
      return attributes.Wrong("estimators_", "an estimator does not fit classes_");
    }
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(FeaturesOf(*members[0])));
  traits.classes.push_back(std::move(classes));
  traits.has_proba = soft;
  traits.why_no_proba = "predict_proba is not available when voting='hard'";
  return std::make_unique<Voting>(std::move(traits), std::move(members), std::move(weights), soft);
}

Result<std::unique_ptr<Estimator>> BuildRegressor(const Attributes& attributes) {
  KINGLET_TRY(auto members, ReadMembers(attributes));
  KINGLET_TRY(std::vector<double> weights, ReadWeights(attributes, members.size()));
  for (const auto& member : members) {
    if (!member->traits().classes.empty() || member->traits().outputs != 1 ||
        !member->traits().predicts) {
      return attributes.Wrong("estimators_", "an estimator is no regressor of one output");
    }
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(FeaturesOf(*members[0])));
  traits.why_no_proba = "it is a regressor";
  return std::make_unique<Voting>(std::move(traits), std::move(members), std::move(weights), false);
}

constexpr Family kFamilies[] = {
    {"VotingClassifier", BuildClassifier},
    {"VotingRegressor", BuildRegressor},
};

}  // namespace

std::span<const Family> VotingFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
