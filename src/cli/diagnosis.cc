#include "cli/diagnosis.h"

#include <algorithm>
#include <array>

#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::cli {
namespace {

using Level = Finding::Level;

constexpr size_t kMaxText = 600;

std::string Shorten(std::string_view text, size_t limit = kMaxText) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text.size() <= limit) return std::string(text);
  // The end of a log says more than its beginning.
  return "... " + std::string(text.substr(text.size() - limit));
}

bool Mentions(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

std::string LogsCommand(const std::string& service, std::string_view container, bool previous) {
  std::string out = "kinglet logs " + service;
  if (!container.empty() && container != "kserve-container") {
    out += fmt::format(" -c {}", container);
  }
  return previous ? out + " --previous" : out;
}

struct Advice {
  std::string_view reason, next;
};
constexpr std::array<Advice, 9> kFailureAdvice = {{
    {"NoSupportingRuntime",
     "Look at the model formats there are with `kinglet get clusterservingruntimes -o wide`, and "
     "set "
     "spec.predictor.model.modelFormat (or runtime) to one of them."},
    {"RuntimeNotRecognized",
     "There is no ServingRuntime or ClusterServingRuntime of that name: `kinglet get "
     "clusterservingruntimes` lists them."},
    {"RuntimeDisabled", "Enable the runtime (spec.disabled: false) or name another one."},
    {"RuntimeUnhealthy", "Look at the server's log."},
    {"InvalidPredictorSpec", "Correct spec.predictor and apply it again."},
    {"ModelLoadFailed", "Check storageUri and the model's files; the log below says what failed."},
    {"InvalidTransformerSpec", "Correct spec.transformer and apply it again."},
    {"InvalidExplainerSpec", "Correct spec.explainer and apply it again."},
    {"InvalidStorageUri", "Correct storageUri and apply it again."},
}};

std::string_view AdviceFor(std::string_view reason) {
  for (const Advice& advice : kFailureAdvice) {
    if (advice.reason == reason) return advice.next;
  }
  return "";
}

std::string DownloadAdvice(std::string_view message, const std::string& service) {
  if (Mentions(message, {"AccessDenied", "403", "Forbidden", "401", "Unauthorized", "credential",
                         "InvalidAccessKeyId", "SignatureDoesNotMatch"})) {
    return "The store refused the credentials: give a secret through the service account named in "
           "spec.predictor.serviceAccountName, or make the model public.";
  }
  if (Mentions(message, {"404", "NoSuchKey", "NoSuchBucket", "not found", "Not Found",
                         "No such file", "No model found", "does not exist"})) {
    return "There is nothing at storageUri: check the bucket, the path and the spelling.";
  }
  if (Mentions(message,
               {"resolve", "Connection refused", "connect", "timed out", "Name or service"})) {
    return "The store cannot be reached from the pod: check the endpoint, DNS and network "
           "policies.";
  }
  if (Mentions(message, {"No space left", "ENOSPC"})) {
    return "The disk is full: free space, or raise the pod's ephemeral-storage.";
  }
  return "`" + LogsCommand(service, "storage-initializer", false) + "` shows the download's log.";
}

std::string TerminationText(const Json& terminated) {
  std::string message = Shorten(terminated["message"].AsString());
  int64_t code = terminated["exitCode"].AsInt();
  std::string text = terminated["reason"].StringOr("ended");
  text += fmt::format(", exit code {}", code);
  return message.empty() ? text : text + ": " + message;
}

class PodExaminer {
 public:
  PodExaminer(const std::string& service, const Json& pod, std::vector<Finding>& out)
      : service_(service), pod_(pod), out_(out) {}

  void Examine() {
    if (kube::IsDeleting(pod_)) return;
    Scheduling();
    for (const Json& status : pod_["status"]["initContainerStatuses"].AsArray()) Init(status);
    for (const Json& status : pod_["status"]["containerStatuses"].AsArray()) Container(status);
  }

 private:
  void Add(Level level, std::string what, std::string next = "") {
    out_.push_back({level, std::move(what), std::move(next)});
  }

  void Scheduling() {
    for (const Json& condition : pod_["status"]["conditions"].AsArray()) {
      if (condition["type"].AsString() != "PodScheduled" ||
          condition["status"].AsString() != "False") {
        continue;
      }
      Add(Level::kProblem,
          fmt::format("No node takes the pod {}: {}", kube::Name(pod_),
                      condition["message"].AsString()),
          "Lower spec.predictor's resource requests, or add nodes (or GPUs) that fit.");
    }
  }

  // What waiting for a start means; true when it was recognised.
  bool Waiting(const std::string& name, const Json& waiting) {
    const std::string& reason = waiting["reason"].AsString();
    const std::string& message = waiting["message"].AsString();
    if (reason == "ImagePullBackOff" || reason == "ErrImagePull" || reason == "InvalidImageName" ||
        reason == "ErrImageNeverPull") {
      Add(Level::kProblem,
          fmt::format("The image of container {} cannot be pulled ({}): {}", name, reason,
                      Shorten(message)),
          "Check the image's name and the pull secret. In standalone mode only Kinglet's own "
          "images "
          "(and programs on this machine) run.");
      return true;
    }
    if (reason == "CreateContainerConfigError" || reason == "CreateContainerError" ||
        reason == "RunContainerError") {
      Add(Level::kProblem,
          fmt::format("Container {} cannot be made ({}): {}", name, reason, Shorten(message)),
          "Correct what the message names: a secret, a config map or a volume that does not exist, "
          "or a setting or a path that pods may not have.");
      return true;
    }
    return false;
  }

  void Init(const Json& status) {
    const std::string& name = status["name"].AsString();
    bool download = name == "storage-initializer";
    const Json& state = status["state"];
    const Json& last = status["lastState"]["terminated"];
    const Json& ended = state["terminated"];
    if (ended.IsObject() && ended["exitCode"].AsInt() == 0) return;
    if (state["waiting"].IsObject() && Waiting(name, state["waiting"])) return;
    const Json& failure = ended.IsObject() ? ended : last;
    if (failure.IsObject() && failure["exitCode"].AsInt() != 0) {
      Add(Level::kProblem,
          fmt::format("{} failed in pod {} ({} restarts): {}",
                      download ? "The download of the model" : "Init container " + name,
                      kube::Name(pod_), status["restartCount"].AsInt(), TerminationText(failure)),
          download ? DownloadAdvice(failure["message"].AsString(), service_)
                   : "`" + LogsCommand(service_, name, false) + "` shows its log.");
    } else if (state["running"].IsObject()) {
      Add(Level::kWaiting,
          download ? fmt::format("The model is being downloaded in pod {}.", kube::Name(pod_))
                   : fmt::format("Init container {} is running in pod {}.", name, kube::Name(pod_)),
          "`" + LogsCommand(service_, name, false) + "` shows its progress.");
    }
  }

  void Container(const Json& status) {
    const std::string& name = status["name"].AsString();
    const Json& state = status["state"];
    if (state["waiting"].IsObject() && Waiting(name, state["waiting"])) return;
    const Json& failure =
        state["terminated"].IsObject() ? state["terminated"] : status["lastState"]["terminated"];
    bool running = state["running"].IsObject();
    if (status["ready"].AsBool()) return;
    if (failure.IsObject() && !running) {
      bool memory =
          failure["reason"].AsString() == "OOMKilled" || failure["exitCode"].AsInt() == 137;
      Add(Level::kProblem,
          fmt::format("Container {} of pod {} keeps ending ({} restarts): {}", name,
                      kube::Name(pod_), status["restartCount"].AsInt(), TerminationText(failure)),
          memory ? "It ran out of memory: raise spec.predictor.model.resources.limits.memory."
                 : "`" + LogsCommand(service_, name, true) + "` shows what it said last.");
    } else if (running) {
      Add(Level::kWaiting,
          fmt::format("Container {} of pod {} runs but is not ready: the model is loading, or its "
                      "readiness probe fails.",
                      name, kube::Name(pod_)),
          "`" + LogsCommand(service_, name, false) + "` shows what it is doing.");
    }
  }

  const std::string& service_;
  const Json& pod_;
  std::vector<Finding>& out_;
};

void ExamineModelStatus(const Json& service, std::vector<Finding>& out) {
  const Json& status = service["status"]["modelStatus"];
  const Json& failure = status["lastFailureInfo"];
  const std::string& transition = status["transitionStatus"].AsString();
  if (!failure.IsObject() || (transition != "InvalidSpec" && transition != "BlockedByFailedLoad")) {
    return;
  }
  const std::string& reason = failure["reason"].AsString();
  std::string message = Shorten(failure["message"].AsString());
  std::string what = transition == "InvalidSpec" ? "The spec cannot be served" : "Loading failed";
  if (!reason.empty()) what += " (" + reason + ")";
  if (!message.empty()) what += ": " + message;
  out.push_back({Level::kProblem, what, std::string(AdviceFor(reason))});
}

void ExamineConditions(const Json& service, std::vector<Finding>& out) {
  for (const Json& condition : service["status"]["conditions"].AsArray()) {
    const std::string& type = condition["type"].AsString();
    if (type == "Ready" || condition["status"].AsString() == "True") continue;
    if (condition["severity"].AsString() == "Info") continue;
    const std::string& reason = condition["reason"].AsString();
    std::string message = Shorten(condition["message"].AsString());
    bool failed = condition["status"].AsString() == "False";
    std::string what = fmt::format("{} is {}", type, condition["status"].AsString());
    if (!reason.empty()) what += " (" + reason + ")";
    if (!message.empty()) what += ": " + message;
    out.push_back({failed ? Level::kProblem : Level::kWaiting, std::move(what), ""});
  }
}

void ExamineEvents(const std::vector<Json>& events, std::vector<Finding>& out) {
  std::vector<const Json*> warnings;
  for (const Json& event : events) {
    if (event["type"].AsString() == "Warning") warnings.push_back(&event);
  }
  std::sort(warnings.begin(), warnings.end(), [](const Json* a, const Json* b) {
    return (*a)["lastTimestamp"].AsString() > (*b)["lastTimestamp"].AsString();
  });
  if (warnings.size() > 3) warnings.resize(3);
  for (const Json* event : warnings) {
    std::string message = Shorten((*event)["message"].AsString());
    // Said already by a condition or a pod.
    bool known = std::any_of(out.begin(), out.end(), [&](const Finding& finding) {
      return !message.empty() && finding.what.find(message) != std::string::npos;
    });
    if (known) continue;
    const Json& object = (*event)["involvedObject"];
    std::string count =
        (*event)["count"].AsInt() > 1 ? fmt::format(", {} times", (*event)["count"].AsInt()) : "";
    out.push_back(
        {Level::kProblem,
         fmt::format("Event of {} {} ({}{}): {}", object["kind"].AsString(),
                     object["name"].AsString(), (*event)["reason"].AsString(), count, message),
         ""});
  }
}

}  // namespace

