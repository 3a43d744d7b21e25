// JSON as a value: what the control plane, configuration and Kubernetes objects are made of.
// The prediction path does not use it: its codecs read and write bytes directly.
//
// Integers and floating-point numbers stay apart (Kubernetes cares), object keys are sorted.
// Values are plain: copy, move, compare. Threads: as for std::string.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace kinglet {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;
  using Member = std::pair<std::string_view, Json>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : data_(value) {}
  Json(int value) : data_(static_cast<int64_t>(value)) {}
  Json(unsigned value) : data_(static_cast<int64_t>(value)) {}
  Json(long value) : data_(static_cast<int64_t>(value)) {}
  Json(long long value) : data_(static_cast<int64_t>(value)) {}
  // Values over 2^63-1 become doubles.
  Json(unsigned long value);
  Json(unsigned long long value) : Json(static_cast<unsigned long>(value)) {}
  Json(double value) : data_(value) {}
  Json(const char* value) : data_(std::string(value)) {}
  Json(std::string_view value) : data_(std::string(value)) {}
  Json(std::string value) : data_(std::move(value)) {}
  Json(Array value) : data_(std::move(value)) {}
  Json(Object value) : data_(std::move(value)) {}

  // Json::MakeObject({{"a", 1}, {"b", Json::MakeArray({1, 2})}})
  static Json MakeObject(std::initializer_list<Member> members = {});
  static Json MakeArray(std::initializer_list<Json> items = {});

  bool IsNull() const { return data_.index() == 0; }
  bool IsBool() const { return std::holds_alternative<bool>(data_); }
  bool IsInt() const { return std::holds_alternative<int64_t>(data_); }
  bool IsDouble() const { return std::holds_alternative<double>(data_); }
  bool IsNumber() const { return IsInt() || IsDouble(); }
  bool IsString() const { return std::holds_alternative<std::string>(data_); }
  bool IsArray() const { return std::holds_alternative<Array>(data_); }
  bool IsObject() const { return std::holds_alternative<Object>(data_); }
  std::string_view TypeName() const;  // "null", "bool", "integer", "number", "string", ...

  // The value, or the fallback where it is of another type. AsInt takes integral doubles too.
  bool AsBool(bool fallback = false) const;
  int64_t AsInt(int64_t fallback = 0) const;
  double AsDouble(double fallback = 0) const;
  // Empty where this is not a string. The reference lives as long as this value.
  const std::string& AsString() const;
  std::string StringOr(std::string_view fallback) const;
  // Empty where this is not an array or object; so `for (auto& x : v.AsArray())` is always safe.
  const Array& AsArray() const;
  const Object& AsObject() const;

  // Look up by key, by path, by index: a shared null where there is nothing. Never inserts.
  const Json& operator[](std::string_view key) const;
  const Json& operator[](size_t index) const;
  const Json& operator[](int index) const { return (*this)[static_cast<size_t>(index)]; }
  const Json& At(std::initializer_list<std::string_view> path) const;
  bool Has(std::string_view key) const;
  const Json* Find(std::string_view key) const;
  Json* Find(std::string_view key);

  // Writing. A null becomes an object (Set, Ref) or an array (Push) first; any other type aborts.
  Json& Set(std::string_view key, Json value);               // returns the stored value
  Json& Ref(std::string_view key);                           // the member, made null where absent
  Json& Path(std::initializer_list<std::string_view> path);  // Ref for each key in turn
  void Erase(std::string_view key);
  Json& Push(Json value);
  Array& MutableArray();
  Object& MutableObject();
  size_t size() const;  // members or items; 0 for scalars
  bool empty() const { return size() == 0; }

  bool operator==(const Json& other) const;

  struct Limits {
    size_t max_bytes = size_t{256} << 20;
    int max_depth = 256;
    // Values and keys. A Json takes far more memory than a short text such as "[[],[],[]]": this
    // bounds it.
    size_t max_values = SIZE_MAX;
  };
  // RFC 8259. Duplicate keys: the last wins. Errors are kInvalidArgument with what and where.
  static Result<Json> Parse(std::string_view text);
  static Result<Json> Parse(std::string_view text, const Limits& limits);

  // Shortest text that reads back equal; doubles that are whole get no ".0" (as Go writes them).
  std::string Dump() const;
  std::string DumpPretty(int indent = 2) const;
  void DumpTo(std::string& out) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

// Appends a JSON string literal with quotes. Invalid UTF-8 is replaced by U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);
// Appends the shortest decimal that reads back equal; NaN and infinities as NaN, Infinity,
// -Infinity (what Python's json writes; KServe's servers do the same).
void AppendJsonNumber(std::string& out, double value);
void AppendJsonNumber(std::string& out, float value);
void AppendJsonNumber(std::string& out, int64_t value);

}  // namespace kinglet
