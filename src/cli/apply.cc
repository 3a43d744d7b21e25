// kinglet apply
#include <ostream>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/three_way.h"
#include "kube/strategic_merge.h"

namespace kinglet::cli {
namespace {

// kubectl's, so that both can be used on the same objects.
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kManager = "kinglet";

struct Options {
  kube::ConfigOptions config;
  std::vector<std::string> files;
  std::string output, dry_run, validate = "strict";
  bool recursive = false, server_side = false, force_conflicts = false;
};

struct Outcome {
  std::string_view what;
  Json object;
};

std::string FieldValidation(const std::string& text) {
  if (text == "warn") return "Warn";
  return text == "ignore" || text == "false" ? "Ignore" : "Strict";
}

Json WithLastApplied(const Json& wanted) {
  Json object = wanted;
  std::string text = wanted.Dump() + "\n";
  kube::SetAnnotation(object, kLastApplied, text);
  return object;
}

Result<Outcome> ApplyOne(Session& session, const kube::ResourceType& type, const Json& wanted,
                         const Options& options) {
  kube::ObjectKey key = kube::KeyOf(wanted);
  kube::WriteOptions write{.dry_run = !options.dry_run.empty(),
                           .field_manager = std::string(kManager),
                           .field_validation = FieldValidation(options.validate)};
  auto live = session.client->Get(type, key);
  if (!live && live.error().code() != Code::kNotFound) return Unexpected(live.error());
  if (options.server_side) {
    write.force = options.force_conflicts;
    KINGLET_TRY(Json object,
                session.client->Patch(type, key, kube::PatchType::kApply, wanted, write));
    return Outcome{"serverside-applied", std::move(object)};
  }
  Json annotated = WithLastApplied(wanted);
  if (!live) {
    KINGLET_TRY(Json object, session.client->Create(type, annotated, write));
    return Outcome{"created", std::move(object)};
  }
  Json last;
  if (auto parsed = Json::Parse(kube::Annotation(*live, kLastApplied))) last = std::move(*parsed);
  bool strategic = kube::SupportsStrategicMerge(type.group);
  Json patch = ThreeWayPatch(last, annotated, *live, strategic);
  if (patch.empty()) return Outcome{"unchanged", std::move(*live)};
  KINGLET_TRY(Json object,
              session.client->Patch(
                  type, key, strategic ? kube::PatchType::kStrategic : kube::PatchType::kMerge,
                  patch, write));
  bool same = !write.dry_run && kube::ResourceVersion(object) == kube::ResourceVersion(*live);
  return Outcome{same ? "unchanged" : "configured", std::move(object)};
}

Status ApplyDocument(Context& context, Session& session, Document& document, const Options& options,
                     std::vector<Json>& applied) {
  KINGLET_TRY(kube::ResourceType type, session.TypeOf(document.object));
  if (kube::Name(document.object).empty()) {
    return Fail(Code::kInvalidArgument, "{} has no metadata.name: apply needs one", type.kind);
  }
  std::string ns = kube::Namespace(document.object);
  if (type.namespaced && ns.empty()) {
    document.object.Path({"metadata"}).Set("namespace", session.ns);
  } else if (type.namespaced && !options.config.ns.empty() && ns != options.config.ns) {
    return Fail(
        Code::kInvalidArgument,
        "the namespace from the provided object \"{}\" does not match the namespace \"{}\": "
        "pass --namespace={} to perform this operation",
        ns, options.config.ns, ns);
  }
  KINGLET_TRY(Outcome outcome, ApplyOne(session, type, document.object, options));
  std::string name = DisplayName(type, kube::Name(outcome.object));
  if (options.output == "name") {
    context.out << name << "\n";
  } else if (options.output.empty()) {
    Colour colour = outcome.what == "unchanged" ? Colour::kDim : Colour::kGreen;
    context.out << name << " " << Paint(outcome.what, colour, context.colour)
                << (options.dry_run.empty() ? "" : " (server dry run)") << "\n";
  }
  applied.push_back(std::move(outcome.object));
  return {};
}

}  // namespace

int Apply(Context& context, std::vector<std::string> arguments) {
  Options options;
  Flags flags("kinglet apply", "Creates or changes what files describe: kinglet apply -f FILE.");
  options.config.AddTo(flags);
  flags.Add("filename", &options.files, "a file, a folder or - for standard input; repeatable");
  flags.Alias('f', "filename");
  flags.Add("recursive", &options.recursive, "folders below the folder too");
  flags.Alias('R', "recursive");
  flags.Add("output", &options.output, "json, yaml or name");
  flags.Alias('o', "output");
  flags.Add("dry-run", &options.dry_run, "server: ask what would happen, change nothing");
  flags.Add("server-side", &options.server_side, "server-side apply");
  flags.Add("force-conflicts", &options.force_conflicts,
            "with --server-side: take fields over from other managers");
  flags.Add("validate", &options.validate, "unknown fields: strict, warn or ignore");
  std::vector<std::string> words;
  if (auto status = ParseArguments(context, flags, std::move(arguments), &words)) return *status;
  if (options.files.empty() || !words.empty()) return Usage(context, "kinglet apply -f FILE...");
  if (!options.dry_run.empty() && options.dry_run != "server") {
    return FailWith(context, Error(Code::kInvalidArgument, "--dry-run takes server only"));
  }
  auto documents = ReadDocuments(context, options.files, options.recursive);
  if (!documents) return FailWith(context, documents.error());
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  int exit_status = 0;
  std::vector<Json> applied;
  for (Document& document : *documents) {
    auto done = ApplyDocument(context, *session, document, options, applied);
    if (done) continue;
    exit_status = FailWith(context, done.error().WithContext(fmt::format(
                                        "{}: {} {}", document.source, kube::Kind(document.object),
                                        kube::Name(document.object))));
    if (done.error().code() == Code::kUnavailable) break;
  }
  if (options.output == "json" || options.output == "yaml") {
    PrintObjects(context, applied, documents->size() > 1, options.output);
  }
  return exit_status;
}

}  // namespace kinglet::cli
