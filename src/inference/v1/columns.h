// Lists of objects as columns of a data frame.
#pragma once

#include <string>
#include <vector>

#include "inference/cell_builder.h"
#include "inference/json_reader.h"

namespace kinglet::inference::v1 {

// Builds one tensor a column in `tensors` while rows are read. Use once.
class ColumnsBuilder {
 public:
  explicit ColumnsBuilder(std::vector<Tensor>* tensors) : tensors_(tensors) {}

  // Reads one instance: an object of columns, or a list of such objects.
  bool ReadInstance(JsonReader& reader);
  // Names and shapes the tensors; those left over from earlier requests go.
  void Finish();

 private:
  struct Column {
    std::string name;
    CellBuilder cells;
  };

  bool ReadRecord(JsonReader& reader);
  bool ReadCells(JsonReader& reader, Column& column);
  // The column called `key`, made where absent; null after a Reject.
  Column* Find(JsonReader& reader, std::string_view key);

  std::vector<Tensor>* tensors_;
  std::vector<Column> columns_;
  size_t hint_ = 0;  // rows repeat their keys in one order
  size_t rows_ = 0;
};

}  // namespace kinglet::inference::v1
