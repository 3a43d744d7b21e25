// The rows of a request as numbers, for models with named or numbered features.
//
// A request is a matrix [rows, features], or a tensor a column (PredictRequest::columns). Columns
// are put into the model's order by name where the model has names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/seeded_hash.h"
#include "server/model.h"

namespace kinglet::runtimes::trees {

// Rows to convert and sum at a time: 64, which is small enough for the cache, or fewer if a row
// or what it gives is very wide.
size_t RowsTogether(size_t features, size_t outputs);

// What values of a column of text or numbers are coded as, e.g. {"red": 0, "green": 1}.
struct CategoryCodes {
  std::unordered_map<std::string, double, SeededHash, std::equal_to<>> of_text;
  std::unordered_map<double, double, SeededHash> of_number;
};

// The features of a model. Immutable after construction.
class Features {
 public:
  Features() = default;
  // `names` may be empty: the model has none. Otherwise one a feature.
  Features(size_t count, std::vector<std::string> names);

  size_t count() const { return count_; }
  const std::vector<std::string>& names() const { return names_; }
  // -1: none of that name.
  int64_t Find(std::string_view name) const;

  // Columns that the model does not know are left out and those that are not there are missing
  // values; where no name is known, columns are taken as they come. Otherwise all this is refused.
  bool lenient_columns = false;
  // A space in a column's name matches an underscore (LightGBM saves names so).
  bool spaces_are_underscores = false;
  // Integers of a matrix are rounded to float32 first (LightGBM's Python package does).
  bool integers_as_float32 = false;
  // What to say of a wrong number of columns; may name {expected} and {got}.
  std::string shape_mismatch = "Feature shape mismatch, expected: {expected}, got {got}";
  // Empty, or one a feature; null where a feature's values are codes already. Used for columns
  // only.
  std::vector<const CategoryCodes*> codes;

 private:
  size_t count_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t, SeededHash, std::equal_to<>> index_;
};

// A view of one request; lives as long as it. Not thread-safe; uses scratch memory of the thread,
// so that one Input at a time may be open on a thread.
template <class T>
class Input {
 public:
  // kInvalidArgument: not two-dimensional, columns of different lengths or of text, columns missing
  // or unknown, and "Feature shape mismatch, expected: 4, got 3".
  static Result<Input> Open(const server::PredictRequest& request, const Features& features);

  size_t rows() const { return rows_; }

  // Rows [first, first + count), `features.count()` values each, one after the other: the request's
  // own memory where it has this form, else converted. Valid until the next call.
  Result<const T*> Read(size_t first, size_t count);

 private:
  explicit Input(const Features& features) : features_(&features) {}
  Unexpected ShapeMismatch(size_t got) const;
  Status OrderColumns(const std::vector<inference::Tensor>& columns);

  const Features* features_;
  size_t rows_ = 0;
  const inference::Tensor* matrix_ = nullptr;  // else columns
};

extern template class Input<float>;
extern template class Input<double>;

}  // namespace kinglet::runtimes::trees
