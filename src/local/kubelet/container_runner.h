// One container of a pod through its runs: start, probe, stop, restart. Used on the pod's worker
// thread only; probes and hooks run on threads of their own and post what they find.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "local/kubelet/pod_runtime.h"
#include "local/kubelet/probes.h"
#include "local/kubelet/status.h"

namespace kinglet::kubelet {

// Delays between restarts: none, 10 s, 20 s, ... 5 min; from the beginning after a run of 10
// minutes. Pure.
class RestartBackoff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(10);
  static constexpr Duration kMost = std::chrono::minutes(5);
  static constexpr Duration kForgive = std::chrono::minutes(10);
  // After a run of this length.
  Duration Next(Duration ran);

 private:
  Duration delay_ = Duration::zero();
  bool any_ = false;
};

class ContainerRunner : private Prober {
 public:
  // `pod` must outlive the runner. `spec` is the container of the pod's spec; `previous` its status
  // from before this kubelet started, or null.
  ContainerRunner(PodRuntime& pod, Json spec, ContainerKind kind, const Json& previous);
  ~ContainerRunner() override;

  ContainerState& state() { return state_; }
  const ContainerState& state() const { return state_; }
  const std::string& name() const { return state_.name; }
  bool running() const { return state_.phase == ContainerState::Phase::kRunning; }
  bool stopping() const { return stop_.has_value(); }
  // Not running, and allowed to start now. A refused image never is.
  bool CanStart(SteadyTime now) const;
  // When it may start, or its stop needs a next step.
  std::optional<SteadyTime> NextWake() const;

  // Starts a run; failures are recorded in the state and tried again later.
  void Start();
  // The run called `id` ended.
  void Exited(const std::string& id, int wait_status);
  // The whole pod's process went.
  void Lost();
  // preStop hook, SIGTERM, and SIGKILL when `grace` is over. A second call can shorten the grace.
  void Stop(const std::string& why, Duration grace);
  // Does what is due.
  void Tick(SteadyTime now);
  // Plans the next run after an end that the restart policy wants repeated.
  void PlanRestart();

 private:
  struct Stopping {
    enum class Phase { kHook, kTerm, kKill } phase;
    SteadyTime deadline;
    int kills = 0;
  };

  Result<pod::ContainerSpec> MakeSpec(const ResolvedImage& image);
  Status CheckProbes();
  void StartProbes();
  void OnProbe(ProbeKind kind, ProbeSchedule::Verdict verdict, const std::string& message);
  void StopThreads();
  void Finish(Termination end);
  void SetWaiting(std::string reason, std::string message, std::string_view event);
  void RunPostStart();
  void Terminate();
  std::string TerminationMessage(int exit_code) const;
  std::string RunId() const;
  std::filesystem::path Folder() const;
  void Event(std::string_view type, std::string_view reason, std::string message) const;

  // Prober.
  Result<Fd> MakeSocket() override;
  std::string address() const override;
  Status CheckReach(const std::string& ip, int port) const override;
  bool shares_address() const override;
  Result<std::pair<int, std::string>> Exec(const std::vector<std::string>& command,
                                           Duration timeout, std::stop_token stop) override;

  PodRuntime& pod_;
  const Json spec_;
  ContainerState state_;
  pod::ContainerSpec run_spec_;
  uint64_t log_token_ = 0;
  SteadyTime run_started_{};
  RestartBackoff backoff_, config_backoff_;
  std::optional<SteadyTime> restart_at_;
  bool refused_ = false, restart_planned_ = false;
  bool has_run_ = false;
  std::optional<Stopping> stop_;
  std::optional<Duration> stop_grace_;
  std::vector<std::unique_ptr<ProbeThread>> probes_;
  std::jthread hook_;
};

}  // namespace kinglet::kubelet
