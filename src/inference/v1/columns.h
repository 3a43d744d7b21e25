// Lists of objects as columns of a data frame.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "base/seeded_hash.h"
#include "inference/cell_builder.h"
#include "inference/json_reader.h"

namespace kinglet::inference::v1 {

// Builds one tensor a column in `tensors` while rows are read. Use once.
class ColumnsBuilder {
 public:
  ColumnsBuilder(std::vector<Tensor>* tensors, Budget& budget)
      : tensors_(tensors), budget_(budget) {}

  // Reads one instance: an object of columns, or a list of such objects.
  bool ReadInstance(JsonReader& reader);
  // Names and shapes the tensors; those left over from earlier requests go. `reader` for what is
  // wrong: cells that rows leave out are filled in, within the body's budget.
  void Finish(JsonReader& reader);

 private:
  struct Column {
    std::string name;
    CellBuilder cells;
  };

  bool ReadRecord(JsonReader& reader);
  bool ReadCells(JsonReader& reader, Column& column);
  // The column called `key`, made where absent; null after a Reject.
  Column* Find(JsonReader& reader, std::string_view key);
  // Its index; columns_.size() if there is none of that name.
  size_t PlaceOf(std::string_view key) const;
  // Fills in the cells up to rows_.
  bool Fill(JsonReader& reader, Column& column);

  std::vector<Tensor>* tensors_;
  Budget& budget_;
  std::vector<Column> columns_;
  // Empty while there are few columns.
  std::unordered_map<std::string, size_t, SeededHash, std::equal_to<>> place_;
  size_t hint_ = 0;  // rows repeat their keys in one order
  size_t rows_ = 0;
};

}  // namespace kinglet::inference::v1
