// Collects JSON values into one tensor whose datatype is found on the way, as numpy.array finds
// it: BOOL where all are booleans, INT64 where all are integers, FP64 with any other number
// (null is NaN), BYTES with any text (numbers beside text become their text).
#pragma once

#include <bit>
#include <cstring>

#include "inference/json_reader.h"
#include "inference/tensor.h"

namespace kinglet::inference {

// Reuses the tensor's storage; the tensor is valid after Finish only.
class CellBuilder {
 public:
  explicit CellBuilder(Tensor* tensor) : tensor_(tensor) {}

  // Reads the value that begins with `next`; false after a Reject.
  bool Read(JsonReader& reader, char next);
  void AddNull();
  size_t count() const { return count_; }
  bool has_text() const { return kind_ == Kind::kText; }
  // The tensor was moved elsewhere in memory.
  void Rebind(Tensor* tensor) { tensor_ = tensor; }
  // Names the tensor. Its shape is the caller's to set, before or after; the product must be
  // count().
  void Finish(std::string_view name);

 private:
  enum class Kind : uint8_t { kEmpty, kBools, kIntegers, kReals, kText };

  void AddInteger(int64_t value) {
    if (kind_ == Kind::kIntegers) [[likely]] {
      Store(std::bit_cast<uint64_t>(value));
    } else {
      AddIntegerSlow(value);
    }
  }
  void AddReal(double value) {
    if (kind_ != Kind::kReals) [[unlikely]] {
      if (kind_ == Kind::kText) return AddText(value);
      ToReals();
    }
    Store(std::bit_cast<uint64_t>(value));
  }
  void Store(uint64_t bits) {
    if ((count_ + 1) * 8 > tensor_->data.size()) [[unlikely]]
      Grow();
    std::memcpy(tensor_->data.data() + count_ * 8, &bits, 8);
    ++count_;
  }
  void AddIntegerSlow(int64_t value);
  void AddBool(bool value);
  void AddText(double value);
  std::string& NextText();
  void Grow();
  void ToReals();
  void ToText();

  Tensor* tensor_;
  size_t count_ = 0;
  Kind kind_ = Kind::kEmpty;
  bool has_null_ = false;
};

}  // namespace kinglet::inference
