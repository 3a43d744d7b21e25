#include "runtimes/sklearn/categories.h"

#include <cmath>

namespace kinglet::runtimes::sklearn {
namespace {

constexpr size_t kEntryBytes = 64;  // of a hash table, with its share of the buckets

}  // namespace

Categories::Categories(Labels labels) : labels_(std::move(labels)) {
  for (size_t i = 0; i < labels_.size(); ++i) {
    if (labels_.type == inference::DataType::kBytes) {
      by_text_.emplace(labels_.strings[i], static_cast<int>(i));
    } else if (std::isnan(labels_.numbers[i])) {
      nan_index_ = static_cast<int>(i);
    } else {
      by_number_.emplace(labels_.numbers[i], static_cast<int>(i));
    }
  }
}

int Categories::Find(const Table& x, size_t row, size_t column) const {
  if (const std::string* text = x.TextAt(row, column)) {
    const auto found = by_text_.find(*text);
    return found == by_text_.end() ? -1 : found->second;
  }
  const double value = x.row(row)[column];
  if (std::isnan(value)) return nan_index_;
  const auto found = by_number_.find(value);
  return found == by_number_.end() ? -1 : found->second;
}

Result<std::vector<Categories>> ReadCategories(const Attributes& encoder) {
  KINGLET_TRY(const std::vector<pickle::Value> items, encoder.Items("categories_"));
  std::vector<Categories> all;
  all.reserve(items.size());
  for (const pickle::Value item : items) {
    KINGLET_TRY(Labels labels, encoder.ClassesOf("categories_", item));
    KINGLET_RETURN_IF_ERROR(encoder.budget().Allocate(labels.size(), kEntryBytes));
    all.emplace_back(std::move(labels));
  }
  return all;
}

Unexpected UnknownCategory(const Table& x, size_t row, size_t column) {
  if (const std::string* text = x.TextAt(row, column)) {
    return Fail(Code::kInvalidArgument,
                "Found unknown categories ['{}'] in column {} during transform",
                text->substr(0, 100), column);
  }
  return Fail(Code::kInvalidArgument, "Found unknown categories [{}] in column {} during transform",
              x.row(row)[column], column);
}

}  // namespace kinglet::runtimes::sklearn
