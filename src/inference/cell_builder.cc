#include "inference/cell_builder.h"

#include <bit>
#include <limits>

#include "inference/number_text.h"

namespace kinglet::inference {

bool CellBuilder::Read(JsonReader& reader, char next) {
  switch (next) {
    case '"': {
      if (kind_ != Kind::kText) {
        if (has_null_) return reader.Reject("text stands beside null");
        ToText();
      }
      return reader.ReadString(&NextText());
    }
    case 't':
    case 'f': {
      bool value = false;
      if (!reader.ReadBool(&value)) return false;
      AddBool(value);
      return true;
    }
    case 'n':
      if (!reader.ReadNull()) return false;
      if (kind_ == Kind::kText) return reader.Reject("text stands beside null");
      AddNull();
      return true;
    case '{':
      return reader.Reject("an object stands among the values of a list");
    case '[':
      return reader.Reject("a list stands where one value is needed");
    default: {
      JsonReader::Number number;
      if (!reader.ReadNumber(&number)) return false;
      if (number.is_integer) {
        AddInteger(number.integer);
      } else {
        AddReal(number.real);
      }
      return true;
    }
  }
}

void CellBuilder::AddNull() {
  has_null_ = true;
  if (kind_ == Kind::kText) {
    NextText().clear();
  } else {
    AddReal(std::numeric_limits<double>::quiet_NaN());
  }
}

void CellBuilder::AddIntegerSlow(int64_t value) {
  switch (kind_) {
    case Kind::kReals:
      Store(std::bit_cast<uint64_t>(static_cast<double>(value)));
      return;
    case Kind::kText: {
      std::string& text = NextText();
      text.clear();
      AppendNumber(&text, value);
      return;
    }
    default:  // booleans count as 0 and 1, which is how they are stored
      kind_ = Kind::kIntegers;
      Store(std::bit_cast<uint64_t>(value));
  }
}

void CellBuilder::AddBool(bool value) {
  if (kind_ == Kind::kEmpty || kind_ == Kind::kBools) {
    kind_ = Kind::kBools;
    Store(value);
  } else if (kind_ == Kind::kText) {
    NextText() = value ? "True" : "False";
  } else {
    AddInteger(value);
  }
}

void CellBuilder::AddText(double value) {
  std::string& text = NextText();
  text.clear();
  AppendNumber(&text, value);
}

std::string& CellBuilder::NextText() {
  if (count_ == tensor_->strings.size()) {
    tensor_->strings.resize(std::max<size_t>(8, 2 * count_));
  }
  return tensor_->strings[count_++];
}

void CellBuilder::Grow() {
  tensor_->data.resize(std::max<size_t>(size_t{64} * 8, 2 * tensor_->data.size()) & ~size_t{7});
}

void CellBuilder::ToReals() {
  auto* cells = tensor_->data.data();
  for (size_t i = 0; kind_ != Kind::kEmpty && i < count_; ++i) {
    int64_t integer;
    std::memcpy(&integer, cells + i * 8, 8);
    double real = static_cast<double>(integer);
    std::memcpy(cells + i * 8, &real, 8);
  }
  kind_ = Kind::kReals;
}

void CellBuilder::ToText() {
  Kind from = kind_;
  size_t count = count_;
  kind_ = Kind::kText;
  count_ = 0;
  for (size_t i = 0; i < count; ++i) {
    uint64_t bits;
    std::memcpy(&bits, tensor_->data.data() + i * 8, 8);
    std::string& text = NextText();
    text.clear();
    if (from == Kind::kBools) {
      text = bits ? "True" : "False";
    } else if (from == Kind::kIntegers) {
      AppendNumber(&text, std::bit_cast<int64_t>(bits));
    } else {
      AppendNumber(&text, std::bit_cast<double>(bits));
    }
  }
}

void CellBuilder::Finish(std::string_view name) {
  tensor_->name.assign(name);
  if (kind_ == Kind::kText) {
    tensor_->datatype = DataType::kBytes;
    tensor_->strings.resize(count_);
    tensor_->data.clear();
    return;
  }
  tensor_->strings.clear();
  if (kind_ == Kind::kBools) {
    auto* cells = tensor_->data.data();
    for (size_t i = 0; i < count_; ++i) cells[i] = cells[i * 8];
    tensor_->datatype = DataType::kBool;
    tensor_->data.resize(count_);
    return;
  }
  tensor_->datatype = kind_ == Kind::kIntegers ? DataType::kInt64 : DataType::kFp64;
  tensor_->data.resize(count_ * 8);
}

}  // namespace kinglet::inference
