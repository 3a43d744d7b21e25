#include "local/kubelet/pod_worker.h"

#include <algorithm>

#include "base/log.h"
#include "kube/conditions.h"
#include "kube/object.h"
#include "local/kubelet/pod_security.h"

namespace kinglet::kubelet {
namespace {

using Phase = ContainerState::Phase;
constexpr Duration kMaxSetupDelay = std::chrono::seconds(10);
constexpr Duration kMaxDrain = std::chrono::seconds(15);

SteadyTime Now() { return std::chrono::steady_clock::now(); }

Duration GracePeriod(const Json& pod) {
  const Json& asked = pod["metadata"]["deletionGracePeriodSeconds"];
  int64_t seconds =
      asked.IsInt() ? asked.AsInt() : pod["spec"]["terminationGracePeriodSeconds"].AsInt(30);
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 86'400));
}

}  // namespace

PodWorker::PodWorker(Context& context, Json pod)
    : context_(context),
      runtime_(context, std::move(pod),
               [this](std::move_only_function<void()> f) { Post(std::move(f)); }) {
  thread_ = std::thread([this] { Run(); });
}

PodWorker::~PodWorker() {
  ShutDown(Deadline::After(Duration::zero()));
  Join();
}

void PodWorker::Join() {
  if (thread_.joinable()) thread_.join();
}

void PodWorker::Post(std::move_only_function<void()> f) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  inbox_.push_back(std::move(f));
  work_.notify_one();
}

void PodWorker::Update(Json pod) {
  Post([this, pod = std::move(pod)]() mutable {
    bool deleting = kube::IsDeleting(pod);
    Duration grace = GracePeriod(pod);
    runtime_.set_pod(std::move(pod));
    if (deleting) BeginEnd(Ending::kDeleted, grace);
  });
}

void PodWorker::Vanished() {
  Post([this] {
    // A deletion that waits for nobody: still end in order, but within the pod's own time.
    if (ending_ == Ending::kDeleted) {
      ending_ = Ending::kVanished;
    } else {
      BeginEnd(Ending::kVanished, GracePeriod(runtime_.pod()));
    }
  });
}

void PodWorker::ShutDown(Deadline deadline) {
  Post([this, deadline] { BeginEnd(Ending::kShutDown, deadline.Remaining()); });
}

std::string PodWorker::RestartPolicy() const {
  return runtime_.pod()["spec"]["restartPolicy"].StringOr("Always");
}

void PodWorker::MakeContainers() {
  const Json& pod = runtime_.pod();
  auto status_of = [&](const char* list, const std::string& name) -> Json {
    for (const Json& status : pod["status"][list].AsArray()) {
      if (status["name"].AsString() == name) return status;
    }
    return {};
  };
  const std::string& phase = pod["status"]["phase"].AsString();
  terminal_ = phase == "Succeeded" || phase == "Failed";
  if (terminal_) {
    // Over before this kubelet came: only its logs are left.
    published_ = pod["status"];
    std::lock_guard lock(mutex_);
    for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
      for (const Json& status : pod["status"][list].AsArray()) {
        runs_[status["name"].AsString()] = {static_cast<int>(status["restartCount"].AsInt()), true,
                                            false};
      }
    }
    return;
  }
  for (const Json& spec : pod["spec"]["initContainers"].AsArray()) {
    bool sidecar = spec["restartPolicy"].AsString() == "Always";
    containers_.push_back(std::make_unique<ContainerRunner>(
        runtime_, spec, sidecar ? ContainerKind::kSidecar : ContainerKind::kInit,
        status_of("initContainerStatuses", spec["name"].AsString())));
  }
  for (const Json& spec : pod["spec"]["containers"].AsArray()) {
    containers_.push_back(
        std::make_unique<ContainerRunner>(runtime_, spec, ContainerKind::kMain,
                                          status_of("containerStatuses", spec["name"].AsString())));
  }
  if (auto time = ParseRfc3339(pod["status"]["startTime"].AsString())) {
    start_time_ = *time;
  } else {
    start_time_ = Clock::System().Wall();
  }
}

void PodWorker::Run() {
  try {
    MakeContainers();
    if (kube::IsDeleting(runtime_.pod())) BeginEnd(Ending::kDeleted, Duration::zero());
    while (!Step()) {
      PublishRuns();  // before the status, which may make somebody ask for logs
      PublishStatus();
      WaitForWork();
    }
  } catch (const std::exception& error) {
    LogError("a pod's worker failed",
             {{"pod", kube::Name(runtime_.pod())}, {"error", error.what()}});
  }
  PublishRuns();
  containers_.clear();
  runtime_.TearDown();
  std::lock_guard lock(mutex_);
  closed_ = true;
  inbox_.clear();
  finished_ = true;
}

