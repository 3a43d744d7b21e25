#include "inference/v1/columns.h"

namespace kinglet::inference::v1 {
namespace {

constexpr size_t kMaxColumns = 65'536;
// Absent cells are filled in; what a small body can make them cost is bounded.
constexpr size_t kMaxCells = size_t{1} << 27;

}  // namespace

bool ColumnsBuilder::ReadInstance(JsonReader& reader) {
  if (reader.Peek() != '[') return ReadRecord(reader);
  if (!reader.EnterArray()) return false;
  while (reader.NextElement()) {
    if (!ReadRecord(reader)) return false;
  }
  return reader.ok();
}

bool ColumnsBuilder::ReadRecord(JsonReader& reader) {
  if (!reader.EnterObject()) return false;
  hint_ = 0;
  size_t rows_here = 0;
  bool first = true;
  for (std::string_view key; reader.NextKey(&key);) {
    Column* column = Find(reader, key);
    if (column == nullptr) return false;
    if (column->cells.count() > rows_) return reader.Reject("an instance names a column twice");
    while (column->cells.count() < rows_) column->cells.AddNull();
    if (!ReadCells(reader, *column)) return false;
    size_t added = column->cells.count() - rows_;
    if (first) {
      rows_here = added;
      first = false;
    } else if (added != rows_here) {
      return reader.Reject("the columns of an instance differ in length");
    }
  }
  rows_ += rows_here;
  if (rows_ * columns_.size() > kMaxCells) return reader.Reject("the data frame is too large");
  return reader.ok();
}

bool ColumnsBuilder::ReadCells(JsonReader& reader, Column& column) {
  char next = reader.Peek();
  if (next == '[') {
    if (!reader.EnterArray()) return false;
    while (reader.NextElement()) {
      if (!column.cells.Read(reader, reader.Peek())) return false;
    }
    return reader.ok();
  }
  if (next == '{') {
    if (!reader.EnterObject()) return false;
    for (std::string_view index; reader.NextKey(&index);) {
      if (!column.cells.Read(reader, reader.Peek())) return false;
    }
    return reader.ok();
  }
  return column.cells.Read(reader, next);
}

ColumnsBuilder::Column* ColumnsBuilder::Find(JsonReader& reader, std::string_view key) {
  if (hint_ < columns_.size() && columns_[hint_].name == key) return &columns_[hint_++];
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].name == key) {
      hint_ = i + 1;
      return &columns_[i];
    }
  }
  if (columns_.size() == kMaxColumns) {
    reader.Reject("the instances have too many columns");
    return nullptr;
  }
  hint_ = columns_.size() + 1;
  columns_.push_back({std::string(key), CellBuilder(nullptr)});
  // The tensors may move; every builder is told where its own is now.
  if (tensors_->size() < columns_.size()) tensors_->resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) columns_[i].cells.Rebind(&(*tensors_)[i]);
  return &columns_.back();
}

void ColumnsBuilder::Finish() {
  tensors_->resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    while (column.cells.count() < rows_) column.cells.AddNull();
    column.cells.Finish(column.name);
    (*tensors_)[i].shape.assign(1, static_cast<int64_t>(rows_));
  }
}

}  // namespace kinglet::inference::v1
