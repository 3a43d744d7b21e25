#include "base/json.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/json_filter.h"

namespace kinglet {
namespace {

const Json kNull;
const std::string kEmptyString;
const Json::Array kEmptyArray;
const Json::Object kEmptyObject;

// What is left out: a member of the objects that are members of a certain name.
struct Unwanted {
  std::string_view parent, member;
};

// `without`: the member of this very object that is left out, or "".
Json FromDom(simdjson::dom::element element, const Unwanted& unwanted,
             std::string_view without = {}) {
  switch (element.type()) {
    case simdjson::dom::element_type::ARRAY: {
      auto items = element.get_array().value_unsafe();
      Json::Array array;
      array.reserve(items.size());
      for (simdjson::dom::element item : items) array.push_back(FromDom(item, unwanted));
      return Json(std::move(array));
    }
    case simdjson::dom::element_type::OBJECT: {
      Json::Object object;
      for (auto [key, value] : element.get_object().value_unsafe()) {
        if (!without.empty() && key == without) continue;
        const bool is_parent = !unwanted.parent.empty() && key == unwanted.parent;
        Json member = FromDom(value, unwanted, is_parent ? unwanted.member : "");
        // Servers sort their keys, so that most belong at the end.
        const size_t before = object.size();
        auto it = object.try_emplace(object.end(), std::string(key), std::move(member));
        if (object.size() == before) it->second = std::move(member);
      }
      return Json(std::move(object));
    }
    case simdjson::dom::element_type::INT64:
      return Json(element.get_int64().value_unsafe());
    case simdjson::dom::element_type::UINT64:
      return Json(element.get_uint64().value_unsafe());
    case simdjson::dom::element_type::DOUBLE:
      return Json(element.get_double().value_unsafe());
    case simdjson::dom::element_type::STRING:
      return Json(std::string_view(element.get_string().value_unsafe()));
    case simdjson::dom::element_type::BOOL:
      return Json(element.get_bool().value_unsafe());
    case simdjson::dom::element_type::NULL_VALUE:
      return Json();
  }
  return Json();
}

// Whether the text may have more values and keys than `limit`: each but the first follows one of [
// { , :
bool HasMoreValuesThan(size_t limit, std::string_view text) {
  size_t values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (c == ',' || c == ':' || c == '[' || c == '{') {
      if (++values > limit) return true;
    }
  }
  return false;
}

Result<Json> ParseWith(std::string_view text, const Json::Limits& limits,
                       const Unwanted& unwanted) {
  if (text.size() > limits.max_bytes) {
    return Fail(Code::kResourceExhausted, "JSON of {} bytes is over the limit of {} bytes",
                text.size(), limits.max_bytes);
  }
  if (limits.max_values != SIZE_MAX && HasMoreValuesThan(limits.max_values, text)) {
    return Fail(Code::kResourceExhausted, "JSON has more than {} values", limits.max_values);
  }
  simdjson::dom::parser parser;
  // simdjson counts a scalar document as depth 1.
  if (auto error = parser.allocate(text.size() + 1, static_cast<size_t>(limits.max_depth))) {
    return Fail(Code::kResourceExhausted, "JSON: {}", simdjson::error_message(error));
  }
  simdjson::dom::element root;
  auto error = parser.parse(text.data(), text.size()).get(root);
  if (error) return Fail(Code::kInvalidArgument, "JSON: {}", simdjson::error_message(error));
  return FromDom(root, unwanted);
}

// The length of a valid UTF-8 sequence at text[i], or 0.
size_t Utf8Length(std::string_view text, size_t i) {
  auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  auto tail = [&](size_t k) { return k < text.size() && (byte(k) & 0xC0) == 0x80; };
  unsigned char c = byte(i);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(i + 1) || !tail(i + 2)) return 0;
    if (c == 0xE0 && byte(i + 1) < 0xA0) return 0;
    if (c == 0xED && byte(i + 1) > 0x9F) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(i + 1) || !tail(i + 2) || !tail(i + 3)) return 0;
    if (c == 0xF0 && byte(i + 1) < 0x90) return 0;
    if (c == 0xF4 && byte(i + 1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

template <class Float>
void AppendFloat(std::string& out, Float value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  char buffer[64];
  // Whole numbers beyond 64 bits keep an exponent: as integers, parsers refuse them.
  constexpr Float kIntegers = Float{9.2e18f};
  auto end = (std::abs(value) < kIntegers ? std::to_chars(buffer, buffer + sizeof(buffer), value)
                                          : std::to_chars(buffer, buffer + sizeof(buffer), value,
                                                          std::chars_format::scientific))
                 .ptr;
  out.append(buffer, end);
}

void DumpValue(const Json& value, std::string& out, int indent, int level) {
  auto newline = [&](int depth) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent * depth), ' ');
  };
  if (value.IsNull()) {
    out += "null";
  } else if (value.IsBool()) {
    out += value.AsBool() ? "true" : "false";
  } else if (value.IsInt()) {
    AppendJsonNumber(out, value.AsInt());
  } else if (value.IsDouble()) {
    AppendJsonNumber(out, value.AsDouble());
  } else if (value.IsString()) {
    AppendJsonString(out, value.AsString());
  } else if (value.IsArray()) {
    out += '[';
    bool first = true;
    for (const Json& item : value.AsArray()) {
      if (!first) out += ',';
      first = false;
      newline(level + 1);
      DumpValue(item, out, indent, level + 1);
    }
    if (!first) newline(level);
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.AsObject()) {
      if (!first) out += ',';
      first = false;
      newline(level + 1);
      AppendJsonString(out, key);
      out += indent < 0 ? ":" : ": ";
      DumpValue(member, out, indent, level + 1);
    }
    if (!first) newline(level);
    out += '}';
  }
}

}  // namespace

