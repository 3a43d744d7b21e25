// The shape of a kind: one tree for built-in kinds (from schemas/*.cc) and for custom resources
// (from a CRD's openAPIV3Schema). Validation, pruning, defaults, strategic merge, server-side apply
// and the OpenAPI documents all read it. Immutable and shared.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace kinglet::local {

struct Schema;
using SchemaPtr = std::shared_ptr<const Schema>;

struct Schema {
  enum class Type { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean, kIntOrString };
  enum class ListType { kAtomic, kSet, kMap };

  Type type = Type::kAny;
  std::string name;    // of a built-in type: "core.v1.Container"; "" for nameless ones
  std::string format;  // int32, int64, byte, date-time, micro-time, quantity, ...
  std::string description;
  std::map<std::string, SchemaPtr, std::less<>> properties;
  std::vector<std::string> required;
  // Of built-in types: field numbers of the protobuf form ("2", or "2.4" inside a message that
  // JSON inlines) to members.
  std::map<std::string, std::string, std::less<>> proto_members;
  SchemaPtr items;       // of kArray
  SchemaPtr additional;  // of kObject: values of a map
  bool preserve_unknown = false;
  bool embedded_resource = false;
  bool nullable = false;
  bool atomic = false;  // objects: owned as a whole
  ListType list_type = ListType::kAtomic;
  std::vector<std::string> map_keys;
  std::optional<std::string> merge_key;  // strategic merge; "" for lists of scalars
  bool retain_keys = false;
  bool immutable = false;  // the CEL rule self == oldSelf
  std::string immutable_message;

  std::vector<Json> enum_values;
  std::string pattern;
  std::shared_ptr<const std::regex> pattern_regex;
  std::optional<double> minimum, maximum;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<int64_t> min_length, max_length, min_items, max_items, min_properties,
      max_properties;
  std::optional<Json> default_value;

  // Members are known one by one (nothing else is allowed in).
  bool Structured() const { return type == Type::kObject && !additional && !preserve_unknown; }
  const Schema* Property(std::string_view key) const {
    auto it = properties.find(key);
    return it != properties.end() ? it->second.get() : additional.get();
  }
};

// The built-in types by name ("core.v1.Pod"), with everything they refer to.
using SchemaTable = std::map<std::string, SchemaPtr, std::less<>>;
// Reads the tables that are compiled in. A mistake in them ends the program.
SchemaTable LoadBuiltinSchemas();
// One table's text; kInvalidArgument where it is malformed or refers to a type that is nowhere.
Result<SchemaTable> ParseSchemaTable(const std::vector<std::string_view>& texts);

// A structural schema of a CRD version. `meta` is the schema of metadata. Depth is limited.
Result<SchemaPtr> ParseCrdSchema(const Json& openapi_v3_schema, const SchemaPtr& meta);

// As OpenAPI. References to named types become {"$ref": prefix + definition name}; `definitions`
// gets the names met (their schemas are written by the caller).
struct OpenApiStyle {
  std::string ref_prefix;  // "#/definitions/" or "#/components/schemas/"
  bool v3 = false;         // v3 knows nullable, default and oneOf
};
Json SchemaToOpenApi(const Schema& schema, const OpenApiStyle& style, bool top,
                     std::map<std::string, const Schema*>* named);
// "core.v1.Pod" -> "io.k8s.api.core.v1.Pod".
std::string DefinitionName(std::string_view schema_name);

}  // namespace kinglet::local
