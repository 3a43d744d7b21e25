// sklearn.preprocessing.OneHotEncoder and OrdinalEncoder. A one-hot row is dense here.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtimes/sklearn/categories.h"
#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

class OneHotEncoder : public Estimator {
 public:
  struct Column {
    Categories categories;
    // The output column of each category, from the column's first; -1: it has none (dropped).
    std::vector<int> slots;
    size_t width = 0;
    int unknown_slot = -1;  // where unknown categories go: the infrequent one's, or nowhere
  };

  OneHotEncoder(Traits traits, std::vector<Column> columns, bool refuse_unknown)
      : Estimator(std::move(traits)),
        columns_(std::move(columns)),
        refuse_unknown_(refuse_unknown) {}

  Status Transform(const Table& x, Rows* out) const override {
    if (x.columns != columns_.size()) return Check(x, Accept::kAny);
    out->Reset(x.rows, traits_.transformed_columns);
    double* to = out->values.data();
    std::fill_n(to, x.rows * traits_.transformed_columns, 0.0);
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < x.columns; ++c) {
        const Column& column = columns_[c];
        const int category = column.categories.Find(x, r, c);
        if (category < 0 && refuse_unknown_) return UnknownCategory(x, r, c);
        const int slot = category < 0 ? column.unknown_slot : column.slots[category];
        if (slot >= 0) to[slot] = 1;
        to += column.width;
      }
    }
    return {};
  }

 private:
  std::vector<Column> columns_;
  bool refuse_unknown_;
};

class OrdinalEncoder : public Estimator {
 public:
  OrdinalEncoder(Traits traits, std::vector<Categories> columns, bool refuse_unknown,
                 double unknown, double missing)
      : Estimator(std::move(traits)),
        columns_(std::move(columns)),
        refuse_unknown_(refuse_unknown),
        unknown_(unknown),
        missing_(missing) {}

  Status Transform(const Table& x, Rows* out) const override {
    if (x.columns != columns_.size()) return Check(x, Accept::kAny);
    out->Reset(x.rows, x.columns);
    double* to = out->values.data();
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < x.columns; ++c) {
        const int category = columns_[c].Find(x, r, c);
        if (category < 0 && refuse_unknown_) return UnknownCategory(x, r, c);
        *to++ = category < 0 ? unknown_ : category == columns_[c].nan_index() ? missing_ : category;
      }
    }
    return {};
  }

 private:
  std::vector<Categories> columns_;
  bool refuse_unknown_;
  double unknown_;
  double missing_;
};

// Which category of each column is dropped; -1: none. drop_idx_ is None, or an array with a number
// or None for each column.
Result<std::vector<int>> ReadDropped(const Attributes& attributes, size_t columns) {
  std::vector<int> dropped(columns, -1);
  if (!attributes.Has("drop_idx_")) return dropped;
  KINGLET_TRY(const pickle::Array array, attributes.View("drop_idx_"));
  if (array.count != columns) return attributes.Wrong("drop_idx_", "it does not fit categories_");
  if (array.dtype.kind == 'O') {
    for (size_t c = 0; c < columns; ++c) {
      if (array.objects[c].none()) continue;
      KINGLET_TRY(const double index, pickle::ReadNumber(array.objects[c], attributes.budget()));
      dropped[c] = index >= 0 && index < 1e9 ? static_cast<int>(index) : -1;
    }
    return dropped;
  }
  KINGLET_TRY(const auto numbers, pickle::CopyNumbers<int64_t>(array, attributes.budget()));
  for (size_t c = 0; c < columns; ++c) dropped[c] = static_cast<int>(numbers[c]);
  return dropped;
}

Result<std::unique_ptr<Estimator>> BuildOneHot(const Attributes& attributes) {
  KINGLET_TRY(std::vector<Categories> categories, ReadCategories(attributes));
  KINGLET_TRY(const std::vector<int> dropped, ReadDropped(attributes, categories.size()));
  const std::string handle_unknown = attributes.TextOr("handle_unknown", "error");
  KINGLET_TRY(const bool infrequent, attributes.BoolOr("_infrequent_enabled", false));
  const pickle::Value mappings = attributes.Raw("_default_to_infrequent_mappings");
  if (infrequent && (attributes.Has("drop_idx_") || mappings.size() != categories.size())) {
    return attributes.Unsupported("infrequent categories and drop");
  }
  std::vector<OneHotEncoder::Column> columns;
  size_t width = 0;
  for (size_t c = 0; c < categories.size(); ++c) {
    OneHotEncoder::Column column{std::move(categories[c]), {}, 0, -1};
    const size_t count = column.categories.size();
    if (infrequent && !mappings[c].none()) {
      KINGLET_TRY(const Numbers mapping,
                  attributes.ArrayOf("_default_to_infrequent_mappings", mappings[c]));
      if (mapping.data.size() != count) {
        return attributes.Wrong("_default_to_infrequent_mappings", "it does not fit categories_");
      }
      for (const double slot : mapping.data) {
        if (!(slot >= 0 && slot < static_cast<double>(count))) {
          return attributes.Wrong("_default_to_infrequent_mappings", "it is out of range");
        }
        column.slots.push_back(static_cast<int>(slot));
        column.width = std::max(column.width, static_cast<size_t>(slot) + 1);
      }
      if (handle_unknown != "ignore") column.unknown_slot = static_cast<int>(column.width) - 1;
    } else {
      for (size_t i = 0; i < count; ++i) {
        const bool drop = dropped[c] == static_cast<int>(i);
        column.slots.push_back(drop ? -1 : static_cast<int>(column.width++));
      }
    }
    width += column.width;
    columns.push_back(std::move(column));
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(columns.size()));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = width;
  return std::make_unique<OneHotEncoder>(std::move(traits), std::move(columns),
                                         handle_unknown == "error");
}

Result<std::unique_ptr<Estimator>> BuildOrdinal(const Attributes& attributes) {
  KINGLET_TRY(const bool infrequent, attributes.BoolOr("_infrequent_enabled", false));
  if (infrequent) return attributes.Unsupported("infrequent categories");
  KINGLET_TRY(std::vector<Categories> categories, ReadCategories(attributes));
  const bool refuse = attributes.TextOr("handle_unknown", "error") == "error";
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  KINGLET_TRY(const double unknown, attributes.NumberOr("unknown_value", kNan));
  KINGLET_TRY(const double missing, attributes.NumberOr("encoded_missing_value", kNan));
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(categories.size()));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = categories.size();
  return std::make_unique<OrdinalEncoder>(std::move(traits), std::move(categories), refuse, unknown,
                                          missing);
}

constexpr Family kFamilies[] = {
    {"OneHotEncoder", BuildOneHot},
    {"OrdinalEncoder", BuildOrdinal},
};

}  // namespace

std::span<const Family> EncoderFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
