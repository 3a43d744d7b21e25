// sklearn.compose.ColumnTransformer, and the FunctionTransformer without a function that stands for
// "passthrough" in newer versions.
#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/seeded_hash.h"
#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

using pickle::Kind;
using pickle::Value;

class Identity : public Estimator {
 public:
  using Estimator::Estimator;

  Status Transform(const Table& x, Rows* out) const override {
    out->Reset(x.rows, x.columns, x.HasText());
    std::copy_n(x.values, x.rows * x.columns, out->values.data());
    if (x.HasText()) std::copy_n(x.text, x.rows * x.columns, out->text.data());
    return {};
  }
};

struct Part {
  std::vector<size_t> columns;
  std::unique_ptr<Estimator> transformer;  // null: passed through
};

class ColumnTransformer : public Estimator {
 public:
  ColumnTransformer(Traits traits, std::vector<Part> parts)
      : Estimator(std::move(traits)), parts_(std::move(parts)) {}

  size_t peak_columns() const override {
    size_t peak = Estimator::peak_columns();
    for (const Part& part : parts_) {
      if (part.transformer) peak = std::max(peak, part.transformer->peak_columns());
    }
    return peak;
  }

  Status Transform(const Table& x, Rows* out) const override {
    if (x.columns != traits_.features) return Check(x, Accept::kAny);
    out->Reset(x.rows, traits_.transformed_columns, x.HasText());
    size_t offset = 0;
    for (const Part& part : parts_) {
      Rows selected;
      selected.Reset(x.rows, part.columns.size(), x.HasText());
      Paste(x, part.columns, &selected, 0);
      Rows transformed;
      if (part.transformer) {
        KINGLET_RETURN_IF_ERROR(part.transformer->Transform(selected.table(), &transformed));
      }
      const Rows& made = part.transformer ? transformed : selected;
      // A transformer that knows no column count of its own may give another one than was planned.
      if (made.columns > out->columns - offset || made.rows != x.rows) break;
      Append(made, out, offset);
      offset += made.columns;
    }
    if (offset != out->columns) {
      return Fail(Code::kInternal, "{} gives another number of columns than when it was loaded",
                  traits_.name);
    }
    return {};
  }

 private:
  static void Paste(const Table& x, const std::vector<size_t>& columns, Rows* out, size_t offset) {
    for (size_t r = 0; r < x.rows; ++r) {
      for (size_t c = 0; c < columns.size(); ++c) {
        const size_t at = r * out->columns + offset + c;
        out->values[at] = x.row(r)[columns[c]];
        if (x.HasText()) out->text[at] = x.TextAt(r, columns[c]);
      }
    }
  }

  static void Append(const Rows& part, Rows* out, size_t offset) {
    const Table from = part.table();
    for (size_t r = 0; r < from.rows; ++r) {
      for (size_t c = 0; c < from.columns; ++c) {
        const size_t at = r * out->columns + offset + c;
        out->values[at] = from.row(r)[c];
        if (out->has_text) out->text[at] = from.TextAt(r, c);
      }
    }
  }

  std::vector<Part> parts_;
};

Result<size_t> Position(const Attributes& attributes, double number, size_t features) {
  const double index = number < 0 ? number + static_cast<double>(features) : number;
  if (!(index >= 0 && index < static_cast<double>(features))) {
    return attributes.Wrong("transformers_", "a column is out of range");
  }
  return static_cast<size_t>(index);
}

// From the names of the columns to their positions.
using NameIndex = std::unordered_map<std::string_view, size_t, SeededHash>;

// Columns by position, by name, by mask or as a slice of positions.
Result<std::vector<size_t>> ReadColumns(const Attributes& attributes, Value spec, size_t features,
                                        const NameIndex& index) {
  std::vector<size_t> columns;
  if (spec.kind() == Kind::kObject && spec.name() == "slice") {
    const Value args = spec.args();
    if ((!args[0].none() && args[0].kind() != Kind::kInt) ||
        (!args[1].none() && args[1].kind() != Kind::kInt) || !args[2].none()) {
      return attributes.Unsupported("a slice of names or with a step");
    }
    const auto limit = static_cast<int64_t>(features);
    int64_t begin = args[0].none() ? 0 : args[0].integer();
    int64_t end = args[1].none() ? limit : args[1].integer();
    if (begin < 0) begin += limit;
    if (end < 0) end += limit;
    KINGLET_RETURN_IF_ERROR(attributes.budget().Allocate(features, sizeof(size_t)));
    for (int64_t i = std::max<int64_t>(begin, 0); i < std::min(end, limit); ++i) {
      columns.push_back(static_cast<size_t>(i));
    }
    return columns;
  }
  if (spec.kind() == Kind::kStr || spec.kind() == Kind::kInt) {
    return attributes.Unsupported("a single column given as one value (a vectorizer's input)");
  }
  if (spec.size() == 0 && (spec.kind() == Kind::kList || spec.kind() == Kind::kTuple)) {
    return columns;
  }
  KINGLET_TRY(const Labels labels, attributes.ClassesOf("transformers_", spec));
  if (labels.type == inference::DataType::kBytes) {
    for (const std::string& name : labels.strings) {
      const auto found = index.find(name);
      if (found == index.end()) {
        return attributes.Wrong("transformers_",
                                fmt::format("column '{}' is unknown", name.substr(0, 100)));
      }
      columns.push_back(found->second);
    }
    return columns;
  }
  if (labels.type == inference::DataType::kBool) {
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels.numbers[i] != 0 && i < features) columns.push_back(i);
    }
    return columns;
  }
  for (const double number : labels.numbers) {
    KINGLET_TRY(const size_t column, Position(attributes, number, features));
    columns.push_back(column);
  }
  return columns;
}

