#include "runtimes/sklearn/attributes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include "base/seeded_hash.h"
#include "runtimes/sklearn/families.h"

namespace kinglet::runtimes::sklearn {
namespace {

using inference::DataType;
using pickle::Kind;
using pickle::Value;

// What building an estimator takes beside its arrays, and looking at an attribute.
constexpr size_t kEstimatorBytes = 4096;
constexpr size_t kAttributeBytes = 16, kAttributeSteps = 64;
constexpr size_t kLabelBytes = 48;
constexpr size_t kMaxText = 256;
constexpr size_t kMaxName = 100;  // in an error's message

Result<DataType> LabelType(const pickle::DType& type) {
  switch (type.kind) {
    case 'b':
      return DataType::kBool;
    case 'i':
      return type.size == 1   ? DataType::kInt8
             : type.size == 2 ? DataType::kInt16
             : type.size == 4 ? DataType::kInt32
                              : DataType::kInt64;
    case 'u':
      return type.size == 1   ? DataType::kUint8
             : type.size == 2 ? DataType::kUint16
             : type.size == 4 ? DataType::kUint32
                              : DataType::kUint64;
    case 'f':
      return type.size == 4 ? DataType::kFp32 : DataType::kFp64;
    case 'U':
    case 'S':
      return DataType::kBytes;
    default:
      return Fail(Code::kUnimplemented, "classes of numpy dtype '{}'", type.kind);
  }
}

// Objects that are all integers, all numbers or all strings, as numpy's object arrays of labels.
Result<Labels> LabelsFromObjects(const std::vector<Value>& objects, Budget& budget) {
  Labels labels;
  KINGLET_RETURN_IF_ERROR(budget.Allocate(objects.size(), kLabelBytes));
  const bool strings = std::ranges::all_of(objects, [](Value v) { return v.kind() == Kind::kStr; });
  if (strings) {
    labels.type = DataType::kBytes;
    for (const Value v : objects) {
      KINGLET_RETURN_IF_ERROR(budget.Allocate(v.text().size()));
      labels.strings.emplace_back(v.text());
    }
    return labels;
  }
  bool integers = true;
  bool bools = true;
  for (const Value v : objects) {
    KINGLET_TRY(const double number, pickle::ReadNumber(v, budget));
    integers = integers && (v.kind() == Kind::kInt || v.kind() == Kind::kBool);
    bools = bools && v.kind() == Kind::kBool;
    labels.numbers.push_back(number);
    labels.integers.push_back(v.integer());
  }
  labels.type = bools ? DataType::kBool : integers ? DataType::kInt64 : DataType::kFp64;
  return labels;
}

// scipy.sparse.csr_matrix / csr_array: data, indices, indptr, _shape.
Result<Numbers> DenseFromCsr(Value matrix, Budget& budget) {
  KINGLET_TRY(const pickle::Array data_view, pickle::ReadArray(matrix.Attr("data"), budget));
  KINGLET_TRY(const pickle::Array indices_view, pickle::ReadArray(matrix.Attr("indices"), budget));
  KINGLET_TRY(const pickle::Array indptr_view, pickle::ReadArray(matrix.Attr("indptr"), budget));
  KINGLET_TRY(const std::vector<double> data, pickle::CopyNumbers<double>(data_view, budget));
  KINGLET_TRY(const std::vector<int64_t> indices,
              pickle::CopyNumbers<int64_t>(indices_view, budget));
  KINGLET_TRY(const std::vector<int64_t> indptr, pickle::CopyNumbers<int64_t>(indptr_view, budget));
  Numbers out;
  KINGLET_TRY(out.shape, pickle::ReadShape(matrix.Attr("_shape")));
  if (out.shape.size() != 2) return Fail(Code::kInvalidArgument, "a sparse matrix has no shape");
  KINGLET_TRY(const size_t count, pickle::CheckedCount(out.shape, sizeof(double)));
  if (Status status = budget.Allocate(count, sizeof(double)); !status) {
    return Unexpected(status.error().WithContext(fmt::format(
        "a sparse matrix of {} x {}, which is made dense", out.shape[0], out.shape[1])));
  }
  if (static_cast<int64_t>(indptr.size()) != out.shape[0] + 1 || data.size() != indices.size()) {
    return Fail(Code::kInvalidArgument, "a sparse matrix's parts do not fit each other");
  }
  out.data.resize(count);
  for (int64_t row = 0; row < out.shape[0]; ++row) {
    const int64_t begin = indptr[row];
    const int64_t end = indptr[row + 1];
    if (begin < 0 || begin > end || end > static_cast<int64_t>(data.size())) {
      return Fail(Code::kInvalidArgument, "a sparse matrix's row pointers are wrong");
    }
    for (int64_t i = begin; i < end; ++i) {
      if (indices[i] < 0 || indices[i] >= out.shape[1]) {
        return Fail(Code::kInvalidArgument, "a sparse matrix's column is out of range");
      }
      out.data[row * out.shape[1] + indices[i]] += data[i];
    }
  }
  return out;
}

// Columns cannot be told apart by names that repeat; and one column of a request would be read once
// for each time its name is repeated.
bool AllDiffer(const std::vector<std::string>& names) {
  std::unordered_set<std::string_view, SeededHash> seen;
  return std::ranges::all_of(names,
                             [&](const std::string& name) { return seen.insert(name).second; });
}

}  // namespace

Version ParseVersion(std::string_view text) {
  Version version;
  version.text = text.empty() ? "(of unknown version)" : std::string(text.substr(0, 40));
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, version.minor);
  }
  return version;
}

