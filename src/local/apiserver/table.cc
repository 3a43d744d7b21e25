#include "local/apiserver/table.h"

#include <charconv>

namespace kinglet::local {
namespace {

const Json kNothing;

const std::vector<Column> kDefaultColumns = {
    {"Name", "string", "name", 0, "Name of the object, unique in its namespace."},
    {"Age", "date", "", 0, "Time since the object was created."},
};

void DefaultCells(const Json& object, WallTime now, Json& cells) {
  cells.Push(object.At({"metadata", "name"}));
  cells.Push(AgeText(object.At({"metadata", "creationTimestamp"}), now));
}

const Printer* FindPrinter(const Resource& resource) {
  for (const Printer& printer : Printers()) {
    if (printer.kind == resource.kind && printer.group == resource.group) return &printer;
  }
  return nullptr;
}

Json Definition(std::string_view name, std::string_view type, std::string_view format,
                std::string_view description, int64_t priority) {
  return Json::MakeObject({{"name", name},
                           {"type", type},
                           {"format", format},
                           {"description", description},
                           {"priority", priority}});
}

// A cell of a custom column, as its type says.
Json CustomCell(const Json& object, const PrinterColumn& column, WallTime now) {
  const Json& value = EvaluateJsonPath(object, column.json_path);
  if (value.IsNull()) return column.type == "date" ? Json("<unknown>") : Json();
  if (column.type == "date") return AgeText(value, now);
  if (column.type == "string") {
    return value.IsString() ? value : Json(value.Dump());
  }
  if (column.type == "integer" || column.type == "number") {
    return value.IsNumber() ? value : Json();
  }
  if (column.type == "boolean") return value.IsBool() ? value : Json();
  return value;
}

Json MakeColumns(const Resource& resource, const Printer* printer) {
  Json out = Json::MakeArray();
  if (resource.custom) {
    out.Push(
        Definition("Name", "string", "name", "Name of the object, unique in its namespace.", 0));
    for (const PrinterColumn& column : resource.columns) {
      out.Push(
          Definition(column.name, column.type, column.format, column.description, column.priority));
    }
    if (resource.columns.empty()) {
      out.Push(Definition("Age", "date", "", "Time since the object was created.", 0));
    }
    return out;
  }
  for (const Column& column : printer ? printer->columns : kDefaultColumns) {
    out.Push(
        Definition(column.name, column.type, column.format, column.description, column.priority));
  }
  return out;
}

Json MakeRow(const Resource& resource, const Printer* printer, const Json& object, WallTime now,
             const TableOptions& options) {
  Json cells = Json::MakeArray();
  if (resource.custom) {
    cells.Push(object.At({"metadata", "name"}));
    for (const PrinterColumn& column : resource.columns) {
      cells.Push(CustomCell(object, column, now));
    }
    if (resource.columns.empty()) {
      cells.Push(AgeText(object.At({"metadata", "creationTimestamp"}), now));
    }
  } else if (printer) {
    printer->cells(object, now, cells);
  } else {
    DefaultCells(object, now, cells);
  }
  Json row = Json::MakeObject({{"cells", std::move(cells)}});
  if (options.include_object == "Object") {
    row.Set("object", object);
  } else if (options.include_object != "None") {
    row.Set("object", Json::MakeObject({{"kind", "PartialObjectMetadata"},
                                        {"apiVersion", "meta.k8s.io/v1"},
                                        {"metadata", object["metadata"]}}));
  }
  return row;
}

// One step of a path: a key, an index or a filter.
struct PathReader {
  std::string_view rest;

