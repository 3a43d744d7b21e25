// kinglet doctor and kinglet status
#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "api/constants.h"
#include "api/v1alpha1/others.h"
#include "cli/cache_diagnosis.h"
#include "cli/commands.h"
#include "cli/diagnosis.h"
#include "cli/output.h"
#include "cli/service_pods.h"
#include "cli/session.h"
#include "kube/conditions.h"

namespace kinglet::cli {
namespace {

struct Options {
  kube::ConfigOptions config;
  std::string output;
  bool all_namespaces = false;
};

// The evidence for all services of the namespaces, with one list a kind.
Result<std::vector<Evidence>> Gather(Session& session, const std::string& name,
                                     const Options& options) {
  std::string ns = options.all_namespaces ? "" : session.ns;
  std::vector<Evidence> out;
  if (name.empty()) {
    KINGLET_TRY(std::vector<Json> services, session.client->ListAll(kube::kInferenceService, ns));
    for (Json& service : services) out.push_back({std::move(service), {}, {}});
  } else {
    KINGLET_TRY(Json service, session.client->Get(kube::kInferenceService, {ns, name}));
    out.push_back({std::move(service), {}, {}});
  }
  std::string selector(kServiceLabel);
  if (!name.empty()) selector += "=" + name;
  // Without the right to see pods or events the conditions must do.
  std::map<kube::ObjectKey, std::vector<Json>> pods;
  if (auto list = session.client->ListAll(kube::kPod, ns, {.label_selector = selector})) {
    for (Json& pod : *list) {
      kube::ObjectKey key{kube::Namespace(pod), kube::Label(pod, kServiceLabel)};
      pods[key].push_back(std::move(pod));
    }
  }
  std::vector<Json> events;
  if (auto list = session.client->ListAll(kube::kEvent, ns)) events = std::move(*list);
  for (Evidence& evidence : out) {
    kube::ObjectKey key = kube::KeyOf(evidence.service);
    evidence.pods = std::move(pods[key]);
    std::sort(evidence.pods.begin(), evidence.pods.end(), [](const Json& a, const Json& b) {
      return kube::CreationTimestamp(a) > kube::CreationTimestamp(b);
    });
    for (const Json& event : events) {
      const Json& about = event["involvedObject"];
      const std::string& object = about["name"].AsString();
      // Deployments, replica sets and pods carry the service's name and a component in front.
      bool ours = object == key.name || object.starts_with(key.name + "-predictor") ||
                  object.starts_with(key.name + "-transformer") ||
                  object.starts_with(key.name + "-explainer");
      if (ours && kube::Namespace(event) == key.ns) evidence.events.push_back(event);
    }
  }
  return out;
}

// The cached models of the server, of both kinds.
struct Caches {
  std::vector<Json> all;
  CacheEvidence evidence;

