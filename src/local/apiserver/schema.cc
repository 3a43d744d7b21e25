#include "local/apiserver/schema.h"

namespace kinglet::local {
namespace {

constexpr int kMaxDepth = 100;

std::optional<int64_t> OptionalInt(const Json& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.AsInt();
}

std::optional<double> OptionalDouble(const Json& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.AsDouble();
}

Status ReadType(const Json& json, Schema& schema) {
  using Type = Schema::Type;
  const std::string& type = json["type"].AsString();
  if (json["x-kubernetes-int-or-string"].AsBool()) {
    schema.type = Type::kIntOrString;
    schema.format = "int-or-string";
  } else if (type == "object") {
    schema.type = Type::kObject;
  } else if (type == "array") {
    schema.type = Type::kArray;
  } else if (type == "string") {
    schema.type = Type::kString;
  } else if (type == "integer") {
    schema.type = Type::kInteger;
  } else if (type == "number") {
    schema.type = Type::kNumber;
  } else if (type == "boolean") {
    schema.type = Type::kBoolean;
  } else if (type.empty()) {
    schema.type = json["properties"].empty() ? Type::kAny : Type::kObject;
  } else {
    return Fail(Code::kInvalidArgument, "unknown type \"{}\"", type);
  }
  return {};
}

// CEL is not evaluated; the one rule that makes a field immutable is recognised by its text.
void ReadRules(const Json& json, Schema& schema) {
  for (const Json& rule : json["x-kubernetes-validations"].AsArray()) {
    std::string text;
    for (char c : rule["rule"].AsString()) {
      if (c != ' ') text += c;
    }
    if (text == "self==oldSelf" || text == "oldSelf==self") {
      schema.immutable = true;
      schema.immutable_message = rule["message"].StringOr("failed rule: self == oldSelf");
    }
  }
}

Result<SchemaPtr> Parse(const Json& json, const SchemaPtr& meta, int depth) {
  if (depth > kMaxDepth) {
    return Fail(Code::kInvalidArgument, "the schema is nested deeper than {}", kMaxDepth);
  }
  auto schema = std::make_shared<Schema>();
  KINGLET_RETURN_IF_ERROR(ReadType(json, *schema));
  if (schema->format.empty()) schema->format = json["format"].AsString();
  schema->description = json["description"].AsString();
  schema->nullable = json["nullable"].AsBool();
  schema->preserve_unknown =
      json["x-kubernetes-preserve-unknown-fields"].AsBool() || schema->type == Schema::Type::kAny;
  schema->embedded_resource = json["x-kubernetes-embedded-resource"].AsBool();
  schema->atomic = json["x-kubernetes-map-type"].AsString() == "atomic";
  for (const auto& [key, value] : json["properties"].AsObject()) {
    auto child = Parse(value, meta, depth + 1);
    if (!child) return Unexpected(child.error().WithContext(key));
    schema->properties.emplace(key, std::move(*child));
  }
  for (const Json& key : json["required"].AsArray()) schema->required.push_back(key.AsString());
  if (const Json* items = json.Find("items")) {
    KINGLET_TRY(schema->items, Parse(*items, meta, depth + 1));
  }
  if (const Json* extra = json.Find("additionalProperties")) {
    if (extra->IsObject()) {
      KINGLET_TRY(schema->additional, Parse(*extra, meta, depth + 1));
    } else if (extra->AsBool()) {
      schema->preserve_unknown = true;
    }
  }
  const std::string& list = json["x-kubernetes-list-type"].AsString();
  if (list == "map") schema->list_type = Schema::ListType::kMap;
  if (list == "set") schema->list_type = Schema::ListType::kSet;
  for (const Json& key : json["x-kubernetes-list-map-keys"].AsArray()) {
    schema->map_keys.push_back(key.AsString());
  }
  schema->enum_values = json["enum"].AsArray();
  schema->pattern = json["pattern"].AsString();
  if (!schema->pattern.empty()) {
    try {
      schema->pattern_regex = std::make_shared<const std::regex>(
          schema->pattern, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& e) {
      return Fail(Code::kInvalidArgument, "pattern '{}' cannot be used: {}", schema->pattern,
                  e.what());
    }
  }
  schema->minimum = OptionalDouble(json["minimum"]);
  schema->maximum = OptionalDouble(json["maximum"]);
  schema->exclusive_minimum = json["exclusiveMinimum"].AsBool();
  schema->exclusive_maximum = json["exclusiveMaximum"].AsBool();
  schema->min_length = OptionalInt(json["minLength"]);
  schema->max_length = OptionalInt(json["maxLength"]);
  schema->min_items = OptionalInt(json["minItems"]);
  schema->max_items = OptionalInt(json["maxItems"]);
  schema->min_properties = OptionalInt(json["minProperties"]);
  schema->max_properties = OptionalInt(json["maxProperties"]);
  if (const Json* value = json.Find("default")) schema->default_value = *value;
  ReadRules(json, *schema);
  if (depth == 0 || schema->embedded_resource) {
    auto text = std::make_shared<Schema>();
    text->type = Schema::Type::kString;
    schema->properties["apiVersion"] = text;
    schema->properties["kind"] = text;
    schema->properties["metadata"] = meta;
  }
  return SchemaPtr(schema);
}

std::string_view TypeWord(Schema::Type type) {
  switch (type) {
    case Schema::Type::kObject:
      return "object";
    case Schema::Type::kArray:
      return "array";
    case Schema::Type::kInteger:
      return "integer";
    case Schema::Type::kNumber:
      return "number";
    case Schema::Type::kBoolean:
      return "boolean";
    case Schema::Type::kString:
    case Schema::Type::kIntOrString:
      return "string";
    case Schema::Type::kAny:
      return "";
  }
  return "";
}

}  // namespace

Result<SchemaPtr> ParseCrdSchema(const Json& openapi_v3_schema, const SchemaPtr& meta) {
  return Parse(openapi_v3_schema, meta, 0);
}

std::string DefinitionName(std::string_view name) {
  if (name.starts_with("meta.v1.")) return "io.k8s.apimachinery.pkg.apis." + std::string(name);
  if (name.starts_with("apiextensions.")) {
    return "io.k8s.apiextensions-apiserver.pkg.apis." + std::string(name);
  }
  return "io.k8s.api." + std::string(name);
}

Json SchemaToOpenApi(const Schema& schema, const OpenApiStyle& style, bool top,
                     std::map<std::string, const Schema*>* named) {
  if (!top && !schema.name.empty()) {
    named->emplace(schema.name, &schema);
    return Json::MakeObject({{"$ref", style.ref_prefix + DefinitionName(schema.name)}});
  }
  Json out = Json::MakeObject();
  if (!schema.description.empty()) out.Set("description", schema.description);
  if (schema.type == Schema::Type::kIntOrString && schema.format == "int-or-string" && style.v3) {
    out.Set("x-kubernetes-int-or-string", true);
  } else if (auto word = TypeWord(schema.type); !word.empty()) {
    out.Set("type", word);
  }
  if (!schema.format.empty() && schema.format != "quantity") {
    out.Set("format", schema.format == "micro-time" ? "date-time" : schema.format);
  }
  if (style.v3 && schema.default_value) out.Set("default", *schema.default_value);
  if (style.v3 && schema.nullable) out.Set("nullable", true);
  if (!schema.enum_values.empty()) out.Set("enum", schema.enum_values);
  if (schema.preserve_unknown) out.Set("x-kubernetes-preserve-unknown-fields", true);
  if (schema.atomic) out.Set("x-kubernetes-map-type", "atomic");
  if (!schema.properties.empty()) {
    Json& properties = out.Set("properties", Json::MakeObject());
    for (const auto& [key, value] : schema.properties) {
      properties.Set(key, SchemaToOpenApi(*value, style, false, named));
    }
  }
  if (!schema.required.empty()) {
    Json& required = out.Set("required", Json::MakeArray());
    for (const std::string& key : schema.required) required.Push(key);
  }
  if (schema.items) out.Set("items", SchemaToOpenApi(*schema.items, style, false, named));
  if (schema.additional) {
    out.Set("additionalProperties", SchemaToOpenApi(*schema.additional, style, false, named));
  }
  if (schema.type == Schema::Type::kArray) {
    if (schema.list_type == Schema::ListType::kMap) {
      out.Set("x-kubernetes-list-type", "map");
      Json& keys = out.Set("x-kubernetes-list-map-keys", Json::MakeArray());
      for (const std::string& key : schema.map_keys) keys.Push(key);
    } else {
      out.Set("x-kubernetes-list-type",
              schema.list_type == Schema::ListType::kSet ? "set" : "atomic");
    }
    if (schema.merge_key) {
      out.Set("x-kubernetes-patch-strategy", "merge");
      if (!schema.merge_key->empty()) out.Set("x-kubernetes-patch-merge-key", *schema.merge_key);
    }
  }
  if (schema.retain_keys) out.Set("x-kubernetes-patch-strategy", "retainKeys");
  return out;
}

}  // namespace kinglet::local