Json::Json(unsigned long value) {
  if (value <= static_cast<unsigned long>(std::numeric_limits<int64_t>::max())) {
    data_ = static_cast<int64_t>(value);
  } else {
    data_ = static_cast<double>(value);
  }
}

Json Json::MakeObject(std::initializer_list<Member> members) {
  Object object;
  for (const auto& [key, value] : members) object.insert_or_assign(std::string(key), value);
  return Json(std::move(object));
}

Json Json::MakeArray(std::initializer_list<Json> items) { return Json(Array(items)); }

std::string_view Json::TypeName() const {
  static constexpr std::string_view kNames[] = {"null",   "bool",  "integer", "number",
                                                "string", "array", "object"};
  return kNames[data_.index()];
}

bool Json::AsBool(bool fallback) const {
  const bool* value = std::get_if<bool>(&data_);
  return value ? *value : fallback;
}

int64_t Json::AsInt(int64_t fallback) const {
  if (const int64_t* value = std::get_if<int64_t>(&data_)) return *value;
  if (const double* value = std::get_if<double>(&data_)) {
    if (*value >= -9.2e18 && *value <= 9.2e18 && *value == std::trunc(*value)) {
      return static_cast<int64_t>(*value);
    }
  }
  return fallback;
}

double Json::AsDouble(double fallback) const {
  if (const double* value = std::get_if<double>(&data_)) return *value;
  if (const int64_t* value = std::get_if<int64_t>(&data_)) return static_cast<double>(*value);
  return fallback;
}

const std::string& Json::AsString() const {
  const std::string* value = std::get_if<std::string>(&data_);
  return value ? *value : kEmptyString;
}

std::string Json::StringOr(std::string_view fallback) const {
  return IsString() ? AsString() : std::string(fallback);
}

const Json::Array& Json::AsArray() const {
  const Array* value = std::get_if<Array>(&data_);
  return value ? *value : kEmptyArray;
}

const Json::Object& Json::AsObject() const {
  const Object* value = std::get_if<Object>(&data_);
  return value ? *value : kEmptyObject;
}

