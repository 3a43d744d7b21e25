#include "local/kubelet/container_runner.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/log.h"
#include "kube/object.h"
#include "local/kubelet/dial.h"

namespace kinglet::kubelet {
namespace {

using Phase = ContainerState::Phase;
constexpr size_t kMaxTerminationMessage = 4096;
// One is enough, unless a container holds up its pod's process.
constexpr int kMaxKills = 3;

SteadyTime Now() { return std::chrono::steady_clock::now(); }
WallTime Wall() { return Clock::System().Wall(); }

}  // namespace

Duration RestartBackoff::Next(Duration ran) {
  if (!any_ || ran >= kForgive) {
    any_ = true;
    delay_ = Duration::zero();
  } else {
    delay_ = delay_ == Duration::zero() ? kFirst : std::min(delay_ * 2, kMost);
  }
  return delay_;
}

ContainerRunner::ContainerRunner(PodRuntime& pod, Json spec, ContainerKind kind,
                                 const Json& previous)
    : pod_(pod), spec_(std::move(spec)) {
  state_.name = spec_["name"].AsString();
  state_.image = spec_["image"].AsString();
  state_.kind = kind;
  if (kind == ContainerKind::kMain && !pod_.pod()["spec"]["initContainers"].empty()) {
    state_.waiting_reason = "PodInitializing";
  }
  if (previous.IsNull()) return;
  state_.restart_count = static_cast<int>(previous["restartCount"].AsInt());
  if (previous["lastState"]["terminated"].IsObject()) {
    state_.last = Termination::FromJson(previous["lastState"]["terminated"]);
  }
  const Json& old = previous["state"];
  if (old["terminated"].IsObject()) {
    state_.last = Termination::FromJson(old["terminated"]);
  } else if (old["running"].IsObject()) {
    // It ran when the previous kubelet went, and went with it.
    Termination end;
    end.exit_code = 137;
    end.reason = kInterrupted;
    end.message = "The container went when kinglet stopped";
    end.container_id = previous["containerID"].AsString();
    if (auto time = ParseRfc3339(old["running"]["startedAt"].AsString())) end.started = *time;
    end.finished = Wall();
    state_.last = end;
  } else if (!previous["containerID"].AsString().empty()) {
    has_run_ = true;
    return;
  } else {
    return;
  }
  has_run_ = true;
  ++state_.restart_count;
}

ContainerRunner::~ContainerRunner() { StopThreads(); }

std::string ContainerRunner::RunId() const {
  return fmt::format("{}/{}", state_.name, state_.restart_count);
}

void ContainerRunner::Event(std::string_view type, std::string_view reason,
                            std::string message) const {
  pod_.context().events.Event(pod_.pod(), type, reason, std::move(message));
}

bool ContainerRunner::CanStart(SteadyTime now) const {
  return !running() && !refused_ && (!restart_at_ || *restart_at_ <= now) &&
         (state_.phase == Phase::kWaiting || restart_planned_);
}

std::optional<SteadyTime> ContainerRunner::NextWake() const {
  if (stop_) return stop_->deadline;
  if (!running() && restart_at_ && !refused_) return restart_at_;
  return std::nullopt;
}

void ContainerRunner::SetWaiting(std::string reason, std::string message, std::string_view event) {
  if (state_.phase == Phase::kTerminated) state_.last = state_.terminated;
  state_.phase = Phase::kWaiting;
  bool news = state_.waiting_message != message;
  state_.waiting_reason = std::move(reason);
  state_.waiting_message = std::move(message);
  if (news && !event.empty()) Event("Warning", event, state_.waiting_message);
}

Status ContainerRunner::CheckProbes() {
  for (const char* key : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    if (!spec_[key].IsObject()) continue;
    if (auto parsed = ParseProbe(spec_[key], spec_); !parsed) {
      return Unexpected(parsed.error().WithContext(key));
    }
  }
  return {};
}

void ContainerRunner::Start() {
  auto image = pod_.context().images.Resolve(state_.image);
  if (!image) {
    refused_ = image.error().code() == Code::kFailedPrecondition;
    SetWaiting(refused_ ? "ErrImageNeverPull" : "ErrImagePull", image.error().message(),
               refused_ ? "ImageRefused" : "Failed");
    restart_at_ = Now() + RestartBackoff::kFirst;
    return;
  }
  Status probes = CheckProbes();
  auto spec = probes ? MakeSpec(*image) : Result<pod::ContainerSpec>(Unexpected(probes.error()));
  if (!spec) {
    SetWaiting("CreateContainerConfigError", spec.error().message(), "Failed");
    restart_at_ =
        Now() + std::max<Duration>(config_backoff_.Next(Duration::zero()), std::chrono::seconds(1));
    return;
  }
  run_spec_ = std::move(*spec);
  if (has_run_ && restart_planned_) ++state_.restart_count;
  if (state_.phase == Phase::kTerminated) state_.last = state_.terminated;
  restart_planned_ = false;
  restart_at_.reset();
  has_run_ = true;
  state_.container_id = fmt::format("kinglet://{}/{}", kube::Uid(pod_.pod()), RunId());
  // Two runs of logs are kept: this one and the one before.
  std::error_code ignored;
  std::filesystem::path old = LogPath(pod_.dir(), state_.name, state_.restart_count - 2);
  std::filesystem::remove(old, ignored);
  std::filesystem::remove(old.string() + ".1", ignored);

  auto pipes = pod_.context().logs.Open(LogPath(pod_.dir(), state_.name, state_.restart_count));
  Result<int> pid = Fail(Code::kInternal, "no pipes");
  if (pipes) {
    log_token_ = pipes->token;
    auto trees = pod_.OpenMounts(run_spec_.mounts);
    pid = trees ? pod_.sandbox().StartContainer(RunId(), run_spec_, pipes->out.get(),
                                                pipes->err.get(), *trees)
                : Unexpected(trees.error());
  } else {
    pid = Unexpected(pipes.error());
  }
  run_started_ = Now();
  state_.started_at = Wall();
  if (!pid) {
    Event("Warning", "Failed", "Error: " + pid.error().message());
    Termination end;
    end.exit_code = 128;
    end.reason = "StartError";
    end.message = pid.error().message();
    end.finished = Wall();
    Finish(std::move(end));
    return;
  }
  state_.phase = Phase::kRunning;
  state_.started = !spec_["startupProbe"].IsObject();
  state_.ready = state_.started && !spec_["readinessProbe"].IsObject();
  Event("Normal", "Created", "Created container: " + state_.name);
  Event("Normal", "Started", "Started container " + state_.name);
  if (spec_["lifecycle"]["postStart"].IsObject()) RunPostStart();
  StartProbes();
}

void ContainerRunner::RunPostStart() {
  auto action = ParseAction(spec_["lifecycle"]["postStart"], spec_);
  if (!action) return Event("Warning", "FailedPostStartHook", action.error().message());
  hook_ = std::jthread([this, id = RunId(), action = std::move(*action)](std::stop_token stop) {
    Answer answer = Perform(action, *this, std::chrono::hours(1), stop);
    if (answer.success || stop.stop_requested()) return;
    pod_.post()([this, id, message = answer.message] {
      if (!running() || id != RunId()) return;
      Event("Warning", "FailedPostStartHook", "PostStartHook failed: " + message);
      Stop("FailedPostStartHook", std::chrono::seconds(30));
    });
  });
}

void ContainerRunner::StartProbes() {
  struct Entry {
    const char* key;
    ProbeKind kind;
  };
  const bool startup = !state_.started;
  for (Entry entry :
       {Entry{"startupProbe", ProbeKind::kStartup}, Entry{"readinessProbe", ProbeKind::kReadiness},
        Entry{"livenessProbe", ProbeKind::kLiveness}}) {
    if (!spec_[entry.key].IsObject() || startup != (entry.kind == ProbeKind::kStartup)) continue;
    auto spec = ParseProbe(spec_[entry.key], spec_);
    if (!spec) continue;  // Start checked them
    probes_.push_back(std::make_unique<ProbeThread>(
        entry.kind, std::move(*spec), static_cast<Prober&>(*this),
        [this, id = RunId(), kind = entry.kind](ProbeSchedule::Verdict verdict,
                                                const std::string& message) {
          pod_.post()([this, id, kind, verdict, message] {
            if (running() && !stopping() && id == RunId()) OnProbe(kind, verdict, message);
          });
        }));
  }
}

void ContainerRunner::OnProbe(ProbeKind kind, ProbeSchedule::Verdict verdict,
                              const std::string& message) {
  using Verdict = ProbeSchedule::Verdict;
  if (!message.empty()) {
    Event("Warning", "Unhealthy", fmt::format("{} probe failed: {}", ProbeKindName(kind), message));
  }
  if (verdict == Verdict::kNone) return;
  bool healthy = verdict == Verdict::kHealthy;
  if (kind == ProbeKind::kReadiness) {
    state_.ready = healthy;
  } else if (!healthy) {
    Duration grace =
        std::chrono::seconds(pod_.pod()["spec"]["terminationGracePeriodSeconds"].AsInt(30));
    Stop(fmt::format("Container {} failed {} probe, will be restarted", state_.name,
                     kind == ProbeKind::kStartup ? "startup" : "liveness"),
         grace);
  } else if (kind == ProbeKind::kStartup && !state_.started) {
    state_.started = true;
    state_.ready = !spec_["readinessProbe"].IsObject();
    probes_.clear();
    StartProbes();
  }
}

void ContainerRunner::StopThreads() {
  probes_.clear();
  hook_ = {};
}

std::string ContainerRunner::TerminationMessage(int exit_code) const {
  auto text = ReadFile(Folder() / "termination-log", 1 << 20);
  std::string message = text ? text->substr(0, kMaxTerminationMessage) : "";
  if (message.empty() && exit_code != 0 &&
      spec_["terminationMessagePolicy"].AsString() == "FallbackToLogsOnError") {
    message = LogTail(LogPath(pod_.dir(), state_.name, state_.restart_count));
  }
  return message;
}

void ContainerRunner::Finish(Termination end) {
  StopThreads();
  end.started = state_.started_at;
  end.container_id = state_.container_id;
  stop_.reset();
  state_.terminated = std::move(end);
  state_.phase = Phase::kTerminated;
  state_.ready = state_.started = false;
}

void ContainerRunner::Exited(const std::string& id, int wait_status) {
  if (!running() || id != RunId()) return;
  pod_.context().logs.WaitForEnd(log_token_, Deadline::After(std::chrono::milliseconds(300)));
  Termination end;
  if (WIFSIGNALED(wait_status)) {
    end.signal = WTERMSIG(wait_status);
    end.exit_code = 128 + end.signal;
  } else {
    end.exit_code = WEXITSTATUS(wait_status);
  }
  end.reason = end.exit_code == 0 ? "Completed" : "Error";
  end.message = TerminationMessage(end.exit_code);
  end.finished = Wall();
  Finish(std::move(end));
}

void ContainerRunner::Lost() {
  if (!running()) return;
  Termination end;
  end.exit_code = 137;
  end.signal = SIGKILL;
  end.reason = "Error";
  end.message = "the pod's process ended";
  end.finished = Wall();
  Finish(std::move(end));
}

void ContainerRunner::PlanRestart() {
  Duration delay = backoff_.Next(Now() - run_started_);
  restart_planned_ = true;
  restart_at_ = Now() + delay;
  if (delay == Duration::zero()) return;
  const Json& pod = pod_.pod();
  auto whole = fmt::format("{}_{}({})", kube::Name(pod), kube::Namespace(pod), kube::Uid(pod));
  state_.last = state_.terminated;
  state_.phase = Phase::kWaiting;
  state_.waiting_reason = "CrashLoopBackOff";
  state_.waiting_message = fmt::format("back-off {} restarting failed container={} pod={}",
                                       HumanDuration(delay), state_.name, whole);
  Event("Warning", "BackOff",
        fmt::format("Back-off restarting failed container {} in pod {}", state_.name, whole));
}

void ContainerRunner::Stop(const std::string& why, Duration grace) {
  if (!running()) return;
  SteadyTime deadline = Now() + grace;
  if (stop_) {
    if (stop_->phase != Stopping::Phase::kKill)
      stop_->deadline = std::min(stop_->deadline, deadline);
    return;
  }
  Event("Normal", "Killing", why);
  probes_.clear();
  state_.ready = false;
  stop_ = Stopping{Stopping::Phase::kHook, deadline};
  auto action = spec_["lifecycle"]["preStop"].IsObject()
                    ? ParseAction(spec_["lifecycle"]["preStop"], spec_)
                    : Result<Action>(Fail(Code::kNotFound, ""));
  if (!action) return Terminate();
  hook_ =
      std::jthread([this, id = RunId(), grace, action = std::move(*action)](std::stop_token stop) {
        Answer answer = Perform(action, *this, grace, stop);
        if (stop.stop_requested()) return;
        pod_.post()([this, id, answer] {
          if (!running() || id != RunId() || !stop_) return;
          if (!answer.success)
            Event("Warning", "FailedPreStopHook", "PreStopHook failed: " + answer.message);
          if (stop_->phase == Stopping::Phase::kHook) Terminate();
        });
      });
}

void ContainerRunner::Terminate() {
  stop_->phase = Stopping::Phase::kTerm;
  // A hook that took all the grace leaves two seconds, as in Kubernetes.
  stop_->deadline = std::max(stop_->deadline, Now());
  pod_.sandbox().Signal(RunId(), SIGTERM);
}

void ContainerRunner::Tick(SteadyTime now) {
  if (!stop_ || now < stop_->deadline) return;
  if (stop_->phase == Stopping::Phase::kHook) {
    stop_->deadline = now + std::chrono::seconds(2);
    Terminate();
    return;
  }
  stop_->phase = Stopping::Phase::kKill;
  stop_->deadline = now + std::chrono::seconds(1);
  if (++stop_->kills > kMaxKills) return pod_.sandbox().GiveUp();
  pod_.sandbox().Signal(RunId(), SIGKILL);
}

Result<Fd> ContainerRunner::MakeSocket() {
  return run_spec_.pod_network ? pod_.sandbox().MakeSocket() : MakeHostSocket();
}

std::string ContainerRunner::address() const { return pod_.ip(); }

Status ContainerRunner::CheckReach(const std::string& ip, int port) const {
  if (!pod_.own_network() || pod_.context().addresses.MayReach(ip, port)) return {};
  return Fail(Code::kPermissionDenied,
              "{}:{} is this machine's own, which a pod reaches with hostNetwork only", ip, port);
}

bool ContainerRunner::shares_address() const { return !pod_.namespaces(); }

Result<std::pair<int, std::string>> ContainerRunner::Exec(const std::vector<std::string>& command,
                                                          Duration timeout, std::stop_token stop) {
  pod::ContainerSpec spec = run_spec_;
  spec.join = RunId();
  spec.argv = command;
  if (!pod_.namespaces()) {
    for (std::string& word : spec.argv) word = RewritePaths(word, spec.mounts);
  }
  return pod_.Exec(spec, timeout, stop);
}

}  // namespace kinglet::kubelet
