#include "api/descriptor.h"

#include <algorithm>
#include <limits>

namespace kinglet::api {

const char kQuantityPattern[] =
    R"(^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$)";

namespace {

// Consumes digits with at most one dot; true when there was a digit.
bool SkipDecimal(std::string_view text, size_t& at) {
  size_t digits = 0;
  bool dot = false;
  for (; at < text.size(); ++at) {
    if (text[at] >= '0' && text[at] <= '9') {
      ++digits;
    } else if (text[at] == '.' && !dot) {
      dot = true;
    } else {
      break;
    }
  }
  return digits > 0;
}

void SkipSign(std::string_view text, size_t& at) {
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
}

}  // namespace

bool IsQuantity(const Json& value) {
  if (value.IsNumber()) return true;
  if (!value.IsString()) return false;
  std::string_view text = value.AsString();
  size_t at = 0;
  SkipSign(text, at);
  if (!SkipDecimal(text, at)) return false;
  std::string_view suffix = text.substr(at);
  if (suffix.empty()) return true;
  constexpr std::string_view kDecimal = "numkMGTPE", kBinary = "KMGTPE";
  if (suffix.size() == 1) return kDecimal.find(suffix[0]) != std::string_view::npos;
  if (suffix.size() == 2 && suffix[1] == 'i') {
    return kBinary.find(suffix[0]) != std::string_view::npos;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  ++at;
  SkipSign(text, at);
  return SkipDecimal(text, at) && at == text.size();
}

void Decoder::Fail(std::string message) {
  constexpr size_t kMaxErrors = 100;
  if (errors_.size() >= kMaxErrors) return;
  errors_.push_back(path_.empty() ? std::move(message) : path_ + ": " + message);
}

void Decoder::FailType(std::string_view wanted, const Json& got) {
  Fail(fmt::format("want {}, got {}", wanted, got.TypeName()));
}

Status Decoder::status() const {
  if (errors_.empty()) return {};
  std::string text;
  for (const auto& error : errors_) {
    if (!text.empty()) text += "; ";
    text += error;
  }
  return kinglet::Fail(Code::kInvalidArgument, "{}", text);
}

Decoder::Scope::Scope(Decoder& decoder, std::string_view name)
    : decoder_(decoder), length_(decoder.path_.size()) {
  if (length_) decoder.path_ += '.';
  decoder.path_ += name;
}

Decoder::Scope::Scope(Decoder& decoder, size_t index)
    : decoder_(decoder), length_(decoder.path_.size()) {
  decoder.path_ += fmt::format("[{}]", index);
}

Json PassedSchema(std::string_view type) {
  if (type == "strings") {
    return Json::MakeObject({{"type", "array"}, {"items", Json::MakeObject({{"type", "string"}})}});
  }
  Json schema = Json::MakeObject({{"type", type}});
  if (type == "object") schema.Set("x-kubernetes-preserve-unknown-fields", true);
  if (type == "array") schema.Set("items", PassedSchema("object"));
  return schema;
}

namespace internal {

void CheckRules(const Rules& rules, const Json& value, Decoder& decoder) {
  if (!rules.one_of.empty() && value.IsString() &&
      std::ranges::find(rules.one_of, value.AsString()) == rules.one_of.end()) {
    decoder.Fail(fmt::format("Unsupported value: \"{}\": supported values: {}", value.AsString(),
                             fmt::join(rules.one_of, ", ")));
  }
  if (rules.minimum && value.IsInt() && value.AsInt() < *rules.minimum) {
    decoder.Fail(fmt::format("should be greater than or equal to {}", *rules.minimum));
  }
  if (value.IsArray() && value.size() < rules.min_items) {
    decoder.Fail(fmt::format("should have at least {} items", rules.min_items));
  }
}

const ErasedField* ErasedStruct::FindField(std::string_view name, Names names) const {
  auto field = std::ranges::find(fields, name, &ErasedField::name);
  if (field == fields.end() && names == Names::kAnyCase) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    field = std::ranges::find_if(fields, [&](const ErasedField& other) {
      return std::ranges::equal(other.name, name, {}, lower, lower);
    });
  }
  return field == fields.end() ? nullptr : &*field;
}

void ErasedStruct::Decode(const Json& value, void* object, Decoder& decoder) const {
  if (!value.IsObject()) return decoder.FailType("object", value);
  for (const auto& [key, member] : value.AsObject()) {
    if (member.IsNull()) continue;
    Decoder::Scope scope(decoder, key);
    if (const ErasedField* field = FindField(key, decoder.names())) {
      field->decode(member, object, decoder);
      if (decoder.strict()) CheckRules(field->rules, member, decoder);
    } else if (std::ranges::find(passed, std::string_view(key), &PassedField::name) !=
               passed.end()) {
      rest(object).Set(key, member);
    } else if (decoder.strict() && !preserve) {
      decoder.Fail("unknown field");
    }
  }
  if (!decoder.strict()) return;
  for (const auto& field : fields) {
    if (!field.rules.required || !value[field.name].IsNull()) continue;
    Decoder::Scope scope(decoder, field.name);
    decoder.Fail("Required value");
  }
}

void ErasedStruct::Encode(const void* object, Json& out) const {
  if (rest) {
    const Json& passed_members = rest(const_cast<void*>(object));
    for (const auto& [key, member] : passed_members.AsObject()) out.Set(key, member);
  }
  for (const auto& field : fields) {
    Json member = field.encode(object);
    if (!member.IsNull()) out.Set(field.name, std::move(member));
  }
}

Json ErasedStruct::Schema() const {
  Json schema = Json::MakeObject({{"type", "object"}});
  if (!doc.empty()) schema.Set("description", doc);
  if (preserve) schema.Set("x-kubernetes-preserve-unknown-fields", true);
  if (fields.empty() && passed.empty()) return schema;
  Json properties = Json::MakeObject();
  Json required = Json::MakeArray();
  for (const auto& field : passed) properties.Set(field.name, PassedSchema(field.type));
  for (const auto& field : fields) {
    Json property = field.schema();
    if (!field.doc.empty()) property.Set("description", field.doc);
    if (!field.rules.one_of.empty()) {
      Json values = Json::MakeArray();
      for (auto value : field.rules.one_of) values.Push(value);
      property.Set("enum", std::move(values));
    }
    if (field.rules.minimum) property.Set("minimum", *field.rules.minimum);
    if (field.rules.min_items) property.Set("minItems", field.rules.min_items);
    if (!field.rules.default_value.IsNull()) property.Set("default", field.rules.default_value);
    for (const auto& [key, member] : field.rules.schema.AsObject()) property.Set(key, member);
    if (field.rules.required) required.Push(field.name);
    properties.Set(field.name, std::move(property));
  }
  schema.Set("properties", std::move(properties));
  if (required.size()) schema.Set("required", std::move(required));
  return schema;
}

void Codec<std::string>::Decode(const Json& value, std::string& out, Decoder& decoder) {
  if (!value.IsString()) return decoder.FailType("string", value);
  out = value.AsString();
}

void Codec<bool>::Decode(const Json& value, bool& out, Decoder& decoder) {
  if (!value.IsBool()) return decoder.FailType("boolean", value);
  out = value.AsBool();
}

void DecodeInteger(const Json& value, int64_t low, int64_t high, int64_t& out, Decoder& decoder) {
  // An integral double is an integer to a reader of JSON; its own text decides.
  constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
  int64_t number = value.IsNumber() ? value.AsInt(kNone) : kNone;
  if (!value.IsNumber() || (number == kNone && !value.IsInt())) {
    return decoder.FailType("integer", value);
  }
  if (number < low || number > high) {
    return decoder.Fail(fmt::format("{} is out of the range of this field", number));
  }
  out = number;
}

void Codec<int32_t>::Decode(const Json& value, int32_t& out, Decoder& decoder) {
  int64_t wide = 0;
  DecodeInteger(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(),
                wide, decoder);
  out = static_cast<int32_t>(wide);
}

void Codec<int64_t>::Decode(const Json& value, int64_t& out, Decoder& decoder) {
  DecodeInteger(value, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
                out, decoder);
}

void Codec<Quantity>::Decode(const Json& value, Quantity& out, Decoder& decoder) {
  if (!IsQuantity(value)) {
    return decoder.Fail("want a quantity such as 500m or 2Gi, got " + value.Dump());
  }
  out.value = value;
}

Json Codec<Quantity>::Schema() {
  return Json::MakeObject({{"anyOf", Json::MakeArray({Json::MakeObject({{"type", "integer"}}),
                                                      Json::MakeObject({{"type", "string"}})})},
                           {"pattern", kQuantityPattern},
                           {"x-kubernetes-int-or-string", true}});
}

void Codec<Json>::Decode(const Json& value, Json& out, Decoder& decoder) {
  if (!value.IsObject()) return decoder.FailType("object", value);
  out = value;
}

}  // namespace internal
}  // namespace kinglet::api
