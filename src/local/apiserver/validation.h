// Walks over a value with its schema: unknown members, types, defaults, values.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "local/apiserver/schema.h"
#include "local/apiserver/status.h"

namespace kinglet::local {

// Removes members that the schema does not know; their paths ("spec.containers[0].foo") are added
// to `unknown` when given. Also removes nulls where null is not a value (a null member is an absent
// one, as Go's decoder reads it).
void Prune(const Schema& schema, Json& value, std::vector<std::string>* unknown);

// Puts the schema's defaults where members are absent.
void ApplySchemaDefaults(const Schema& schema, Json& value);

// Of the wrong type: the message of Go's decoder ("json: cannot unmarshal string into Go struct
// field ..."). For built-in kinds.
Result<void> CheckTypes(const Schema& schema, const Json& value, const std::string& path);

// Types, required members, enums, patterns, bounds, list types; immutability against `old` when
// given. For custom resources.
void ValidateSchema(const Schema& schema, const Json& value, const Json* old,
                    const std::string& path, std::vector<FieldError>& errors);

// Names: the texts of Kubernetes' validation, or "" when right.
std::string CheckSubdomain(std::string_view name);     // RFC 1123 subdomain
std::string CheckLabel(std::string_view name);         // RFC 1123 label
std::string CheckLabel1035(std::string_view name);     // RFC 1035 label (services)
std::string CheckPathSegment(std::string_view name);   // RBAC names
std::string CheckQualifiedName(std::string_view key);  // label and annotation keys
std::string CheckLabelValue(std::string_view value);

}  // namespace kinglet::local