const Json& Json::operator[](std::string_view key) const {
  const Json* value = Find(key);
  return value ? *value : kNull;
}

const Json& Json::operator[](size_t index) const {
  const Array& array = AsArray();
  return index < array.size() ? array[index] : kNull;
}

const Json& Json::At(std::initializer_list<std::string_view> path) const {
  const Json* value = this;
  for (std::string_view key : path) value = &(*value)[key];
  return *value;
}

bool Json::Has(std::string_view key) const { return Find(key) != nullptr; }

const Json* Json::Find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&data_);
  if (!object) return nullptr;
  auto it = object->find(key);
  return it == object->end() ? nullptr : &it->second;
}

Json* Json::Find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->Find(key));
}

Json::Object& Json::MutableObject() {
  if (IsNull()) data_ = Object();
  KINGLET_CHECK(IsObject());
  return std::get<Object>(data_);
}

Json::Array& Json::MutableArray() {
  if (IsNull()) data_ = Array();
  KINGLET_CHECK(IsArray());
  return std::get<Array>(data_);
}

Json& Json::Set(std::string_view key, Json value) {
  return MutableObject().insert_or_assign(std::string(key), std::move(value)).first->second;
}

Json& Json::Ref(std::string_view key) {
  Object& object = MutableObject();
  auto it = object.find(key);
  if (it == object.end()) it = object.emplace(std::string(key), Json()).first;
  return it->second;
}

Json& Json::Path(std::initializer_list<std::string_view> path) {
  Json* value = this;
  for (std::string_view key : path) value = &value->Ref(key);
  return *value;
}

void Json::Erase(std::string_view key) {
  if (Object* object = std::get_if<Object>(&data_)) {
    auto it = object->find(key);
    if (it != object->end()) object->erase(it);
  }
}

Json& Json::Push(Json value) {
  Array& array = MutableArray();
  array.push_back(std::move(value));
  return array.back();
}

size_t Json::size() const {
  if (IsArray()) return AsArray().size();
  if (IsObject()) return AsObject().size();
  return 0;
}

bool Json::operator==(const Json& other) const {
  // 1 and 1.0 are the same JSON number.
  if (IsNumber() && other.IsNumber()) {
    if (IsInt() && other.IsInt()) return AsInt() == other.AsInt();
    return AsDouble() == other.AsDouble();
  }
  return data_ == other.data_;
}

Result<Json> Json::Parse(std::string_view text) { return Parse(text, Limits{}); }

Result<Json> Json::Parse(std::string_view text, const Limits& limits) {
  return ParseWith(text, limits, {});
}

Result<Json> ParseJsonWithout(std::string_view text, std::string_view parent,
                              std::string_view member) {
  return ParseWith(text, {}, {parent, member});
}

std::string Json::Dump() const {
  std::string out;
  DumpTo(out);
  return out;
}

std::string Json::DumpPretty(int indent) const {
  std::string out;
  DumpValue(*this, out, indent, 0);
  return out;
}

void Json::DumpTo(std::string& out) const { DumpValue(*this, out, -1, 0); }

void AppendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t i = 0;
  size_t start = 0;
  auto flush = [&](size_t end) { out.append(text.substr(start, end - start)); };
  while (i < text.size()) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    if (c >= 0x80) {
      size_t length = Utf8Length(text, i);
      if (length > 0) {
        i += length;
        continue;
      }
      flush(i);
      out += "\xEF\xBF\xBD";
      start = ++i;
      continue;
    }
    flush(i);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
    start = ++i;
  }
  flush(text.size());
  out += '"';
}

void AppendJsonNumber(std::string& out, double value) { AppendFloat(out, value); }
void AppendJsonNumber(std::string& out, float value) { AppendFloat(out, value); }

void AppendJsonNumber(std::string& out, int64_t value) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  out.append(buffer, end);
}

}  // namespace kinglet
