// kinglet delete
#include <ostream>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/session.h"
#include "kube/wait.h"

namespace kinglet::cli {
namespace {

struct Options {
  kube::ConfigOptions config;
  std::vector<std::string> files;
  std::string selector, cascade = "background", timeout = "60s";
  bool recursive = false, all = false, ignore_not_found = false, wait = true;
};

struct Target {
  kube::ResourceType type;
  kube::ObjectKey key;
};

Result<std::vector<Target>> FromFiles(Context& context, Session& session, const Options& options) {
  KINGLET_TRY(std::vector<Document> documents,
              ReadDocuments(context, options.files, options.recursive));
  std::vector<Target> out;
  // In reverse: what was made last, and may need the rest, goes first.
  for (auto it = documents.rbegin(); it != documents.rend(); ++it) {
    KINGLET_TRY(kube::ResourceType type, session.TypeOf(it->object));
    kube::ObjectKey key = kube::KeyOf(it->object);
    if (!type.namespaced) {
      key.ns.clear();
    } else if (key.ns.empty()) {
      key.ns = session.ns;
    }
    out.push_back({type, key});
  }
  return out;
}

Result<std::vector<Target>> FromWords(Session& session, const std::vector<std::string>& words,
                                      const Options& options) {
  KINGLET_TRY(Targets targets, ParseTargets(session, words));
  std::vector<Target> out;
  if (targets.names.empty() && options.selector.empty() && !options.all) {
    return Fail(Code::kInvalidArgument, "say which: a name, --selector or --all");
  }
  for (const kube::ResourceType& type : targets.types) {
    std::string ns = type.namespaced ? session.ns : "";
    for (const std::string& name : targets.names) out.push_back({type, {ns, name}});
    if (!targets.names.empty()) continue;
    KINGLET_TRY(std::vector<Json> found,
                session.client->ListAll(type, ns, {.label_selector = options.selector}));
    for (const Json& object : found) out.push_back({type, kube::KeyOf(object)});
  }
  return out;
}

Result<kube::DeleteOptions::Propagation> ParseCascade(std::string_view text) {
  using Propagation = kube::DeleteOptions::Propagation;
  if (text == "background" || text == "true") return Propagation::kBackground;
  if (text == "foreground") return Propagation::kForeground;
  if (text == "orphan" || text == "false") return Propagation::kOrphan;
  return Fail(Code::kInvalidArgument, "--cascade takes background, foreground or orphan");
}

Status WaitUntilGone(Context& context, Session& session, const Target& target, Deadline deadline) {
  while (!context.stop.stop_requested()) {
    auto object = session.client->Get(target.type, target.key);
    if (!object && object.error().code() == Code::kNotFound) return {};
    if (!object) return Unexpected(object.error());
    if (deadline.Expired()) {
      std::string holders;
      for (const Json& finalizer : (*object)["metadata"]["finalizers"].AsArray()) {
        holders += " " + finalizer.AsString();
      }
      return Fail(Code::kDeadlineExceeded, "{} is still being deleted{}{}",
                  DisplayName(target.type, target.key.name),
                  holders.empty() ? "" : ": waiting for the finalizers", holders);
    }
    kube::SleepFor(100ms, context.stop);
  }
  return Fail(Code::kCancelled, "stopped");
}

}  // namespace

int Delete(Context& context, std::vector<std::string> arguments) {
  Options options;
  Flags flags("kinglet delete", "Deletes objects: kinglet delete TYPE NAME..., or -f FILE.");
  options.config.AddTo(flags);
  flags.Add("filename", &options.files, "a file, a folder or - for standard input; repeatable");
  flags.Alias('f', "filename");
  flags.Add("recursive", &options.recursive, "folders below the folder too");
  flags.Alias('R', "recursive");
  flags.Add("selector", &options.selector, "label selector");
  flags.Alias('l', "selector");
  flags.Add("all", &options.all, "all objects of the type in the namespace");
  flags.Add("cascade", &options.cascade, "what is owned: background, foreground or orphan");
  flags.Add("ignore-not-found", &options.ignore_not_found, "a missing object is no error");
  flags.Add("wait", &options.wait, "until the objects are gone");
  flags.Add("timeout", &options.timeout, "how long to wait");
  std::vector<std::string> words;
  if (auto status = ParseArguments(context, flags, std::move(arguments), &words)) return *status;
  if (options.files.empty() == words.empty()) {
    return Usage(context, "kinglet delete TYPE NAME... | TYPE -l SELECTOR | -f FILE");
  }
  auto cascade = ParseCascade(options.cascade);
  if (!cascade) return FailWith(context, cascade.error());
  auto timeout = ParseDuration(options.timeout);
  if (!timeout) return FailWith(context, timeout.error());
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  auto targets =
      words.empty() ? FromFiles(context, *session, options) : FromWords(*session, words, options);
  if (!targets) return FailWith(context, targets.error());
  int exit_status = 0;
  std::vector<Target> deleted;
  for (const Target& target : *targets) {
    auto done = session->client->Delete(target.type, target.key, {.propagation = *cascade});
    if (done) {
      std::string name = DisplayName(target.type, "");
      name.pop_back();
      context.out << name << " \"" << EscapeControls(target.key.name) << "\" deleted\n";
      deleted.push_back(target);
    } else if (done.error().code() != Code::kNotFound || !options.ignore_not_found) {
      exit_status = FailWith(context, done.error());
    }
  }
  context.out.flush();
  Deadline deadline = Deadline::After(*timeout);
  for (const Target& target : deleted) {
    if (!options.wait) break;
    auto gone = WaitUntilGone(context, *session, target, deadline);
    if (!gone) exit_status = FailWith(context, gone.error());
  }
  return exit_status;
}

}  // namespace kinglet::cli