std::vector<Finding> Diagnose(const Evidence& evidence) {
  const Json& service = evidence.service;
  const std::string& name = kube::Name(service);
  std::vector<Finding> out;
  if (kube::IsDeleting(service)) {
    std::string finalizers;
    for (const Json& finalizer : service["metadata"]["finalizers"].AsArray()) {
      finalizers += (finalizers.empty() ? "" : ", ") + finalizer.AsString();
    }
    return {
        {Level::kWaiting, fmt::format("{} is being deleted.", name),
         finalizers.empty()
             ? ""
             : "It goes when these finalizers are removed by their controllers: " + finalizers}};
  }
  if (service["status"]["conditions"].empty()) {
    return {{Level::kProblem, fmt::format("No controller has looked at {} yet.", name),
             "Is it running? `kinglet up` in standalone mode; in a cluster look at the pods of the "
             "controller manager (namespace kserve)."}};
  }
  int64_t observed = service["status"]["observedGeneration"].AsInt(kube::Generation(service));
  if (observed < kube::Generation(service)) {
    out.push_back({Level::kWaiting, "The last change of the spec has not been processed yet.", ""});
  }
  if (kube::IsConditionTrue(service, "Ready")) {
    out.push_back({Level::kGood,
                   fmt::format("{} is ready at {}", name, service["status"]["url"].AsString()),
                   fmt::format("kinglet predict {} -d @input.json", name)});
    return out;
  }
  for (const Finding& finding : evidence.model_cache) {
    if (finding.level != Level::kGood) out.push_back(finding);
  }
  ExamineModelStatus(service, out);
  for (const Json& pod : evidence.pods) PodExaminer(name, pod, out).Examine();
  ExamineConditions(service, out);
  ExamineEvents(evidence.events, out);
  if (out.empty()) {
    out.push_back({Level::kWaiting, fmt::format("{} is not ready, and nothing says why.", name),
                   "Wait a little and ask again."});
  }
  // Problems before what only takes time; otherwise in the order of discovery.
  std::vector<Finding> ordered;
  for (Level level : {Level::kProblem, Level::kWaiting, Level::kGood}) {
    for (const Finding& finding : out) {
      if (finding.level == level) ordered.push_back(finding);
    }
  }
  return ordered;
}

std::string ShortReason(const Evidence& evidence) {
  std::vector<Finding> findings = Diagnose(evidence);
  if (findings[0].level == Level::kGood) return "";
  std::string text = findings[0].what.substr(0, findings[0].what.find('\n'));
  return text.size() > 100 ? text.substr(0, 97) + "..." : text;
}

}  // namespace kinglet::cli
