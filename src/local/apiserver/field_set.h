// Sets of fields of an object, as metadata.managedFields keeps them (FieldsV1), and the operations
// of server-side apply on them.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "local/apiserver/schema.h"

namespace kinglet::local {

// A tree of path elements: "f:name", k:{"name":"x"} (an item of a list map), v:"x" (of a list set).
struct FieldSet {
  bool member = false;  // the path to here is in the set
  std::map<std::string, FieldSet, std::less<>> children;

  bool Empty() const;
  void Add(const FieldSet& other);  // union
  void Subtract(const FieldSet& other);
  FieldSet Intersect(const FieldSet& other) const;
  // ".spec.containers[name=\"x\"].image", sorted.
  std::vector<std::string> Paths() const;

  Json ToJson() const;
  static FieldSet FromJson(const Json& fields_v1);
};

// All fields of a value. Atomic parts are one field.
FieldSet FieldsOf(const Schema* schema, const Json& value);

// What changed from `old` to `now`: fields with another or a new value, and fields that are gone.
struct FieldChanges {
  FieldSet changed, removed;
};
FieldChanges CompareFields(const Schema* schema, const Json& old, const Json& now);

// `config` put over `live`: maps and keyed lists by member, the rest as a whole.
Json MergeFields(const Schema* schema, const Json& live, const Json& config);

// Takes the fields of the set out of the value, and containers that become empty by it.
void RemoveFields(const Schema* schema, Json& value, const FieldSet& set);

// The part of an object that managers own (not apiVersion, kind, or what the server writes).
Json OwnedPart(const Json& object);

}  // namespace kinglet::local
