#include "local/apiserver/validation.h"

#include <fmt/format.h>

#include <set>

#include "base/clock.h"
#include "base/encoding.h"
#include "kube/quantity.h"

namespace kinglet::local {
namespace {

using Type = Schema::Type;

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}
std::string Join(const std::string& path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}

void PruneAt(const Schema& schema, Json& value, const std::string& path,
             std::vector<std::string>* unknown) {
  if (value.IsArray()) {
    if (!schema.items) return;
    Json::Array& items = value.MutableArray();
    for (size_t i = 0; i < items.size(); ++i) {
      PruneAt(*schema.items, items[i], Join(path, i), unknown);
    }
    return;
  }
  if (!value.IsObject()) return;
  Json::Object& members = value.MutableObject();
  for (auto it = members.begin(); it != members.end();) {
    const Schema* child = schema.Property(it->first);
    if (child) {
      if (it->second.IsNull() && child->type != Type::kAny &&
          (!child->nullable || child->default_value)) {
        it = members.erase(it);
        continue;
      }
      PruneAt(*child, it->second, Join(path, it->first), unknown);
    } else if (!schema.preserve_unknown) {
      if (unknown) unknown->push_back(Join(path, it->first));
      it = members.erase(it);
      continue;
    }
    ++it;
  }
}

std::string_view GoWord(const Json& value) {
  if (value.IsInt() || value.IsDouble()) return "number";
  return value.TypeName();
}

bool TypeFits(const Schema& schema, const Json& value) {
  switch (schema.type) {
    case Type::kAny:
      return true;
    case Type::kObject:
      return value.IsObject();
    case Type::kArray:
      return value.IsArray();
    case Type::kString:
      return value.IsString();
    case Type::kInteger:
      return value.IsInt() || (value.IsDouble() && Json(value.AsInt(INT64_MIN)) == value);
    case Type::kNumber:
      return value.IsNumber();
    case Type::kBoolean:
      return value.IsBool();
    case Type::kIntOrString:
      return value.IsString() || value.IsInt() || (value.IsDouble() && schema.format == "quantity");
  }
  return false;
}

std::string_view WantedWord(Type type) {
  switch (type) {
    case Type::kObject:
      return "object";
    case Type::kArray:
      return "array";
    case Type::kString:
      return "string";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kIntOrString:
      return "integer,string";
    case Type::kAny:
      return "any";
  }
  return "";
}

std::string_view GoType(const Schema& schema) {
  switch (schema.type) {
    case Type::kObject:
      return schema.name.empty() ? "map[string]string" : "struct";
    case Type::kArray:
      return "[]interface {}";
    case Type::kString:
      return "string";
    case Type::kInteger:
      return schema.format == "int32" ? "int32" : "int64";
    case Type::kNumber:
      return "float64";
    case Type::kBoolean:
      return "bool";
    default:
      return "string";
  }
}

// What kube-openapi calls the type of a value.
std::string_view ValueWord(const Json& value) {
  if (value.IsBool()) return "boolean";
  if (value.IsInt()) return "integer";
  return value.TypeName();
}

FieldError Body(const std::string& path, const Json& value, std::string_view what) {
  return InvalidValue(path, value, fmt::format("{} in body {}", path, what));
}

// A pattern that the matcher gives up on refuses the text.
bool Matches(const std::regex& pattern, const std::string& text) {
  try {
    return std::regex_search(text, pattern);
  } catch (const std::regex_error&) {
    return false;
  }
}

void ValidateString(const Schema& schema, const Json& value, const std::string& path,
                    std::vector<FieldError>& errors) {
  const std::string& text = value.AsString();
  auto length = static_cast<int64_t>(text.size());
  if (schema.min_length && length < *schema.min_length) {
    errors.push_back(
        Body(path, value, fmt::format("should be at least {} chars long", *schema.min_length)));
  }
  if (schema.max_length && length > *schema.max_length) {
    errors.push_back(TooLongValue(path, *schema.max_length));
  }
  // The library's matcher recurses with the text's length: long texts are refused by maxLength or
  // taken unmatched.
  if (schema.pattern_regex && text.size() <= 2048 && !Matches(*schema.pattern_regex, text)) {
    errors.push_back(Body(path, value, fmt::format("should match '{}'", schema.pattern)));
  }
  if (schema.format == "date-time" && !ParseRfc3339(text)) {
    errors.push_back(Body(path, value, fmt::format("must be of type date-time: {}", value.Dump())));
  }
  if (schema.format == "byte" && !Base64Decode(text)) {
    errors.push_back(Body(path, value, fmt::format("must be of type byte: {}", value.Dump())));
  }
}

void ValidateNumber(const Schema& schema, const Json& value, const std::string& path,
                    std::vector<FieldError>& errors) {
  double number = value.AsDouble();
  if (schema.format == "int32" && (number > 2147483647.0 || number < -2147483648.0)) {
    errors.push_back(Body(path, value, "must be of type int32: " + value.Dump()));
  }
  if (schema.minimum) {
    bool wrong = schema.exclusive_minimum ? number <= *schema.minimum : number < *schema.minimum;
    if (wrong) {
      errors.push_back(Body(
          path, value,
          fmt::format("should be greater than {}{}", schema.exclusive_minimum ? "" : "or equal to ",
                      Json(*schema.minimum).Dump())));
    }
  }
  if (schema.maximum) {
    bool wrong = schema.exclusive_maximum ? number >= *schema.maximum : number > *schema.maximum;
    if (wrong) {
      errors.push_back(Body(
          path, value,
          fmt::format("should be less than {}{}", schema.exclusive_maximum ? "" : "or equal to ",
                      Json(*schema.maximum).Dump())));
    }
  }
}

Json MapKey(const Schema& schema, const Json& item) {
  Json key = Json::MakeObject();
  for (const std::string& name : schema.map_keys) {
    if (const Json* value = item.Find(name)) {
      key.Set(name, *value);
    } else if (const Schema* field = schema.items ? schema.items->Property(name) : nullptr;
               field && field->default_value) {
      key.Set(name, *field->default_value);
    }
  }
  return key;
}

void ValidateArray(const Schema& schema, const Json& value, const Json* old,
                   const std::string& path, std::vector<FieldError>& errors) {
  auto count = static_cast<int64_t>(value.size());
  if (schema.min_items && count < *schema.min_items) {
    errors.push_back(
        Body(path, value, fmt::format("should have at least {} items", *schema.min_items)));
  }
  if (schema.max_items && count > *schema.max_items) {
    errors.push_back(TooManyValue(path, count, *schema.max_items));
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < value.size(); ++i) {
    const Json& item = value[i];
    if (schema.list_type != Schema::ListType::kAtomic) {
      Json key = schema.list_type == Schema::ListType::kMap ? MapKey(schema, item) : item;
      if (!seen.insert(key.Dump()).second) {
        errors.push_back(DuplicateValue(Join(path, i), key));
      }
    }
    if (!schema.items) continue;
    const Json* old_item = nullptr;
    if (old && schema.list_type == Schema::ListType::kMap) {
      Json key = MapKey(schema, item);
      for (const Json& candidate : old->AsArray()) {
        if (MapKey(schema, candidate) == key) old_item = &candidate;
      }
    }
    ValidateSchema(*schema.items, item, old_item, Join(path, i), errors);
  }
}

void ValidateObject(const Schema& schema, const Json& value, const Json* old,
                    const std::string& path, std::vector<FieldError>& errors) {
  for (const std::string& key : schema.required) {
    if (!value.Has(key)) errors.push_back(RequiredValue(Join(path, key)));
  }
  auto count = static_cast<int64_t>(value.size());
  if (schema.min_properties && count < *schema.min_properties) {
    errors.push_back(Body(
        path, value, fmt::format("should have at least {} properties", *schema.min_properties)));
  }
  if (schema.max_properties && count > *schema.max_properties) {
    errors.push_back(TooManyValue(path, count, *schema.max_properties));
  }
  for (const auto& [key, member] : value.AsObject()) {
    if (const Schema* child = schema.Property(key)) {
      ValidateSchema(*child, member, old ? old->Find(key) : nullptr, Join(path, key), errors);
    }
  }
}

}  // namespace

