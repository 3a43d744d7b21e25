// sklearn.impute.SimpleImputer.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class SimpleImputer : public Estimator {
 public:
  struct Fill {
    bool keep = true;  // a column without any value when fitted is left out
    double number = 0;
    std::string text;
  };
  struct Missing {
    bool nan = true;
    double number = std::numeric_limits<double>::quiet_NaN();
    bool is_text = false;
    std::string text;
  };

  SimpleImputer(Traits traits, std::vector<Fill> fills, bool text_fills, Missing missing,
                std::vector<size_t> indicators)
      : Estimator(std::move(traits)),
        fills_(std::move(fills)),
        text_fills_(text_fills),
        missing_(std::move(missing)),
        indicators_(std::move(indicators)) {}

  Status Transform(const Table& x, Rows* out) const override {
    const Accept accept = missing_.nan ? Accept::kNan : Accept::kFinite;
    if (x.columns != fills_.size() || !text_fills_) KINGLET_RETURN_IF_ERROR(Check(x, accept));
    out->Reset(x.rows, traits_.transformed_columns, text_fills_);
    size_t at = 0;
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < x.columns; ++c) {
        if (!fills_[c].keep) continue;
        const bool missing = IsMissing(x, r, c);
        out->values[at] = missing ? fills_[c].number : x.row(r)[c];
        if (text_fills_) out->text[at] = missing ? &fills_[c].text : x.TextAt(r, c);
        ++at;
      }
      for (const size_t c : indicators_) out->values[at++] = IsMissing(x, r, c) ? 1 : 0;
    }
    return {};
  }

 private:
  bool IsMissing(const Table& x, size_t r, size_t c) const {
    if (const std::string* text = x.TextAt(r, c)) return missing_.is_text && *text == missing_.text;
    const double value = x.row(r)[c];
    return missing_.nan ? std::isnan(value) : value == missing_.number;
  }

  std::vector<Fill> fills_;
  bool text_fills_;
  Missing missing_;
  std::vector<size_t> indicators_;  // columns that get one of their own
};

Result<std::unique_ptr<Estimator>> BuildImputer(const Attributes& attributes) {
  KINGLET_TRY(const Labels statistics, attributes.Classes("statistics_"));
  const bool text = statistics.type == inference::DataType::kBytes;
  KINGLET_TRY(const bool keep_empty, attributes.BoolOr("keep_empty_features", false));
  KINGLET_RETURN_IF_ERROR(
      attributes.budget().Allocate(statistics.size(), sizeof(SimpleImputer::Fill)));
  std::vector<SimpleImputer::Fill> fills(statistics.size());
  size_t kept = 0;
  for (size_t c = 0; c < fills.size(); ++c) {
    if (text) {
      fills[c].text = statistics.strings[c];
    } else {
      fills[c].number = statistics.numbers[c];
      fills[c].keep = keep_empty || !std::isnan(fills[c].number);
    }
    kept += fills[c].keep ? 1 : 0;
  }
  SimpleImputer::Missing missing;
  const pickle::Value marker = attributes.Raw("missing_values");
  if (marker.kind() == pickle::Kind::kStr) {
    missing.is_text = true;
    KINGLET_TRY(missing.text, attributes.Text("missing_values"));
  } else if (attributes.Has("missing_values")) {
    KINGLET_TRY(missing.number, attributes.Number("missing_values"));
    missing.nan = std::isnan(missing.number);
  }
  std::vector<size_t> indicators;
  if (attributes.Has("indicator_")) {
    KINGLET_TRY(
        const Numbers columns,
        attributes.ArrayOf("indicator_.features_", attributes.Raw("indicator_").Attr("features_")));
    for (const double column : columns.data) {
      if (!(column >= 0 && column < static_cast<double>(fills.size()))) {
        return attributes.Wrong("indicator_", "it does not fit the columns");
      }
      indicators.push_back(static_cast<size_t>(column));
    }
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(fills.size()));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = kept + indicators.size();
  return std::make_unique<SimpleImputer>(std::move(traits), std::move(fills), text,
                                         std::move(missing), std::move(indicators));
}

constexpr Family kFamilies[] = {{"SimpleImputer", BuildImputer}};

}  // namespace

std::span<const Family> ImputerFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