Result<Attributes> Attributes::Of(Value object, LoadContext& context) {
  if (object.kind() != Kind::kObject) {
    return Fail(Code::kInvalidArgument, "the file holds no model (a pickle of something else)");
  }
  // Each estimator costs, so that a pickle that names one a million times is not built so often.
  const Value state = object.state();
  KINGLET_RETURN_IF_ERROR(
      context.budget.Allocate(kEstimatorBytes + kAttributeBytes * state.size()));
  KINGLET_RETURN_IF_ERROR(context.budget.Spend(kAttributeSteps * state.size()));
  Attributes attributes(object, context);
  const Value text = attributes.Raw("_sklearn_version");
  attributes.version_ = text.kind() == Kind::kStr ? ParseVersion(text.text()) : context.version;
  if (context.version.text.empty()) context.version = ParseVersion(text.text());
  if (attributes.version_.text.empty()) attributes.version_ = context.version;
  return attributes;
}

bool Attributes::Has(std::string_view name) const {
  const Value value = Raw(name);
  return !value.missing() && !value.none();
}

Unexpected Attributes::Wrong(std::string_view name, std::string_view what) const {
  return Fail(Code::kInvalidArgument, "{}.{}: {}", class_name(), name, what);
}

Unexpected Attributes::Unsupported(std::string_view what) const {
  return Fail(Code::kUnimplemented, "scikit-learn {} {} with {} is not supported", version_.text,
              class_name(), what);
}

Result<double> Attributes::Number(std::string_view name) const {
  if (!Has(name)) return Wrong(name, "it is missing (is the model fitted?)");
  auto number = pickle::ReadNumber(Raw(name), budget());
  if (!number) return Wrong(name, number.error().message());
  return *number;
}

Result<double> Attributes::NumberOr(std::string_view name, double fallback) const {
  if (!Has(name)) return fallback;
  return Number(name);
}

Result<int64_t> Attributes::Integer(std::string_view name) const {
  KINGLET_TRY(const double number, Number(name));
  if (std::trunc(number) != number || std::abs(number) > 9e15) {
    return Wrong(name, "it is no integer");
  }
  return static_cast<int64_t>(number);
}

Result<bool> Attributes::BoolOr(std::string_view name, bool fallback) const {
  KINGLET_TRY(const double number, NumberOr(name, fallback ? 1 : 0));
  return number != 0;
}

Result<std::string> Attributes::Text(std::string_view name) const {
  const Value value = Raw(name);
  if (value.kind() == Kind::kStr) {
    KINGLET_RETURN_IF_ERROR(budget().Allocate(value.text().size()));
    return std::string(value.text());
  }
  if (value.kind() == Kind::kObject && value.name() == "scalar") {
    auto array = pickle::ReadArray(value, budget());
    if (array) {
      auto strings = pickle::CopyStrings(*array, budget());
      if (strings && strings->size() == 1) return (*strings)[0];
    }
  }
  return Wrong(name, "it is no string");
}

std::string Attributes::TextOr(std::string_view name, std::string_view fallback) const {
  const Value value = Raw(name);
  return std::string(value.kind() == Kind::kStr ? value.text().substr(0, kMaxText) : fallback);
}