void Prune(const Schema& schema, Json& value, std::vector<std::string>* unknown) {
  PruneAt(schema, value, "", unknown);
}

void ApplySchemaDefaults(const Schema& schema, Json& value) {
  if (value.IsArray()) {
    if (!schema.items) return;
    for (Json& item : value.MutableArray()) ApplySchemaDefaults(*schema.items, item);
    return;
  }
  if (!value.IsObject()) return;
  for (const auto& [key, child] : schema.properties) {
    if (child->default_value && !value.Has(key)) value.Set(key, *child->default_value);
  }
  for (auto& [key, member] : value.MutableObject()) {
    if (const Schema* child = schema.Property(key)) ApplySchemaDefaults(*child, member);
  }
}

Result<void> CheckTypes(const Schema& schema, const Json& value, const std::string& path) {
  if (value.IsNull()) return {};
  if (!TypeFits(schema, value)) {
    return Fail(Code::kInvalidArgument,
                "json: cannot unmarshal {} into Go struct field {} of type {}", GoWord(value), path,
                GoType(schema));
  }
  if (schema.format == "quantity" && !kube::Quantity::FromJson(value)) {
    return Fail(Code::kInvalidArgument,
                "quantities must match the regular expression "
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' ({}: {})",
                path, value.Dump());
  }
  if (schema.format == "byte" && !Base64Decode(value.AsString())) {
    return Fail(Code::kInvalidArgument, "illegal base64 data at {}", path);
  }
  if ((schema.format == "date-time" || schema.format == "micro-time") &&
      !ParseRfc3339(value.AsString())) {
    return Fail(Code::kInvalidArgument, "parsing time {} at {}: not RFC 3339", value.Dump(), path);
  }
  if (schema.format == "int32" && (value.AsInt() > 2147483647 || value.AsInt() < -2147483648LL)) {
    return Fail(Code::kInvalidArgument,
                "json: cannot unmarshal number {} into Go struct field {} of type int32",
                value.Dump(), path);
  }
  if (value.IsArray() && schema.items) {
    for (const Json& item : value.AsArray()) {
      KINGLET_RETURN_IF_ERROR(CheckTypes(*schema.items, item, path));
    }
  }
  for (const auto& [key, member] : value.AsObject()) {
    if (const Schema* child = schema.Property(key)) {
      KINGLET_RETURN_IF_ERROR(CheckTypes(*child, member, Join(path, key)));
    }
  }
  return {};
}