void PodWorker::WaitForWork() {
  std::optional<SteadyTime> wake;
  auto consider = [&](SteadyTime time) { wake = wake ? std::min(*wake, time) : time; };
  for (const auto& container : containers_) {
    if (auto time = container->NextWake()) consider(*time);
  }
  if (!runtime_.up() && !terminal_ && ending_ == Ending::kNo) consider(setup_at_);
  if (publish_failed_) consider(publish_at_);
  std::deque<std::move_only_function<void()>> work;
  {
    std::unique_lock lock(mutex_);
    auto some = [&] { return !inbox_.empty(); };
    if (wake) {
      work_.wait_until(lock, *wake, some);
    } else {
      work_.wait(lock, some);
    }
    work.swap(inbox_);
  }
  for (auto& f : work) f();
}

bool PodWorker::Step() {
  const SteadyTime now = Now();
  for (auto& container : containers_) container->Tick(now);
  if (ending_ != Ending::kNo) return StepEnd(now);
  if (terminal_) {
    bool any = std::any_of(containers_.begin(), containers_.end(),
                           [](const auto& each) { return each->running(); });
    if (!any) runtime_.TearDown();
    return false;
  }
  if (!runtime_.up()) {
    if (now < setup_at_) return false;
    SetUp();
    if (!runtime_.up()) return false;
  }
  bool ready_for_main = true;
  StepInit(now, &ready_for_main);
  if (ready_for_main) StepMain(now);
  return false;
}

void PodWorker::SetUp() {
  Status made = runtime_.SetUp(
      [this](const std::string& id, int status) {
        for (auto& container : containers_) container->Exited(id, status);
      },
      [this] {
        for (auto& container : containers_) container->Lost();
        runtime_.TearDown();
        setup_at_ = Now();
      });
  if (made) {
    setup_error_.clear();
    std::string missing;
    for (const std::string& field : NotEnforced(runtime_.pod(), runtime_.namespaces())) {
      missing += (missing.empty() ? "" : ", ") + field;
    }
    if (!missing.empty()) {
      context_.events.Warning(
          runtime_.pod(), "NotEnforced",
          fmt::format("The pod runs on the host, without namespaces. Not enforced there: {}",
                      missing));
    }
    return;
  }
  setup_at_ = Now() + setup_delay_;
  setup_delay_ = std::min(setup_delay_ * 2, kMaxSetupDelay);
  if (setup_error_ != made.error().message()) {
    setup_error_ = made.error().message();
    bool volume = setup_error_.starts_with("MountVolume");
    context_.events.Warning(runtime_.pod(), volume ? "FailedMount" : "FailedCreatePodSandBox",
                            setup_error_);
    // The pod itself must say it, too: events pass.
    for (auto& container : containers_) {
      if (container->state().phase == Phase::kWaiting) {
        container->state().waiting_message = setup_error_;
      }
    }
  }
}

bool PodWorker::ShouldRestart(const ContainerRunner& container) const {
  const ContainerState& state = container.state();
  if (state.kind == ContainerKind::kSidecar) return true;
  const std::string policy = RestartPolicy();
  bool failed = state.terminated && state.terminated->exit_code != 0;
  if (state.kind == ContainerKind::kInit) return failed && policy != "Never";
  return policy == "Always" || (policy == "OnFailure" && failed);
}

void PodWorker::StepInit(SteadyTime now, bool* ready_for_main) {
  for (auto& each : containers_) {
    ContainerRunner& container = *each;
    if (container.state().kind == ContainerKind::kMain) continue;
    if (container.state().phase == Phase::kTerminated && !container.NextWake() &&
        ShouldRestart(container)) {
      container.PlanRestart();
    }
    bool done = container.state().kind == ContainerKind::kInit &&
                container.state().phase == Phase::kTerminated &&
                container.state().terminated->exit_code == 0;
    if (done) continue;
    if (container.CanStart(now)) container.Start();
    if (container.state().kind == ContainerKind::kSidecar && container.state().started) continue;
    *ready_for_main = false;
    bool failed = container.state().kind == ContainerKind::kInit &&
                  container.state().phase == Phase::kTerminated && RestartPolicy() == "Never";
    if (failed) {
      terminal_ = true;
    }
    return;
  }
}

void PodWorker::StepMain(SteadyTime now) {
  bool all_over = true;
  for (auto& each : containers_) {
    ContainerRunner& container = *each;
    if (container.state().kind != ContainerKind::kMain) continue;
    if (container.state().phase == Phase::kTerminated && !container.NextWake() &&
        ShouldRestart(container)) {
      container.PlanRestart();
    }
    // A pod that must not run twice does not run again after a restart of the kubelet.
    bool unknown = container.state().phase == Phase::kWaiting && container.state().last &&
                   container.state().last->reason == kInterrupted && RestartPolicy() == "Never";
    if (unknown) {
      container.state().phase = Phase::kTerminated;
      container.state().terminated = container.state().last;
      container.state().last.reset();
    }
    if (container.CanStart(now)) container.Start();
    all_over &= container.state().phase == Phase::kTerminated && !container.NextWake();
  }
  if (!all_over || std::any_of(containers_.begin(), containers_.end(), [&](const auto& each) {
        return each->state().kind == ContainerKind::kMain && ShouldRestart(*each);
      })) {
    return;
  }
  terminal_ = true;
  for (auto& container : containers_) {
    if (container->running()) {
      container->Stop("Stopping container " + container->name(), std::chrono::seconds(2));
    }
  }
}

