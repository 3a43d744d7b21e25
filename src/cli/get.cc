// kinglet get
#include <ostream>

#include "base/encoding.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/session.h"
#include "kube/conditions.h"

namespace kinglet::cli {
namespace {

struct Options {
  kube::ConfigOptions config;
  std::string output, selector, field_selector;
  bool all_namespaces = false, watch = false;
};

constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

std::string CellText(const Json& cell) {
  if (cell.IsString()) return cell.AsString();
  return cell.IsNull() ? "" : cell.Dump();
}

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// The server knows the columns of its kinds. Nothing where it does not make tables.
std::optional<Json> ServerTable(Session& session, const kube::ResourceType& type,
                                const std::string& name, const Options& options) {
  std::string path = type.Path(options.all_namespaces && name.empty() ? "" : session.ns, name) +
                     "?includeObject=Metadata";
  if (!options.selector.empty()) path += "&labelSelector=" + UrlEncode(options.selector);
  if (!options.field_selector.empty()) {
    path += "&fieldSelector=" + UrlEncode(options.field_selector);
  }
  auto body = session.client->Raw({.path = path, .accept = std::string(kTable)});
  if (!body) return std::nullopt;  // the plain call that follows gives the reason
  auto table = Json::Parse(*body);
  if (!table || (*table)["kind"].AsString() != "Table") return std::nullopt;
  return *table;
}

size_t PrintServerTable(Context& context, const std::vector<Json>& parts, const Options& options) {
  const Json& columns = parts[0]["columnDefinitions"];
  bool wide = options.output == "wide";
  std::vector<std::string> header;
  if (options.all_namespaces) header.push_back("NAMESPACE");
  for (const Json& column : columns.AsArray()) {
    if (wide || column["priority"].AsInt() == 0) header.push_back(Upper(column["name"].AsString()));
  }
  Table table(header);
  size_t rows = 0;
  for (const Json& part : parts) {
    for (const Json& row : part["rows"].AsArray()) {
      ++rows;
      std::vector<std::string> cells;
      if (options.all_namespaces) cells.push_back(kube::Namespace(row["object"]));
      for (size_t i = 0; i < columns.size(); ++i) {
        if (wide || columns[i]["priority"].AsInt() == 0) cells.push_back(CellText(row["cells"][i]));
      }
      table.Add(std::move(cells));
    }
  }
  if (rows) table.Print(context.out, context.colour);
  return rows;
}

void PrintPlainTable(Context& context, const kube::ResourceType& type,
                     const std::vector<Json>& objects, const Options& options) {
  bool service = type == kube::kInferenceService;
  std::vector<std::string> header;
  if (options.all_namespaces) header.push_back("NAMESPACE");
  header.push_back("NAME");
  if (service) header.insert(header.end(), {"URL", "READY"});
  header.push_back("AGE");
  Table table(header);
  WallTime now = std::chrono::system_clock::now();
  for (const Json& object : objects) {
    std::vector<std::string> cells;
    if (options.all_namespaces) cells.push_back(kube::Namespace(object));
    cells.push_back(kube::Name(object));
    if (service) {
      cells.push_back(object["status"]["url"].AsString());
      cells.push_back(kube::ConditionStatus(object, "Ready"));
    }
    cells.push_back(Age(kube::CreationTimestamp(object), now));
    table.Add(std::move(cells));
  }
  table.Print(context.out, context.colour);
}

Result<std::vector<Json>> Fetch(Session& session, const kube::ResourceType& type,
                                const std::vector<std::string>& names, const Options& options) {
  if (names.empty()) {
    return session.client->ListAll(
        type, options.all_namespaces ? "" : session.ns,
        {.label_selector = options.selector, .field_selector = options.field_selector});
  }
  std::vector<Json> objects;
  for (const std::string& name : names) {
    KINGLET_TRY(Json object, session.client->Get(type, {type.namespaced ? session.ns : "", name}));
    objects.push_back(std::move(object));
  }
  return objects;
}

Result<size_t> PrintType(Context& context, Session& session, const kube::ResourceType& type,
                         const std::vector<std::string>& names, const Options& options) {
  if (options.output.empty() || options.output == "wide") {
    std::vector<Json> parts;
    for (const std::string& name : names.empty() ? std::vector<std::string>{""} : names) {
      auto part = ServerTable(session, type, name, options);
      if (!part) break;
      parts.push_back(std::move(*part));
    }
    if (parts.size() == std::max<size_t>(1, names.size())) {
      return PrintServerTable(context, parts, options);
    }
  }
  KINGLET_TRY(std::vector<Json> objects, Fetch(session, type, names, options));
  if (options.output == "name") {
    for (const Json& object : objects) {
      context.out << DisplayName(type, kube::Name(object)) << "\n";
    }
  } else if (options.output == "json" || options.output == "yaml") {
    for (Json& object : objects) {
      if (Json* metadata = object.Find("metadata")) metadata->Erase("managedFields");
    }
    PrintObjects(context, objects, names.size() != 1, options.output);
  } else if (!objects.empty()) {
    PrintPlainTable(context, type, objects, options);
  }
  return objects.size();
}

// One word for a line of --watch, whatever the kind.
std::string ReadyText(const Json& object) {
  const std::string& ready = kube::ConditionStatus(object, "Ready");
  if (ready == "True") return "ready";
  if (!ready.empty()) return "not ready";
  return object["status"]["phase"].StringOr("there");
}

int WatchType(Context& context, Session& session, const kube::ResourceType& type,
              const std::string& name, Options options) {
  if (!name.empty()) options.field_selector = "metadata.name=" + name;
  kube::WatchOptions watch{.label_selector = options.selector,
                           .field_selector = options.field_selector};
  auto ended = session.client->Watch(
      type, options.all_namespaces ? "" : session.ns, watch,
      [&](kube::WatchEvent event) -> Status {
        if (event.type == kube::WatchEvent::Type::kBookmark) return {};
        if (options.output == "json") {
          context.out << DataText(context, event.object.Dump()) << "\n";
        } else if (options.output == "yaml") {
          context.out << "---\n" << DataText(context, DumpYaml(event.object));
        } else if (options.output == "name") {
          context.out << DisplayName(type, kube::Name(event.object)) << "\n";
        } else {
          const Json& object = event.object;
          context.out << fmt::format(
              "{:<10} {:<30} {}\n",
              event.type == kube::WatchEvent::Type::kDeleted ? "deleted" : "is",
              EscapeControls(kube::Name(object)),
              kube::IsDeleting(object) ? "being deleted" : EscapeControls(ReadyText(object)));
        }
        context.out.flush();
        return {};
      },
      context.stop);
  if (!ended && ended.error().code() != Code::kCancelled) return FailWith(context, ended.error());
  return 0;
}

}  // namespace

int Get(Context& context, std::vector<std::string> arguments) {
  Options options;
  Flags flags("kinglet get", "Shows objects: kinglet get TYPE [NAME...] or TYPE/NAME.");
  options.config.AddTo(flags);
  flags.Add("output", &options.output, "json, yaml, wide or name");
  flags.Alias('o', "output");
  flags.Add("selector", &options.selector, "label selector, e.g. app=web");
  flags.Alias('l', "selector");
  flags.Add("field-selector", &options.field_selector, "field selector, e.g. metadata.name=x");
  flags.Add("all-namespaces", &options.all_namespaces, "objects of all namespaces");
  flags.Alias('A', "all-namespaces");
  flags.Add("watch", &options.watch, "go on and print changes");
  flags.Alias('w', "watch");
  std::vector<std::string> words;
  if (auto status = ParseArguments(context, flags, std::move(arguments), &words)) return *status;
  if (words.empty()) return Usage(context, "kinglet get TYPE [NAME...] [-o json|yaml|wide|name]");
  if (!options.output.empty() && options.output != "json" && options.output != "yaml" &&
      options.output != "wide" && options.output != "name") {
    return FailWith(context, Error(Code::kInvalidArgument,
                                   "-o takes json, yaml, wide or name, not " + options.output));
  }
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  auto targets = ParseTargets(*session, words);
  if (!targets) return FailWith(context, targets.error());
  if (options.watch) {
    if (targets->types.size() != 1 || targets->names.size() > 1) {
      return Usage(context, "kinglet get TYPE [NAME] --watch");
    }
    return WatchType(context, *session, targets->types[0],
                     targets->names.empty() ? "" : targets->names[0], options);
  }
  size_t found = 0;
  for (const kube::ResourceType& type : targets->types) {
    auto printed = PrintType(context, *session, type, targets->names, options);
    if (!printed) return FailWith(context, printed.error());
    found += *printed;
  }
  if (found == 0 && (options.output.empty() || options.output == "wide")) {
    context.err << (options.all_namespaces
                        ? "No resources found\n"
                        : "No resources found in " + session->ns + " namespace.\n");
  }
  return 0;
}

}  // namespace kinglet::cli
