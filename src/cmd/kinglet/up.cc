// kinglet up and kinglet down.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ostream>
#include <thread>

#include "base/flags.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/kinglet/local_commands.h"
#include "cmd/kinglet/standalone.h"
#include "cmd/kinglet/wait_for_stop.h"
#include "local/kubelet/capabilities.h"
#include "net/http/browser_guard.h"

namespace kinglet::cmd {
namespace {

using standalone::DataDir;

struct UpFlags {
  std::string data_dir;
  std::string host = "127.0.0.1";
  int64_t api_port = 7443, gateway_port = 7080, metrics_port = 7081;
  int64_t first_pod_user = kubelet::kDefaultFirstHostId;
  std::string isolation = "automatic", node_labels;
  std::string allowed_hosts, allowed_origins;
  std::string log_level = "info", log_format = "text";
  bool detach = false;
  bool workloads = true;
};

Result<kubelet::IsolationChoice> ParseIsolation(std::string_view text) {
  if (text == "automatic") return kubelet::IsolationChoice::kAutomatic;
  if (text == "host") return kubelet::IsolationChoice::kHost;
  if (text == "namespaces") return kubelet::IsolationChoice::kNamespaces;
  return Fail(Code::kInvalidArgument, "unknown --isolation \"{}\": automatic, namespaces or host",
              text);
}

Result<std::map<std::string, std::string>> ParseLabels(std::string_view text) {
  std::map<std::string, std::string> labels;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view label = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = label.find('=');
    if (equals == 0 || equals == label.npos) {
      return Fail(Code::kInvalidArgument, "--node-labels: \"{}\" is not KEY=VALUE", label);
    }
    labels.emplace(label.substr(0, equals), label.substr(equals + 1));
  }
  return labels;
}

// Of --data-dir, or the default.
Result<std::filesystem::path> DataPath(const std::string& flag) {
  if (!flag.empty()) return std::filesystem::path(flag);
  return standalone::DefaultDataDir();
}

int Failed(cli::Context& context, const Error& error) {
  context.err << "kinglet up: " << EscapeControls(error.message(), Lines::kMany) << "\n";
  return 1;
}

void PrintReady(std::ostream& out, const DataDir& data, const Json& state) {
  out << "Kinglet is up.\n"
      << "  API        " << state["api"].AsString() << "\n"
      << "  gateway    " << state["gateway"].AsString() << "\n"
      << "  metrics    " << state["metrics"].AsString() << "\n"
      << "  kubeconfig " << data.Kubeconfig().string() << "\n"
      << "  pods       " << state["isolation"].AsString() << "\n"
      << "Next: kinglet apply -f FILE, or kubectl --kubeconfig " << data.Kubeconfig().string()
      << " apply -f FILE\n";
}

// Runs the same command without --detach in a session of its own, with its output in the log file,
// and waits until it says that it is ready or ends.
int Detach(cli::Context& context, const DataDir& data, std::vector<std::string> arguments) {
  std::error_code ignored;
  if (auto pid = standalone::RunningPid(data)) {
    context.out << "Kinglet already runs on " << data.root.string() << " (process " << *pid
                << ").\n";
    return 0;
  }
  std::filesystem::remove(data.State(), ignored);
  Fd log(::open(data.Log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) return Failed(context, ErrnoError("cannot open " + data.Log().string(), errno));
  std::erase_if(arguments, [](const std::string& argument) {
    return argument.starts_with("--detach") || argument == "-d";
  });
  arguments.insert(arguments.begin(), {"kinglet", "up"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = ::fork();
  if (child < 0) return Failed(context, ErrnoError("fork", errno));
  if (child == 0) {
    ::setsid();
    int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
  }
  while (true) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      context.err << "kinglet up: it ended while starting; the log is " << data.Log().string()
                  << "\n";
      return 1;
    }
    if (context.stop.stop_requested()) return 1;
    if (auto text = ReadFile(data.State())) {
      if (auto state = Json::Parse(*text)) {
        PrintReady(context.out, data, *state);
        return 0;
      }
    }
    std::this_thread::sleep_for(10ms);
  }
}

}  // namespace

int Up(cli::Context& context, std::vector<std::string> arguments) {
  UpFlags values;
  Flags flags("kinglet up",
              "Starts standalone mode: a Kubernetes-style API server, the controllers, a kubelet "
              "that runs pods as processes, and the gateway, in one process.");
  flags.Add("data-dir", &values.data_dir,
            "folder where everything is kept, closed to other users; default: $KINGLET_HOME or "
            "~/.kinglet");
  flags.Add("host", &values.host, "address to listen on; anything but loopback opens it to others");
  flags.Add("api-port", &values.api_port, "port of the Kubernetes API, 0: any free one");
  flags.Add("gateway-port", &values.gateway_port, "port of the gateway, 0: any free one");
  flags.Add("metrics-port", &values.metrics_port, "port of /metrics, 0: any free one");
  flags.Add(
      "allowed-hosts", &values.allowed_hosts,
      "host names, comma-separated, that requests may be sent to besides addresses, localhost "
      "and the names of services; *: any");
  flags.Add("allowed-origins", &values.allowed_origins,
            "origins of web pages, comma-separated, that may use the gateway (CORS), e.g. "
            "http://localhost:3000; *: any");
  flags.Add("isolation", &values.isolation,
            "how pods run: automatic, namespaces (user, mount, network, ...) or host");
  flags.Add("first-pod-user", &values.first_pod_user,
            "as root: the first of the users (and groups) of this machine that pods run as; it and "
            "the 4194304 numbers after it must be nobody's");
  flags.Add("log-level", &values.log_level, "debug, info, warning or error");
  flags.Add("log-format", &values.log_format, "text or json");
  flags.Add("node-labels", &values.node_labels,
            "labels of the node that this machine is, KEY=VALUE,...: what node groups and node "
            "selectors ask for");
  flags.Add("workloads", &values.workloads,
            "run Deployments and pods; without, whoever tests the controllers plays them");
  flags.Add("detach", &values.detach, "return once it is up; `kinglet down` stops it");
  flags.Alias('d', "detach");
  auto rest = flags.Parse(arguments);
  if (flags.help_requested()) {
    context.out << flags.Help();
    return 0;
  }
  if (rest && !rest->empty()) {
    rest = Fail(Code::kInvalidArgument, "unexpected argument \"{}\"", (*rest)[0]);
  }
  if (!rest) {
    context.err << "kinglet up: " << rest.error().message() << "\n";
    return 2;
  }
  auto isolation = ParseIsolation(values.isolation);
  auto level = ParseLogLevel(values.log_level);
  auto format = ParseLogFormat(values.log_format);
  auto hosts = http::BrowserGuard::ParseHosts(values.allowed_hosts);
  auto origins = http::BrowserGuard::ParseOrigins(values.allowed_origins);
  for (const Error* error :
       {isolation ? nullptr : &isolation.error(), level ? nullptr : &level.error(),
        format ? nullptr : &format.error(), hosts ? nullptr : &hosts.error(),
        origins ? nullptr : &origins.error()}) {
    if (error) {
      context.err << "kinglet up: " << error->message() << "\n";
      return 2;
    }
  }
  std::map<std::string, std::string> node_labels;
  if (auto parsed = ParseLabels(values.node_labels); parsed) {
    node_labels = *std::move(parsed);
  } else {
    context.err << "kinglet up: " << parsed.error().message() << "\n";
    return 2;
  }
  if (values.first_pod_user < 1 || values.first_pod_user > kubelet::kMaxFirstHostId) {
    context.err << "kinglet up: --first-pod-user must be from 1 to " << kubelet::kMaxFirstHostId
                << "\n";
    return 2;
  }
  // Whatever this process creates is its user's alone: secrets, models, logs.
  ::umask(077);
  auto path = DataPath(values.data_dir);
  if (!path) return Failed(context, path.error());
  std::string notice;
  auto prepared = standalone::PrepareDataDir(*path, &notice);
  if (!prepared) return Failed(context, prepared.error());
  if (!notice.empty()) context.err << "kinglet up: " << EscapeControls(notice) << "\n";
  const DataDir& data = *prepared;
  if (values.detach) return Detach(context, data, std::move(arguments));

  // What the kubeconfig and the URLs of services say.
  hosts->push_back(AsciiLower(values.host));
  ConfigureLog(*level, *format);
  auto running = standalone::Standalone::Start({
      .data = data,
      .host = values.host,
      .api_port = static_cast<int>(values.api_port),
      .gateway_port = static_cast<int>(values.gateway_port),
      .metrics_port = static_cast<int>(values.metrics_port),
      .isolation = *isolation,
      .first_pod_user = values.first_pod_user,
      .node_labels = std::move(node_labels),
      .allowed_hosts = std::move(*hosts),
      .allowed_origins = std::move(*origins),
      .workloads = values.workloads,
  });
  if (!running) return Failed(context, running.error());
  Json state = Json::MakeObject(
      {{"pid", static_cast<int64_t>(::getpid())},
       {"api", (*running)->api_url()},
       {"gateway", (*running)->gateway_url()},
       {"metrics", (*running)->metrics_url()},
       {"isolation", kubelet::IsolationName((*running)->capabilities().isolation)}});
  if (auto written = WriteFileAtomic(data.State(), state.Dump(), 0600); !written) {
    return Failed(context, written.error());
  }
  PrintReady(context.out, data, state);
  context.out.flush();
  WaitForStop(context.stop);
  LogInfo("stopping");
  std::error_code ignored;
  std::filesystem::remove(data.State(), ignored);
  (*running)->Stop(Deadline::After(20s));
  return 0;
}

int Down(cli::Context& context, std::vector<std::string> arguments) {
  std::string data_dir;
  Flags flags("kinglet down", "Stops standalone mode. Nothing that was applied is lost.");
  flags.Add("data-dir", &data_dir, "the data folder it was started with");
  auto rest = flags.Parse(std::move(arguments));
  if (flags.help_requested()) {
    context.out << flags.Help();
    return 0;
  }
  if (!rest) {
    context.err << "kinglet down: " << rest.error().message() << "\n";
    return 2;
  }
  auto path = DataPath(data_dir);
  // The process in a lock of somebody else's folder could be any.
  auto checked = path ? standalone::CheckDataDir(*path) : Result<DataDir>(Unexpected(path.error()));
  if (!checked && checked.error().code() != Code::kNotFound) {
    context.err << "kinglet down: " << EscapeControls(checked.error().message()) << "\n";
    return 1;
  }
  auto pid = checked ? standalone::RunningPid(*checked) : std::nullopt;
  if (!pid) {
    context.out << "Kinglet is not running on " << EscapeControls(path->string()) << ".\n";
    return 0;
  }
  const DataDir& data = *checked;
  if (::kill(*pid, SIGTERM) != 0) {
    context.err << "kinglet down: cannot stop process " << *pid << "\n";
    return 1;
  }
  Deadline deadline = Deadline::After(30s);
  while (standalone::RunningPid(data) == pid) {
    if (deadline.Expired() || context.stop.stop_requested()) {
      context.err << "kinglet down: process " << *pid << " does not end; kill -9 " << *pid
                  << " is safe\n";
      return 1;
    }
    std::this_thread::sleep_for(20ms);
  }
  context.out << "Kinglet is down.\n";
  return 0;
}

}  // namespace kinglet::cmd