  // Of the one that a service is served from.
  std::vector<Finding> Of(const Json& service) const {
    const kube::ObjectKey key{kube::Label(service, api::label::kLocalModelNamespace),
                              kube::Label(service, api::label::kLocalModel)};
    for (const Json& cache : all) {
      if (kube::KeyOf(cache) == key) return DiagnoseCache(cache, evidence);
    }
    return {};
  }
};

// Nothing where the server has no such kinds, or does not let them be seen.
Caches GatherCaches(Session& session) {
  auto list = [&](const kube::ResourceType& type) {
    return session.client->ListAll(type, "").value_or(std::vector<Json>());
  };
  Caches out;
  out.all = list(kube::kLocalModelCache);
  for (Json& cache : list(kube::kLocalModelNamespaceCache)) out.all.push_back(std::move(cache));
  if (out.all.empty()) return out;
  out.evidence = {.groups = list(kube::kLocalModelNodeGroup),
                  .nodes = list(kube::kNode),
                  .node_models = list(kube::kLocalModelNode)};
  return out;
}

Json ToJson(const Evidence& evidence) {
  Json findings = Json::MakeArray();
  for (const Finding& finding : Diagnose(evidence)) {
    const char* level = finding.level == Finding::Level::kGood      ? "good"
                        : finding.level == Finding::Level::kWaiting ? "waiting"
                                                                    : "problem";
    findings.Push(
        Json::MakeObject({{"level", level}, {"what", finding.what}, {"next", finding.next}}));
  }
  return Json::MakeObject({{"namespace", kube::Namespace(evidence.service)},
                           {"name", kube::Name(evidence.service)},
                           {"ready", kube::IsConditionTrue(evidence.service, "Ready")},
                           {"url", evidence.service["status"]["url"].AsString()},
                           {"findings", std::move(findings)}});
}

// Foreign text of several lines (the end of a log) within a finding: it cannot look like another
// finding.
std::string Indented(std::string_view text) {
  std::string out;
  for (char c : EscapeControls(text, Lines::kMany)) {
    out += c;
    if (c == '\n') out += "        | ";
  }
  return out;
}

void PrintFindings(Context& context, const std::string& about,
                   const std::vector<Finding>& findings) {
  context.out << Paint(EscapeControls(about), Colour::kBold, context.colour) << "\n";
  for (const Finding& finding : findings) {
    bool good = finding.level == Finding::Level::kGood;
    bool waiting = finding.level == Finding::Level::kWaiting;
    Colour colour = good ? Colour::kGreen : waiting ? Colour::kYellow : Colour::kRed;
    context.out << "  "
                << Paint(good      ? "ok  "
                         : waiting ? "wait"
                                   : "fail",
                         colour, context.colour)
                << "  " << Indented(finding.what) << "\n";
    if (!finding.next.empty()) context.out << "        next: " << Indented(finding.next) << "\n";
  }
}

void PrintJson(Context& context, const std::vector<Evidence>& all) {
  Json list = Json::MakeArray();
  for (const Evidence& evidence : all) list.Push(ToJson(evidence));
  context.out << DataText(context, list.DumpPretty()) << "\n";
}

// What must be there before any service can work.
int ExamineServer(Context& context, Session& session) {
  auto has = kube::Discovery(*session.client).Supports(kube::kInferenceService);
  if (!has) return FailWith(context, has.error());
  if (!*has) {
    context.out
        << Paint("fail", Colour::kRed, context.colour)
        << "  The API server has no InferenceService kind.\n"
           "      next: install the CRDs (kubectl apply --server-side -f config/crd), or use "
           "standalone mode: kinglet up\n";
    return 1;
  }
  auto runtimes = session.client->ListAll(kube::kClusterServingRuntime, "");
  if (runtimes && runtimes->empty()) {
    context.out << Paint("wait", Colour::kYellow, context.colour)
                << "  There is no ClusterServingRuntime, so no model format can be served.\n"
                   "      next: kinglet apply -f config/runtimes\n";
  }
  return 0;
}

// How pods run in standalone mode: the kubelet says on its Node what the machine allows. Nothing on
// a cluster.
void ExamineNode(Context& context, Session& session) {
  auto nodes = session.client->ListAll(kube::kNode, "");
  if (!nodes) return;
  for (const Json& node : *nodes) {
    auto capabilities = Json::Parse(kube::Annotation(node, "kinglet.io/capabilities"));
    if (!capabilities || !capabilities->IsObject()) continue;
    context.out << Paint("node " + EscapeControls(kube::Name(node)), Colour::kBold, context.colour)
                << "\n";
    for (const Json& note : (*capabilities)["notes"].AsArray()) {
      const std::string& next = note["next"].AsString();
      context.out << "  "
                  << Paint(next.empty() ? "ok  " : "note",
                           next.empty() ? Colour::kGreen : Colour::kYellow, context.colour)
                  << "  " << Indented(note["what"].AsString()) << "\n";
      if (!next.empty()) context.out << "        for more: " << Indented(next) << "\n";
    }
  }
}

void PrintServices(Context& context, const Options& options, const std::vector<Evidence>& all) {
  std::vector<std::string> header = {"NAME", "URL", "READY", "REASON", "AGE"};
  if (options.all_namespaces) header.insert(header.begin(), "NAMESPACE");
  Table table(header);
  WallTime now = std::chrono::system_clock::now();
  for (const Evidence& evidence : all) {
    const Json& service = evidence.service;
    const std::string& ready = kube::ConditionStatus(service, "Ready");
    Colour colour = ready == "True"    ? Colour::kGreen
                    : ready == "False" ? Colour::kRed
                                       : Colour::kYellow;
    std::vector<std::string> cells = {kube::Name(service), service["status"]["url"].AsString(),
                                      ready.empty() ? "Unknown" : ready, ShortReason(evidence),
                                      Age(kube::CreationTimestamp(service), now)};
    std::vector<Colour> colours = {Colour::kNone, Colour::kNone, colour};
    if (options.all_namespaces) {
      cells.insert(cells.begin(), kube::Namespace(service));
      colours.insert(colours.begin(), Colour::kNone);
    }
    table.Add(std::move(cells), std::move(colours));
  }
  table.Print(context.out, context.colour);
}

void PrintCaches(Context& context, const Caches& caches, bool alone) {
  if (caches.all.empty()) return;
  if (!alone) context.out << "\n";
  Table table({"CACHED MODEL", "COPIES", "REASON", "AGE"});
  const WallTime now = std::chrono::system_clock::now();
  for (const Json& cache : caches.all) {
    const Finding finding = DiagnoseCache(cache, caches.evidence).front();
    const bool good = finding.level == Finding::Level::kGood;
    const bool bad = finding.level == Finding::Level::kProblem;
    table.Add({kube::KeyOf(cache).ToString(), CopiesText(cache), good ? "" : finding.what,
               Age(kube::CreationTimestamp(cache), now)},
              {Colour::kNone, good  ? Colour::kGreen
                              : bad ? Colour::kRed
                                    : Colour::kYellow});
  }
  table.Print(context.out, context.colour);
}

std::optional<int> ParseOptions(Context& context, Flags& flags, Options& options,
                                std::vector<std::string> arguments,
                                std::vector<std::string>* words) {
  options.config.AddTo(flags);
  flags.Add("all-namespaces", &options.all_namespaces, "the services of all namespaces");
  flags.Alias('A', "all-namespaces");
  flags.Add("output", &options.output, "json");
  flags.Alias('o', "output");
  if (auto status = ParseArguments(context, flags, std::move(arguments), words)) return status;
  if (words->size() > 1) return Usage(context, "one NAME at most");
  return std::nullopt;
}

}  // namespace

int ShowStatus(Context& context, std::vector<std::string> arguments) {
  Options options;
  std::vector<std::string> words;
  Flags flags("kinglet status",
              "The inference services, and in a word what keeps them: kinglet status [NAME].");
  if (auto s = ParseOptions(context, flags, options, std::move(arguments), &words)) return *s;
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  auto all = Gather(*session, words.empty() ? "" : words[0], options);
  if (!all) return FailWith(context, all.error());
  const Caches caches = GatherCaches(*session);
  for (Evidence& evidence : *all) evidence.model_cache = caches.Of(evidence.service);
  if (options.output == "json") {
    PrintJson(context, *all);
    return 0;
  }
  if (all->empty()) {
    context.err << "No inference services. Make one: kinglet apply -f FILE\n";
  } else {
    PrintServices(context, options, *all);
  }
  if (words.empty()) PrintCaches(context, caches, all->empty());
  return 0;
}

int Doctor(Context& context, std::vector<std::string> arguments) {
  Options options;
  std::vector<std::string> words;
  Flags flags("kinglet doctor",
              "Says why inference services are not ready, and what to do: kinglet doctor [NAME].");
  if (auto s = ParseOptions(context, flags, options, std::move(arguments), &words)) return *s;
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  if (words.empty() && options.output != "json") {
    if (int status = ExamineServer(context, *session)) return status;
    ExamineNode(context, *session);
  }
  auto all = Gather(*session, words.empty() ? "" : words[0], options);
  if (!all) return FailWith(context, all.error());
  const Caches caches = GatherCaches(*session);
  for (Evidence& evidence : *all) evidence.model_cache = caches.Of(evidence.service);
  bool sick = std::any_of(all->begin(), all->end(), [](const Evidence& evidence) {
    return !kube::IsConditionTrue(evidence.service, "Ready");
  });
  if (options.output == "json") {
    PrintJson(context, *all);
    return sick ? 1 : 0;
  }
  if (all->empty()) context.out << "There are no inference services here.\n";
  for (const Evidence& evidence : *all) {
    PrintFindings(context, kube::KeyOf(evidence.service).ToString(), Diagnose(evidence));
  }
  if (!words.empty()) return sick ? 1 : 0;
  for (const Json& cache : caches.all) {
    const auto findings = DiagnoseCache(cache, caches.evidence);
    PrintFindings(context, "cached model " + kube::KeyOf(cache).ToString(), findings);
    sick |= findings.front().level == Finding::Level::kProblem;
  }
  return sick ? 1 : 0;
}

}  // namespace kinglet::cli
