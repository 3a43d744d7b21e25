// meta.k8s.io/v1 Table: what `kubectl get` prints. The columns of built-in kinds are those of
// Kubernetes' printers; custom resources bring theirs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "local/apiserver/registry.h"

namespace kinglet::local {

struct TableOptions {
  std::string version = "v1";  // of meta.k8s.io
  std::string include_object;  // "None", "Metadata" (also when empty), "Object"
  bool headers = true;         // false for all but the first event of a watch
};

// Of one object or of a list (in the served version).
Json MakeTable(const Resource& resource, const Json& object_or_list, const TableOptions& options);

// The first value at a JSONPath of a printer column (".a.b[0].c", with [?(@.x=="y")] filters and
// ['quoted'] keys), or null.
const Json& EvaluateJsonPath(const Json& object, std::string_view path);

// How long ago a timestamp was, as kubectl prints it; "<unknown>" when it cannot be read.
std::string AgeText(const Json& timestamp, WallTime now);

struct Column {
  std::string_view name, type, format;
  int priority;
  std::string_view description;
};
// Columns and cells of a built-in kind; the printers are in printers.cc.
struct Printer {
  std::string_view group, kind;
  std::vector<Column> columns;
  void (*cells)(const Json& object, WallTime now, Json& cells);
};
const std::vector<Printer>& Printers();

}  // namespace kinglet::local
