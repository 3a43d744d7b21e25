// kinglet logs
#include <mutex>
#include <ostream>
#include <thread>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/service_pods.h"
#include "cli/session.h"

namespace kinglet::cli {
namespace {

struct Options {
  kube::ConfigOptions config;
  std::string container, component;
  bool follow = false, previous = false, timestamps = false;
  int64_t tail = -1;
  std::string since;
};

// Whole lines of several pods on one stream.
class LinePrinter {
 public:
  LinePrinter(Context& context, std::mutex& mutex, std::string prefix)
      : context_(context), mutex_(mutex), prefix_(std::move(prefix)) {}
  ~LinePrinter() {
    if (!partial_.empty()) Print(partial_ + "\n");
  }
  void Feed(std::string_view bytes) {
    partial_ += bytes;
    size_t end = partial_.rfind('\n');
    // A line without end is let go in pieces.
    if (end == std::string::npos && partial_.size() > (size_t{1} << 20)) end = partial_.size() - 1;
    if (end == std::string::npos) return;
    Print(std::string_view(partial_).substr(0, end + 1));
    partial_.erase(0, end + 1);
  }

 private:
  void Print(std::string_view lines) {
    std::lock_guard lock(mutex_);
    const std::string text = DataText(context_, lines);
    lines = text;
    if (prefix_.empty()) {
      context_.out << lines;
    } else {
      while (!lines.empty()) {
        size_t end = std::min(lines.find('\n'), lines.size() - 1);
        context_.out << prefix_ << lines.substr(0, end + 1);
        lines.remove_prefix(end + 1);
      }
    }
    context_.out.flush();
  }

  Context& context_;
  std::mutex& mutex_;
  std::string prefix_, partial_;
};

Result<std::vector<Json>> FindPods(Session& session, const std::string& name,
                                   const Options& options) {
  KINGLET_TRY(std::vector<Json> pods,
              PodsOf(*session.client, {session.ns, name}, options.component));
  if (!pods.empty()) return pods;
  if (auto pod = session.client->Get(kube::kPod, {session.ns, name})) {
    return std::vector<Json>{std::move(*pod)};
  }
  auto service = session.client->Get(kube::kInferenceService, {session.ns, name});
  if (service) {
    return Fail(Code::kNotFound,
                "the InferenceService {} has no pods yet: `kinglet doctor {}` says why", name,
                name);
  }
  return Fail(Code::kNotFound, "no InferenceService and no pod named {} in namespace {}", name,
              session.ns);
}

Status PrintLogs(Context& context, Session& session, const Json& pod, const Options& options,
                 const std::string& prefix, std::mutex& mutex) {
  kube::LogOptions log{
      .container = options.container.empty() ? MainContainer(pod) : options.container,
      .follow = options.follow,
      .previous = options.previous,
      .timestamps = options.timestamps};
  if (options.tail >= 0) log.tail_lines = options.tail;
  if (!options.since.empty()) {
    KINGLET_TRY(Duration since, ParseDuration(options.since));
    log.since_seconds = std::chrono::ceil<std::chrono::seconds>(since).count();
  }
  LinePrinter printer(context, mutex, prefix);
  auto ended = session.client->Logs(
      kube::KeyOf(pod), log,
      [&](std::string_view bytes) -> Status {
        printer.Feed(bytes);
        return {};
      },
      context.stop);
  if (!ended && ended.error().code() == Code::kCancelled && context.stop.stop_requested())
    return {};
  return ended;
}

}  // namespace

int Logs(Context& context, std::vector<std::string> arguments) {
  Options options;
  Flags flags("kinglet logs",
              "The logs of an InferenceService's pods, or of one pod: kinglet logs [-f] NAME.");
  options.config.AddTo(flags);
  flags.Add("follow", &options.follow, "go on as lines come");
  flags.Alias('f', "follow");
  flags.Add("container", &options.container,
            "container (kserve-container); storage-initializer for the download");
  flags.Alias('c', "container");
  flags.Add("component", &options.component, "predictor, transformer or explainer");
  flags.Add("previous", &options.previous, "of the container before its last restart");
  flags.Alias('p', "previous");
  flags.Add("tail", &options.tail, "only so many lines at the end; -1: all");
  flags.Add("since", &options.since, "only lines younger than this, e.g. 5m");
  flags.Add("timestamps", &options.timestamps, "with the time of each line");
  std::vector<std::string> words;
  if (auto status = ParseArguments(context, flags, std::move(arguments), &words)) return *status;
  if (words.size() != 1) return Usage(context, "kinglet logs [-f] [-c CONTAINER] NAME");
  auto session = Open(context, options.config);
  if (!session) return FailWith(context, session.error());
  auto pods = FindPods(*session, words[0], options);
  if (!pods) return FailWith(context, pods.error());

  // Several pods at once: with -f each has its thread, else one after another.
  std::mutex mutex;
  int exit_status = 0;
  auto print = [&](const Json& pod) {
    std::string prefix = pods->size() > 1 ? Paint("[" + EscapeControls(kube::Name(pod)) + "] ",
                                                  Colour::kCyan, context.colour)
                                          : "";
    auto done = PrintLogs(context, *session, pod, options, prefix, mutex);
    if (done) return;
    std::lock_guard lock(mutex);
    exit_status = FailWith(context, done.error().WithContext(kube::Name(pod)));
  };
  if (!options.follow || pods->size() == 1) {
    for (const Json& pod : *pods) print(pod);
    return exit_status;
  }
  std::vector<std::thread> threads;
  for (const Json& pod : *pods) threads.emplace_back([&print, &pod] { print(pod); });
  for (std::thread& thread : threads) thread.join();
  return exit_status;
}

}  // namespace kinglet::cli
