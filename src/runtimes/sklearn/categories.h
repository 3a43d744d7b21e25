// The categories of one column, and where a value stands among them.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/seeded_hash.h"
#include "runtimes/sklearn/attributes.h"
#include "runtimes/sklearn/estimator.h"

namespace kinglet::runtimes::sklearn {

class Categories {
 public:
  explicit Categories(Labels labels);
  Categories(Categories&&) = default;  // moved vectors keep the strings that views point to
  Categories(const Categories&) = delete;

  size_t size() const { return labels_.size(); }
  // The index of the NaN category, or -1.
  int nan_index() const { return nan_index_; }
  // The category of a cell, or -1 where it is none of them.
  int Find(const Table& x, size_t row, size_t column) const;

 private:
  Labels labels_;
  int nan_index_ = -1;
  std::unordered_map<std::string_view, int, SeededHash> by_text_;
  std::unordered_map<double, int, SeededHash> by_number_;
};

// An encoder's categories_.
Result<std::vector<Categories>> ReadCategories(const Attributes& encoder);

// "Found unknown categories ['x'] in column 1 during transform".
Unexpected UnknownCategory(const Table& x, size_t row, size_t column);

}  // namespace kinglet::runtimes::sklearn