void PodWorker::BeginEnd(Ending ending, Duration grace) {
  if (ending_ == Ending::kShutDown || ending_ == Ending::kVanished) {
    grace = std::min<Duration>(grace, std::max<Duration>(end_deadline_ - Now(), Duration::zero()));
  } else {
    ending_ = ending;
  }
  end_deadline_ = Now() + grace;
  if (ever_ready_ && context_.before_stop && grace > Duration::zero()) {
    ever_ready_ = false;
    // The pod leaves the gateway first, so that no request meets a closing server.
    context_.before_stop(runtime_.ip(), Deadline::After(std::min<Duration>(grace / 2, kMaxDrain)));
  }
  Duration left = std::max<Duration>(end_deadline_ - Now(), Duration::zero());
  for (auto& container : containers_) {
    if (container->state().kind == ContainerKind::kSidecar || !container->running()) continue;
    container->Stop("Stopping container " + container->name(), left);
  }
  sidecars_stopping_ = false;
}

bool PodWorker::StepEnd(SteadyTime now) {
  bool mains = false, any = false;
  for (auto& container : containers_) {
    any |= container->running();
    mains |= container->running() && container->state().kind != ContainerKind::kSidecar;
  }
  if (any && !mains && !sidecars_stopping_) {
    // Sidecars outlive the containers they serve.
    sidecars_stopping_ = true;
    Duration left = std::max<Duration>(end_deadline_ - now, std::chrono::seconds(1));
    for (auto& container : containers_) {
      if (container->running()) {
        container->Stop("Stopping container " + container->name(), left);
      }
    }
  }
  if (any) return false;
  if (ending_ == Ending::kShutDown) return true;
  if (ending_ == Ending::kDeleted) {
    PublishStatus();
    kube::DeleteOptions options;
    options.grace_period_seconds = 0;
    options.uid = kube::Uid(runtime_.pod());
    Status gone = context_.client.Delete(kube::kPod, kube::KeyOf(runtime_.pod()), options);
    if (!gone && gone.error().code() != Code::kNotFound && gone.error().code() != Code::kAborted) {
      LogWarning("cannot remove a pod that has ended",
                 {{"pod", kube::Name(runtime_.pod())}, {"error", gone.error().message()}});
      publish_failed_ = true;
      publish_at_ = now + std::chrono::seconds(1);
      return false;
    }
  }
  containers_.clear();
  runtime_.TearDown();
  runtime_.RemoveFolder();
  return true;
}

PodState PodWorker::State() const {
  PodState state;
  for (const auto& container : containers_) state.containers.push_back(container->state());
  state.pod_ip = runtime_.ip();
  state.host_ip = context_.host_ip;
  state.start_time = start_time_;
  state.deleting = ending_ != Ending::kNo;
  return state;
}

void PodWorker::PublishStatus() {
  if (ending_ == Ending::kVanished || ending_ == Ending::kShutDown) return;
  if (terminal_ && published_["phase"].AsString() == "Succeeded") return;
  if (terminal_ && published_["phase"].AsString() == "Failed") return;
  Json status = MakePodStatus(runtime_.pod(), State(), Clock::System().Wall());
  for (const Json& condition : status["conditions"].AsArray()) {
    if (condition["type"].AsString() == "Ready" && condition["status"].AsString() == "True") {
      ever_ready_ = true;
    }
  }
  publish_failed_ = false;
  if (status == published_) return;
  Json patch = Json::MakeObject(
      {{"metadata", Json::MakeObject({{"uid", kube::Uid(runtime_.pod())}})}, {"status", status}});
  kube::WriteOptions options;
  options.subresource = "status";
  auto written = context_.client.Patch(kube::kPod, kube::KeyOf(runtime_.pod()),
                                       kube::PatchType::kMerge, patch, options);
  if (written) {
    published_ = std::move(status);
    // Others' conditions and a deletion come with the watch; our own writes are known now.
    if (kube::Uid(*written) == kube::Uid(runtime_.pod())) runtime_.set_pod(std::move(*written));
  } else if (written.error().code() != Code::kNotFound) {
    LogWarning("cannot write a pod's status",
               {{"pod", kube::Name(runtime_.pod())}, {"error", written.error().message()}});
    publish_failed_ = true;
    publish_at_ = Now() + std::chrono::seconds(1);
  }
}

void PodWorker::PublishRuns() {
  std::lock_guard lock(mutex_);
  for (const auto& container : containers_) {
    runs_[container->name()] = {container->state().restart_count,
                                !container->state().container_id.empty(), container->running()};
  }
  if (ending_ != Ending::kNo && containers_.empty()) {
    for (auto& [name, run] : runs_) run.live = false;
  }
}

PodWorker::LogRun PodWorker::FindLogRun(const std::string& container, bool previous) const {
  std::lock_guard lock(mutex_);
  auto it = runs_.find(container);
  if (it == runs_.end()) return {};
  LogRun run = it->second;
  if (!previous) return run;
  return {run.run - 1, run.run > 0, false};
}

}  // namespace kinglet::kubelet