// Names were kept under other attributes before 1.0.
Result<std::vector<std::string>> ReadNames(const Attributes& attributes) {
  for (const std::string_view name : {"feature_names_in_", "_feature_names_in", "_df_columns"}) {
    if (!attributes.Has(name)) continue;
    if (attributes.Raw(name).name() == "Index") {
      return attributes.Unsupported("a pandas Index as columns");
    }
    KINGLET_TRY(Labels labels, attributes.Classes(name));
    return std::move(labels.strings);
  }
  return std::vector<std::string>();
}

Result<std::unique_ptr<Estimator>> BuildColumns(const Attributes& attributes) {
  const std::string_view count =
      attributes.Has("n_features_in_") ? "n_features_in_" : "_n_features";
  size_t features = 0;
  if (attributes.Has(count)) {
    KINGLET_TRY(const int64_t number, attributes.Integer(count));
    if (number < 1 || number > (1 << 20)) return attributes.Wrong(count, "it is out of range");
    features = static_cast<size_t>(number);
  } else {
    // 0.20 kept no count: the remainder's columns and the others' make them up.
    return attributes.Unsupported("no count of columns (fitted before 0.21)");
  }
  if (attributes.Has("transformer_weights")) return attributes.Unsupported("transformer_weights");
  KINGLET_TRY(std::vector<std::string> names, ReadNames(attributes));
  NameIndex index;
  for (size_t i = 0; i < names.size(); ++i) index.emplace(names[i], i);
  KINGLET_TRY(const std::vector<Value> items, attributes.Items("transformers_"));
  std::vector<Part> parts;
  size_t width = 0;
  for (const Value item : items) {
    const Value transformer = item[1];
    if (transformer.text() == "drop") continue;
    Part part;
    KINGLET_TRY(part.columns, ReadColumns(attributes, item[2], features, index));
    KINGLET_RETURN_IF_ERROR(
        attributes.budget().Allocate(64 + part.columns.size() * sizeof(size_t)));
    if (part.columns.empty()) continue;
    size_t part_width = part.columns.size();
    if (transformer.text() != "passthrough") {
      KINGLET_TRY(part.transformer, attributes.Nested(item[0].text(), transformer));
      const Estimator::Traits& traits = part.transformer->traits();
      if (!traits.transforms || (traits.features != 0 && traits.features != part.columns.size())) {
        return attributes.Wrong("transformers_", "a transformer does not fit its columns");
      }
      // Transformers that know no columns of their own give as many as they get.
      if (traits.transformed_columns != 0) part_width = traits.transformed_columns;
    }
    width += part_width;
    parts.push_back(std::move(part));
  }
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(features));
  if (traits.feature_names.empty() && names.size() == features && index.size() == features) {
    traits.feature_names = std::move(names);
  }
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = width;
  return std::make_unique<ColumnTransformer>(std::move(traits), std::move(parts));
}

Result<std::unique_ptr<Estimator>> BuildFunction(const Attributes& attributes) {
  if (attributes.Has("func")) return attributes.Unsupported("a Python function");
  KINGLET_TRY(Estimator::Traits traits, attributes.MakeTraits(std::nullopt));
  traits.predicts = false;
  traits.transforms = true;
  traits.transformed_columns = traits.features;
  return std::make_unique<Identity>(std::move(traits));
}

constexpr Family kFamilies[] = {
    {"ColumnTransformer", BuildColumns},
    {"FunctionTransformer", BuildFunction},
};

}  // namespace

std::span<const Family> ColumnTransformerFamilies() { return kFamilies; }

}  // namespace kinglet::runtimes::sklearn