  bool Skip(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  std::string_view Until(std::string_view stops) {
    size_t end = rest.find_first_of(stops);
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(word.size());
    return word;
  }
};

std::string_view Unquote(std::string_view text) {
  if (text.size() >= 2 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0]) {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

// ?(@.type=="Ready")
const Json& Filtered(const Json& list, std::string_view filter) {
  size_t open = filter.find("@."), equals = filter.find("==");
  if (open == std::string_view::npos || equals == std::string_view::npos || equals < open) {
    return kNothing;
  }
  std::string_view key = filter.substr(open + 2, equals - open - 2);
  std::string_view wanted = filter.substr(equals + 2);
  while (!key.empty() && key.back() == ' ') key.remove_suffix(1);
  while (!wanted.empty() && (wanted.back() == ')' || wanted.back() == ' ')) wanted.remove_suffix(1);
  while (!wanted.empty() && wanted.front() == ' ') wanted.remove_prefix(1);
  wanted = Unquote(wanted);
  for (const Json& item : list.AsArray()) {
    const Json& value = EvaluateJsonPath(item, std::string(".") + std::string(key));
    if (value.IsString() ? value.AsString() == wanted : value.Dump() == wanted) return item;
  }
  return kNothing;
}

}  // namespace

const Json& EvaluateJsonPath(const Json& object, std::string_view path) {
  const Json* value = &object;
  PathReader reader{path};
  if (reader.rest.starts_with("{") && reader.rest.ends_with("}")) {
    reader.rest = reader.rest.substr(1, reader.rest.size() - 2);
  }
  while (!reader.rest.empty() && !value->IsNull()) {
    if (reader.Skip('.')) {
      // "\." inside a key is a dot.
      std::string key;
      while (!reader.rest.empty()) {
        key += reader.Until(".[\\");
        if (!reader.Skip('\\')) break;
        if (!reader.rest.empty()) {
          key += reader.rest[0];
          reader.rest.remove_prefix(1);
        }
      }
      if (!key.empty()) value = &(*value)[key];
    } else if (reader.Skip('[')) {
      // The closing bracket, outside of quotes.
      size_t end = 0;
      char quote = 0;
      for (; end < reader.rest.size(); ++end) {
        char c = reader.rest[end];
        if (quote) {
          if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') {
          quote = c;
        } else if (c == ']') {
          break;
        }
      }
      std::string_view inside = reader.rest.substr(0, end);
      reader.rest.remove_prefix(std::min(end + 1, reader.rest.size()));
      if (inside.starts_with("?")) {
        value = &Filtered(*value, inside);
      } else if (inside.starts_with("'") || inside.starts_with("\"")) {
        value = &(*value)[Unquote(inside)];
      } else if (inside == "*") {
        value = &(*value)[0];
      } else {
        int64_t index = -1;
        std::from_chars(inside.data(), inside.data() + inside.size(), index);
        value = index < 0 ? &kNothing : &(*value)[static_cast<size_t>(index)];
      }
    } else {
      return kNothing;
    }
  }
  return *value;
}

std::string AgeText(const Json& timestamp, WallTime now) {
  auto time = ParseRfc3339(timestamp.AsString());
  if (!time) return "<unknown>";
  return HumanDuration(std::max(Duration::zero(), Duration(now - *time)));
}

Json MakeTable(const Resource& resource, const Json& object_or_list, const TableOptions& options) {
  WallTime now = Clock::System().Wall();
  const Printer* printer = FindPrinter(resource);
  Json table =
      Json::MakeObject({{"kind", "Table"}, {"apiVersion", "meta.k8s.io/" + options.version}});
  Json& meta = table.Set("metadata", Json::MakeObject());
  for (const char* key : {"resourceVersion", "continue", "remainingItemCount"}) {
    if (const Json* value = object_or_list["metadata"].Find(key)) meta.Set(key, *value);
  }
  table.Set("columnDefinitions", options.headers ? MakeColumns(resource, printer) : Json());
  Json& rows = table.Set("rows", Json::MakeArray());
  if (const Json* items = object_or_list.Find("items"); items && items->IsArray()) {
    for (const Json& item : items->AsArray()) {
      rows.Push(MakeRow(resource, printer, item, now, options));
    }
  } else {
    rows.Push(MakeRow(resource, printer, object_or_list, now, options));
  }
  return table;
}

}  // namespace kinglet::local
