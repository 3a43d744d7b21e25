// sklearn.preprocessing's transformers of numbers, column by column or row by row.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

Result<Estimator::Traits> TransformerTraits(const Attributes& attributes,
                                            std::optional<size_t> features) {
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(features));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = traits.features;
  return traits;
}

// An attribute with one number a column; `fallback` for each where it is None.
Result<std::vector<double>> PerColumn(const Attributes& attributes, std::string_view name) {
  std::vector<double> none;
  if (!attributes.Has(name)) return none;
  KINGLET_TRY(Numbers numbers, attributes.Array(name));
  if (numbers.data.empty()) return attributes.Wrong(name, "it is empty");
  return std::move(numbers.data);
}

// y = (x - shift) / scale (StandardScaler, RobustScaler, MaxAbsScaler), or x * scale + shift
// (MinMaxScaler); then clipped. Empty vectors: left out.
class Affine : public Estimator {
 public:
  struct Steps {
    bool multiply_first = false;
    std::vector<double> shift;
    std::vector<double> scale;
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
  };

  Affine(Traits traits, Steps steps) : Estimator(std::move(traits)), steps_(std::move(steps)) {}

  Status Transform(const Table& x, Rows* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kNan));
    out->Reset(x.rows, x.columns);
    const bool shift = !steps_.shift.empty();
    const bool scale = !steps_.scale.empty();
    double* to = out->values.data();
    for (size_t r = 0; r < x.rows; ++r) {
      const double* from = x.row(r);
      for (size_t c = 0; c < x.columns; ++c) {
        double value = from[c];
        if (steps_.multiply_first) {
          value = value * steps_.scale[c];
          value = value + steps_.shift[c];
        } else {
          if (shift) value -= steps_.shift[c];
          if (scale) value /= steps_.scale[c];
        }
        // NaN stays NaN, which std::clamp may not be given.
        if (value < steps_.low) value = steps_.low;
        if (value > steps_.high) value = steps_.high;
        *to++ = value;
      }
    }
    return {};
  }

 private:
  Steps steps_;
};

Result<std::unique_ptr<Estimator>> MakeAffine(const Attributes& attributes, Affine::Steps steps) {
  const size_t features = std::max(steps.shift.size(), steps.scale.size());
  // Without either step any number of columns stays as it is.
  KINGLET_TRY(
      Estimator::Traits traits,
      TransformerTraits(attributes, features == 0 ? std::nullopt : std::optional(features)));
  if ((!steps.shift.empty() && steps.shift.size() != traits.features) ||
      (!steps.scale.empty() && steps.scale.size() != traits.features)) {
    return attributes.Wrong("scale_", "it does not fit the columns");
  }
  return std::make_unique<Affine>(std::move(traits), std::move(steps));
}

Result<Affine::Steps> ShiftAndScale(const Attributes& attributes, std::string_view with_shift,
                                    std::string_view shift, std::string_view with_scale) {
  Affine::Steps steps;
  KINGLET_TRY(const bool shifts, attributes.BoolOr(with_shift, true));
  KINGLET_TRY(const bool scales, attributes.BoolOr(with_scale, true));
  if (shifts) {
    KINGLET_TRY(steps.shift, PerColumn(attributes, shift));
  }
  if (scales) {
    KINGLET_TRY(steps.scale, PerColumn(attributes, "scale_"));
  }
  if ((shifts && steps.shift.empty()) || (scales && steps.scale.empty())) {
    return attributes.Wrong(shift, "it is missing (is the model fitted?)");
  }
  return steps;
}

Result<std::unique_ptr<Estimator>> BuildStandard(const Attributes& attributes) {
  KINGLET_TRY(Affine::Steps steps, ShiftAndScale(attributes, "with_mean", "mean_", "with_std"));
  return MakeAffine(attributes, std::move(steps));
}