Result<Numbers> Attributes::ArrayOf(std::string_view name, Value value) const {
  if (value.missing() || value.none()) return Wrong(name, "it is missing (is the model fitted?)");
  Numbers out;
  if (value.kind() == Kind::kInt || value.kind() == Kind::kFloat || value.kind() == Kind::kBool) {
    out.data.push_back(value.number());
    return out;
  }
  if (value.kind() == Kind::kList || value.kind() == Kind::kTuple) {
    KINGLET_RETURN_IF_ERROR(budget().Allocate(value.size(), sizeof(double)));
    for (size_t i = 0; i < value.size(); ++i) {
      auto number = pickle::ReadNumber(value[i], budget());
      if (!number) return Wrong(name, number.error().message());
      out.data.push_back(*number);
    }
    out.shape = {static_cast<int64_t>(value.size())};
    return out;
  }
  if (value.name() == "csr_matrix" || value.name() == "csr_array") {
    auto dense = DenseFromCsr(value, budget());
    if (!dense)
      return Unexpected(dense.error().WithContext(fmt::format("{}.{}", class_name(), name)));
    return dense;
  }
  auto array = pickle::ReadArray(value, budget());
  if (!array) return Wrong(name, array.error().message());
  if (array->dtype.kind == 'O') {
    KINGLET_RETURN_IF_ERROR(budget().Allocate(array->count, sizeof(double)));
    for (const Value object : array->objects) {
      auto number = pickle::ReadNumber(object, budget());
      if (!number) return Wrong(name, number.error().message());
      out.data.push_back(*number);
    }
  } else {
    auto numbers = pickle::CopyNumbers<double>(*array, budget());
    if (!numbers) return Wrong(name, numbers.error().message());
    out.data = std::move(*numbers);
  }
  out.shape = array->shape;
  return out;
}

Result<Numbers> Attributes::Array(std::string_view name) const { return ArrayOf(name, Raw(name)); }

Result<pickle::Array> Attributes::View(std::string_view name) const {
  auto array = pickle::ReadArray(Raw(name), budget());
  if (!array) return Wrong(name, array.error().message());
  return array;
}

Result<Labels> Attributes::ClassesOf(std::string_view name, Value value) const {
  if (value.kind() == Kind::kList || value.kind() == Kind::kTuple) {
    KINGLET_RETURN_IF_ERROR(budget().Allocate(value.size(), sizeof(Value)));
    std::vector<Value> objects;
    for (size_t i = 0; i < value.size(); ++i) objects.push_back(value[i]);
    auto labels = LabelsFromObjects(objects, budget());
    if (!labels) return Wrong(name, labels.error().message());
    return labels;
  }
  auto array = pickle::ReadArray(value, budget());
  if (!array) return Wrong(name, array.error().message());
  if (array->dtype.kind == 'O') {
    auto labels = LabelsFromObjects(array->objects, budget());
    if (!labels) return Wrong(name, labels.error().message());
    return labels;
  }
  Labels labels;
  auto type = LabelType(array->dtype);
  if (!type) return Unsupported(type.error().message());
  labels.type = *type;
  if (labels.type == DataType::kBytes) {
    KINGLET_TRY(labels.strings, pickle::CopyStrings(*array, budget()));
    return labels;
  }
  KINGLET_TRY(labels.numbers, pickle::CopyNumbers<double>(*array, budget()));
  KINGLET_TRY(labels.integers, pickle::CopyNumbers<int64_t>(*array, budget()));
  return labels;
}

Result<Labels> Attributes::Classes(std::string_view name) const {
  KINGLET_TRY(Labels labels, ClassesOf(name, Raw(name)));
  if (labels.size() == 0) return Wrong(name, "it is empty");
  return labels;
}

Result<std::vector<Value>> Attributes::Items(std::string_view name) const {
  const Value value = Raw(name);
  std::vector<Value> items;
  if (value.kind() == Kind::kList || value.kind() == Kind::kTuple) {
    KINGLET_RETURN_IF_ERROR(budget().Allocate(value.size(), sizeof(Value)));
    for (size_t i = 0; i < value.size(); ++i) items.push_back(value[i]);
    return items;
  }
  auto array = pickle::ReadArray(value, budget());
  if (!array) return Wrong(name, array.error().message());
  if (array->dtype.kind != 'O') return Wrong(name, "it holds no objects");
  return std::move(array->objects);
}

Result<Estimator::Traits> Attributes::MakeTraits(std::optional<size_t> features) const {
  if (features == 0) return Wrong("n_features_in_", "it was fitted without columns");
  Estimator::Traits traits;
  traits.name = class_name();
  traits.features = features.value_or(0);
  if (Has("n_features_in_")) {
    KINGLET_TRY(const int64_t count, Integer("n_features_in_"));
    if (count < 0 || (features && static_cast<size_t>(count) != *features)) {
      return Wrong("n_features_in_", "it differs from what was fitted");
    }
    traits.features = static_cast<size_t>(count);
  }
  if (Has("feature_names_in_")) {
    KINGLET_TRY(Labels names, Classes("feature_names_in_"));
    if (names.strings.size() == traits.features && AllDiffer(names.strings)) {
      traits.feature_names = std::move(names.strings);
    }
  }
  return traits;
}

Result<std::unique_ptr<Estimator>> Attributes::Nested(std::string_view name, Value value) const {
  auto estimator = BuildEstimator(value, *context_);
  if (!estimator) {
    return Unexpected(estimator.error().WithContext(
        fmt::format("{}.{}", class_name(), name.substr(0, kMaxName))));
  }
  return estimator;
}

}  // namespace kinglet::runtimes::sklearn
