// What XGBoost's JSON and UBJSON model files hold, as one value type: both readers make it, one
// loader reads it. Arrays of numbers, which are nearly all of a model, stay undecoded views of the
// file until they are asked for; those that prediction does not need never are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/budget.h"
#include "base/result.h"

namespace kinglet::runtimes::xgboost {

// Numbers as they lie in the file; true and false count as 1 and 0 (XGBoost before 1.6 writes
// default_left so).
struct PackedNumbers {
  enum class Encoding : uint8_t { kJson, kUbjson };
  Encoding encoding = Encoding::kJson;
  char type = 0;           // UBJSON's element type: one of "iUIlLdD"
  std::string_view bytes;  // between the brackets; for UBJSON count * size of `type`

  // Replaces what is in `out`.
  Status Decode(std::vector<double>& out) const;
};

class Value {
 public:
  using Items = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Members = std::vector<Member>;

  Value() = default;
  explicit Value(double number) : data_(number) {}
  explicit Value(std::string text) : data_(std::move(text)) {}
  explicit Value(PackedNumbers numbers) : data_(numbers) {}
  explicit Value(std::vector<double> numbers) : data_(std::move(numbers)) {}
  explicit Value(Items items) : data_(std::move(items)) {}
  explicit Value(Members members) : data_(std::move(members)) {}

  bool IsNull() const { return std::holds_alternative<std::monostate>(data_); }
  bool IsObject() const { return std::holds_alternative<Members>(data_); }
  bool IsString() const { return std::holds_alternative<std::string>(data_); }

  // The member, or a null where this is no object or has none of that name (the last one counts).
  const Value& operator[](std::string_view key) const;
  // Empty where this is not a string, an array, an object.
  const std::string& text() const;
  const Items& items() const;
  const Members& members() const;
  // A number, also one written as a string ("4", as XGBoost writes parameters).
  Result<double> Number() const;
  // The numbers of an array; nothing for an empty array; kInvalidArgument for anything else.
  // Replaces what is in `out`.
  Status Numbers(std::vector<double>& out) const;

 private:
  std::variant<std::monostate, double, std::string, PackedNumbers, std::vector<double>, Items,
               Members>
      data_;
};

// Both pay out of the budget for each value and level of nesting. The values point into `bytes`,
// which must outlive them. Errors are kInvalidArgument with what is wrong and at which byte.
Result<Value> ParseJson(std::string_view bytes, Budget& budget);
// UBJSON draft 12 as XGBoost writes it: big-endian, strongly typed and counted arrays.
Result<Value> ParseUbjson(std::string_view bytes, Budget& budget);

// What a value takes, as a member with a name; a vector of them may be half empty.
inline constexpr uint64_t kValueBytes = 2 * sizeof(Value::Member);

}  // namespace kinglet::runtimes::xgboost
