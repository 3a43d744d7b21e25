// OpenAPI v2 JSON as the protobuf message openapi.v2.Document (gnostic). Only the members that
// openapi.cc writes are encoded; field numbers are those of OpenAPIv2.proto.
#include "local/apiserver/openapi.h"

namespace kinglet::local {
namespace {

void Varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void Bytes(std::string& out, int field, std::string_view bytes) {
  Varint(out, static_cast<uint64_t>(field) << 3 | 2);
  Varint(out, bytes.size());
  out += bytes;
}

void Text(std::string& out, int field, const Json& text) {
  if (!text.AsString().empty()) Bytes(out, field, text.AsString());
}

void Flag(std::string& out, int field, bool value) {
  if (!value) return;
  Varint(out, static_cast<uint64_t>(field) << 3);
  out += '\1';
}

// Any { yaml = 2 }; JSON is YAML.
std::string Any(const Json& value) {
  std::string any;
  Bytes(any, 2, value.Dump() + "\n");
  return any;
}

// NamedX { name = 1; value = 2 }.
std::string Named(std::string_view name, std::string_view value) {
  std::string out;
  Bytes(out, 1, name);
  Bytes(out, 2, value);
  return out;
}

void Extensions(std::string& out, int field, const Json& object) {
  for (const auto& [key, value] : object.AsObject()) {
    if (key.starts_with("x-")) Bytes(out, field, Named(key, Any(value)));
  }
}

std::string SchemaMessage(const Json& schema) {
  std::string out;
  Text(out, 1, schema["$ref"]);
  Text(out, 2, schema["format"]);
  Text(out, 4, schema["description"]);
  for (const Json& key : schema["required"].AsArray()) Bytes(out, 19, key.AsString());
  for (const Json& value : schema["enum"].AsArray()) Bytes(out, 20, Any(value));
  if (const Json* extra = schema.Find("additionalProperties")) {
    std::string item;
    Bytes(item, 1, SchemaMessage(*extra));
    Bytes(out, 21, item);
  }
  if (const Json* type = schema.Find("type")) {
    std::string item;
    Text(item, 1, *type);
    Bytes(out, 22, item);
  }
  if (const Json* items = schema.Find("items")) {
    std::string item;
    Bytes(item, 1, SchemaMessage(*items));
    Bytes(out, 23, item);
  }
  if (const Json* properties = schema.Find("properties")) {
    std::string list;
    for (const auto& [key, value] : properties->AsObject()) {
      Bytes(list, 1, Named(key, SchemaMessage(value)));
    }
    Bytes(out, 25, list);
  }
  Extensions(out, 31, schema);
  return out;
}

// ParametersItem { parameter = 1 { non_body_parameter = 2 { query = 3 | path = 4 } } }.
std::string ParameterMessage(const Json& parameter) {
  bool path = parameter["in"].AsString() == "path";
  std::string inner;
  Flag(inner, 1, parameter["required"].AsBool());
  Text(inner, 2, parameter["in"]);
  Text(inner, 4, parameter["name"]);
  Text(inner, path ? 5 : 6, parameter["type"]);
  std::string non_body, outer, item;
  Bytes(non_body, path ? 4 : 3, inner);
  Bytes(outer, 2, non_body);
  Bytes(item, 1, outer);
  return item;
}

std::string OperationMessage(const Json& operation) {
  std::string out;
  Text(out, 5, operation["operationId"]);
  for (const Json& parameter : operation["parameters"].AsArray()) {
    Bytes(out, 8, ParameterMessage(parameter));
  }
  std::string responses;
  for (const auto& [code, response] : operation["responses"].AsObject()) {
    std::string message, schema, value;
    Text(message, 1, response["description"]);
    Bytes(schema, 1, SchemaMessage(response["schema"]));
    Bytes(message, 2, schema);
    Bytes(value, 1, message);
    Bytes(responses, 1, Named(code, value));
  }
  Bytes(out, 9, responses);
  Extensions(out, 13, operation);
  return out;
}

std::string PathMessage(const Json& item) {
  static constexpr std::pair<const char*, int> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  std::string out;
  for (auto [method, field] : kMethods) {
    if (const Json* operation = item.Find(method)) Bytes(out, field, OperationMessage(*operation));
  }
  for (const Json& parameter : item["parameters"].AsArray()) {
    Bytes(out, 9, ParameterMessage(parameter));
  }
  return out;
}

}  // namespace

std::string OpenApiV2Protobuf(const Json& document) {
  std::string out, info, paths, definitions;
  Text(out, 1, document["swagger"]);
  Text(info, 1, document["info"]["title"]);
  Text(info, 2, document["info"]["version"]);
  Bytes(out, 2, info);
  for (const auto& [path, item] : document["paths"].AsObject()) {
    Bytes(paths, 2, Named(path, PathMessage(item)));
  }
  Bytes(out, 8, paths);
  for (const auto& [name, schema] : document["definitions"].AsObject()) {
    Bytes(definitions, 1, Named(name, SchemaMessage(schema)));
  }
  Bytes(out, 9, definitions);
  return out;
}

}  // namespace kinglet::local