Result<std::unique_ptr<Estimator>> BuildRobust(const Attributes& attributes) {
  KINGLET_TRY(Affine::Steps steps,
              ShiftAndScale(attributes, "with_centering", "center_", "with_scaling"));
  return MakeAffine(attributes, std::move(steps));
}

Result<std::unique_ptr<Estimator>> BuildMaxAbs(const Attributes& attributes) {
  Affine::Steps steps;
  KINGLET_TRY(steps.scale, PerColumn(attributes, "scale_"));
  KINGLET_TRY(const bool clip, attributes.BoolOr("clip", false));
  if (clip) steps.low = -1, steps.high = 1;
  return MakeAffine(attributes, std::move(steps));
}

Result<std::unique_ptr<Estimator>> BuildMinMax(const Attributes& attributes) {
  Affine::Steps steps;
  steps.multiply_first = true;
  KINGLET_TRY(steps.scale, PerColumn(attributes, "scale_"));
  KINGLET_TRY(steps.shift, PerColumn(attributes, "min_"));
  if (steps.scale.empty() || steps.scale.size() != steps.shift.size()) {
    return attributes.Wrong("scale_", "it does not fit min_");
  }
  KINGLET_TRY(const bool clip, attributes.BoolOr("clip", false));
  if (clip) {
    KINGLET_TRY(const Numbers range, attributes.Array("feature_range"));
    if (range.data.size() != 2) return attributes.Wrong("feature_range", "it is no pair");
    steps.low = range.data[0];
    steps.high = range.data[1];
  }
  return MakeAffine(attributes, std::move(steps));
}

// Transformers whose output depends on one row alone and whose state is next to nothing.
class RowWise : public Estimator {
 public:
  enum class Kind { kL1, kL2, kMax, kBinarize };
  RowWise(Traits traits, Kind kind, double threshold)
      : Estimator(std::move(traits)), kind_(kind), threshold_(threshold) {}

  Status Transform(const Table& x, Rows* out) const override {
    // 0.23 and older do not keep the number of columns.
    if (traits_.features != 0) KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    out->Reset(x.rows, x.columns);
    double* to = out->values.data();
    for (size_t r = 0; r < x.rows; ++r, to += x.columns) {
      const double* row = x.row(r);
      double norm = kind_ == Kind::kBinarize ? 1 : 0;
      for (size_t c = 0; c < x.columns; ++c) {
        if (kind_ == Kind::kL1) norm += std::abs(row[c]);
        if (kind_ == Kind::kL2) norm += row[c] * row[c];
        if (kind_ == Kind::kMax) norm = std::max(norm, std::abs(row[c]));
      }
      if (kind_ == Kind::kL2) norm = std::sqrt(norm);
      if (norm == 0) norm = 1;
      for (size_t c = 0; c < x.columns; ++c) {
        to[c] = kind_ == Kind::kBinarize ? (row[c] > threshold_ ? 1 : 0) : row[c] / norm;
      }
    }
    return {};
  }

 private:
  Kind kind_;
  double threshold_;
};

Result<std::unique_ptr<Estimator>> BuildNormalizer(const Attributes& attributes) {
  const std::string norm = attributes.TextOr("norm", "l2");
  if (norm != "l1" && norm != "l2" && norm != "max") {
    return attributes.Unsupported(fmt::format("norm='{}'", norm.substr(0, 40)));
  }
  KINGLET_TRY(Estimator::Traits traits, TransformerTraits(attributes, std::nullopt));
  return std::make_unique<RowWise>(std::move(traits),
                                   norm == "l1"   ? RowWise::Kind::kL1
                                   : norm == "l2" ? RowWise::Kind::kL2
                                                  : RowWise::Kind::kMax,
                                   0);
}

Result<std::unique_ptr<Estimator>> BuildBinarizer(const Attributes& attributes) {
  KINGLET_TRY(const double threshold, attributes.NumberOr("threshold", 0));
  KINGLET_TRY(Estimator::Traits traits, TransformerTraits(attributes, std::nullopt));
  return std::make_unique<RowWise>(std::move(traits), RowWise::Kind::kBinarize, threshold);
}

