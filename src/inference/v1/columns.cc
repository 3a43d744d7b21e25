#include "inference/v1/columns.h"

namespace kinglet::inference::v1 {
namespace {

constexpr size_t kMaxColumns = 65'536;
// More columns than this are found by an index.
constexpr size_t kFewColumns = 16;

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
    if (!Fill(reader, *column)) return false;
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
  return reader.ok();
}

bool ColumnsBuilder::Fill(JsonReader& reader, Column& column) {
  if (column.cells.count() >= rows_) return true;
  const size_t cells = rows_ - column.cells.count();
  const size_t size = column.cells.has_text() ? sizeof(std::string) : sizeof(double);
  if (Status status = budget_.Allocate(cells, size); !status) {
    return reader.Reject("the instances leave out too many columns: " + status.error().message());
  }
  for (size_t i = 0; i < cells; ++i) column.cells.AddNull();
  return true;
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
  if (const size_t place = PlaceOf(key); place < columns_.size()) {
    hint_ = place + 1;
    return &columns_[place];
  }
  if (columns_.size() == kMaxColumns) {
    reader.Reject("the instances have too many columns");
    return nullptr;
  }
  hint_ = columns_.size() + 1;
  columns_.push_back({std::string(key), CellBuilder(nullptr)});
  if (columns_.size() > kFewColumns) {
    for (size_t i = place_.size(); i < columns_.size(); ++i) place_.emplace(columns_[i].name, i);
  }
  const Tensor* before = tensors_->data();
  if (tensors_->size() < columns_.size()) tensors_->resize(columns_.size());
  // If the tensors have moved, every builder is told where its own is now.
  const size_t first = tensors_->data() == before ? columns_.size() - 1 : 0;
  for (size_t i = first; i < columns_.size(); ++i) columns_[i].cells.Rebind(&(*tensors_)[i]);
  return &columns_.back();
}

size_t ColumnsBuilder::PlaceOf(std::string_view key) const {
  if (!place_.empty()) {
    const auto found = place_.find(key);
    return found == place_.end() ? columns_.size() : found->second;
  }
  size_t place = 0;
  while (place < columns_.size() && columns_[place].name != key) ++place;
  return place;
}

void ColumnsBuilder::Finish(JsonReader& reader) {
  tensors_->resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    if (!Fill(reader, column)) return;
    column.cells.Finish(column.name);
    (*tensors_)[i].shape.assign(1, static_cast<int64_t>(rows_));
  }
}

}  // namespace kinglet::inference::v1