void ValidateSchema(const Schema& schema, const Json& value, const Json* old,
                    const std::string& path, std::vector<FieldError>& errors) {
  if (value.IsNull() && (schema.nullable || schema.type == Type::kAny)) return;
  if (!TypeFits(schema, value)) {
    std::string_view word = ValueWord(value);
    FieldError error = InvalidValue(
        path, std::string(word),
        fmt::format("{} in body must be of type {}: \"{}\"", path, WantedWord(schema.type), word));
    error.reason = "FieldValueTypeInvalid";
    errors.push_back(std::move(error));
    return;
  }
  if (schema.immutable && old && !(*old == value)) {
    errors.push_back(InvalidValue(path, value, schema.immutable_message));
  }
  if (!schema.enum_values.empty()) {
    std::vector<std::string> supported;
    bool found = false;
    for (const Json& allowed : schema.enum_values) {
      found = found || allowed == value;
      supported.push_back(allowed.IsString() ? allowed.AsString() : allowed.Dump());
    }
    if (!found) errors.push_back(UnsupportedValue(path, value, supported));
  }
  if (value.IsString()) ValidateString(schema, value, path, errors);
  if (value.IsNumber()) ValidateNumber(schema, value, path, errors);
  if (value.IsArray()) ValidateArray(schema, value, old, path, errors);
  if (value.IsObject()) ValidateObject(schema, value, old, path, errors);
}

}  // namespace kinglet::local