// Yeo-Johnson and Box-Cox with a fitted lambda a column, then a StandardScaler.
class Power : public Estimator {
 public:
  Power(Traits traits, std::vector<double> lambdas, bool box_cox, std::unique_ptr<Estimator> scaler)
      : Estimator(std::move(traits)),
        lambdas_(std::move(lambdas)),
        box_cox_(box_cox),
        scaler_(std::move(scaler)) {}

  Status Transform(const Table& x, Rows* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kNan));
    Rows powered;
    Rows* target = scaler_ ? &powered : out;
    target->Reset(x.rows, x.columns);
    double* to = target->values.data();
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < x.columns; ++c) {
        const double value = x.row(r)[c];
        if (box_cox_ && value <= 0) {
          return Fail(Code::kInvalidArgument,
                      "The Box-Cox transformation can only be applied to strictly positive data");
        }
        *to++ = box_cox_ ? BoxCox(value, lambdas_[c]) : YeoJohnson(value, lambdas_[c]);
      }
    }
    return scaler_ ? scaler_->Transform(powered.table(), out) : Status();
  }

 private:
  static double BoxCox(double x, double lambda) {
    return lambda == 0 ? std::log(x) : std::expm1(lambda * std::log(x)) / lambda;
  }
  static double YeoJohnson(double x, double lambda) {
    constexpr double kTiny = std::numeric_limits<double>::epsilon();
    if (std::isnan(x)) return x;
    if (x >= 0) {
      return std::abs(lambda) < kTiny ? std::log1p(x) : std::expm1(lambda * std::log1p(x)) / lambda;
    }
    const double mirrored = 2 - lambda;
    return std::abs(mirrored) < kTiny ? -std::log1p(-x)
                                      : -std::expm1(mirrored * std::log1p(-x)) / mirrored;
  }

  std::vector<double> lambdas_;
  bool box_cox_;
  std::unique_ptr<Estimator> scaler_;
};

Result<std::unique_ptr<Estimator>> BuildPower(const Attributes& attributes) {
  KINGLET_TRY(Numbers lambdas, attributes.Array("lambdas_"));
  const std::string method = attributes.TextOr("method", "yeo-johnson");
  if (method != "yeo-johnson" && method != "box-cox") {
    return attributes.Unsupported(fmt::format("method='{}'", method.substr(0, 40)));
  }
  KINGLET_TRY(const bool standardize, attributes.BoolOr("standardize", true));
  std::unique_ptr<Estimator> scaler;
  if (standardize) {
    KINGLET_TRY(scaler, attributes.Nested("_scaler", attributes.Raw("_scaler")));
    if (scaler->traits().name != "StandardScaler" ||
        scaler->traits().features != lambdas.data.size()) {
      return attributes.Wrong("_scaler", "it does not fit lambdas_");
    }
  }
  KINGLET_TRY(Estimator::Traits traits, TransformerTraits(attributes, lambdas.data.size()));
  return std::make_unique<Power>(std::move(traits), std::move(lambdas.data), method == "box-cox",
                                 std::move(scaler));
}

// Products of columns, in itertools' order of combinations.
class Polynomial : public Estimator {
 public:
  Polynomial(Traits traits, std::vector<std::vector<uint32_t>> terms)
      : Estimator(std::move(traits)), terms_(std::move(terms)) {}

  Status Transform(const Table& x, Rows* out) const override {
    KINGLET_RETURN_IF_ERROR(Check(x, Accept::kFinite));
    out->Reset(x.rows, terms_.size());
    double* to = out->values.data();
    for (size_t r = 0; r < x.rows; ++r) {
      for (const std::vector<uint32_t>& term : terms_) {
        double product = 1;
        for (const uint32_t column : term) product *= x.row(r)[column];
        *to++ = product;
      }
    }
    return {};
  }

 private:
  std::vector<std::vector<uint32_t>> terms_;
};

constexpr size_t kMaxTerms = 1 << 20;
constexpr size_t kTermOverhead = 64;  // of the vector that holds a term

// All combinations of `degree` columns (with repetition unless interaction_only), appended.
bool AppendTerms(size_t columns, size_t degree, bool interaction_only, Budget& budget,
                 std::vector<std::vector<uint32_t>>* terms) {
  if (interaction_only && degree > columns) return true;
  std::vector<uint32_t> term(degree);
  for (size_t i = 0; i < degree; ++i) term[i] = interaction_only ? static_cast<uint32_t>(i) : 0;
  while (true) {
    if (terms->size() >= kMaxTerms || !budget.Allocate(kTermOverhead + degree * sizeof(uint32_t))) {
      return false;
    }
    terms->push_back(term);
    size_t i = degree;
    while (i > 0) {
      const size_t highest = interaction_only ? columns - (degree - (i - 1)) : columns - 1;
      if (term[i - 1] < highest) break;
      --i;
    }
    if (i == 0) return true;
    ++term[i - 1];
    for (size_t j = i; j < degree; ++j) term[j] = term[j - 1] + (interaction_only ? 1 : 0);
  }
}

Result<std::unique_ptr<Estimator>> BuildPolynomial(const Attributes& attributes) {
  // n_input_features_ until 0.24.
  const std::string_view count =
      attributes.Has("n_features_in_") ? "n_features_in_" : "n_input_features_";
  KINGLET_TRY(const int64_t columns, attributes.Integer(count));
  KINGLET_TRY(const bool interaction_only, attributes.BoolOr("interaction_only", false));
  KINGLET_TRY(const bool bias, attributes.BoolOr("include_bias", true));
  size_t lowest = 0;
  size_t highest = 0;
  if (attributes.Raw("degree").kind() == pickle::Kind::kTuple) {
    KINGLET_TRY(const Numbers range, attributes.Array("degree"));
    if (range.data.size() != 2 || !(range.data[0] >= 0 && range.data[0] <= range.data[1]) ||
        !(range.data[1] <= 64)) {
      return attributes.Wrong("degree", "it is no pair of small numbers");
    }
    lowest = static_cast<size_t>(range.data[0]);
    highest = static_cast<size_t>(range.data[1]);
  } else {
    KINGLET_TRY(const int64_t degree, attributes.Integer("degree"));
    if (degree < 0 || degree > 64) return attributes.Wrong("degree", "it is out of range");
    highest = static_cast<size_t>(degree);
  }
  if (columns < 1 || columns > (1 << 20)) return attributes.Wrong(count, "it is out of range");
  std::vector<std::vector<uint32_t>> terms;
  if (bias) terms.emplace_back();
  for (size_t degree = std::max<size_t>(lowest, 1); degree <= highest; ++degree) {
    if (!AppendTerms(static_cast<size_t>(columns), degree, interaction_only, attributes.budget(),
                     &terms)) {
      return attributes.Unsupported(fmt::format("so many terms (over {})", terms.size()));
    }
  }
  KINGLET_TRY(Estimator::Traits traits,
              TransformerTraits(attributes, static_cast<size_t>(columns)));
  traits.transformed_columns = terms.size();
  return std::make_unique<Polynomial>(std::move(traits), std::move(terms));
}

constexpr Family kFamilies[] = {
    {"StandardScaler", BuildStandard}, {"MinMaxScaler", BuildMinMax},
    {"MaxAbsScaler", BuildMaxAbs},     {"RobustScaler", BuildRobust},
    {"Normalizer", BuildNormalizer},   {"Binarizer", BuildBinarizer},
    {"PowerTransformer", BuildPower},  {"PolynomialFeatures", BuildPolynomial},
};

}  // namespace

std::span<const Family> ScalerFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
