// The status of a pod, computed from what its containers are doing. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::kubelet {

// The reason of a container that went with the kubelet.
inline constexpr std::string_view kInterrupted = "ContainerStatusUnknown";

enum class ContainerKind {
  kInit,     // runs to its end before the next one starts
  kSidecar,  // an init container with restartPolicy Always
  kMain,
};

// state.terminated and lastState.terminated.
struct Termination {
  int exit_code = 0;
  int signal = 0;
  std::string reason;  // "Completed", "Error", "OOMKilled", "ContainerStatusUnknown", ...
  std::string message;
  WallTime started{}, finished{};
  std::string container_id;

  Json ToJson() const;
  static Termination FromJson(const Json& json);
};

struct ContainerState {
  std::string name, image;
  ContainerKind kind = ContainerKind::kMain;
  enum class Phase { kWaiting, kRunning, kTerminated };
  Phase phase = Phase::kWaiting;
  std::string waiting_reason = "ContainerCreating", waiting_message;
  WallTime started_at{};
  std::optional<Termination> terminated;  // the present state
  std::optional<Termination> last;        // lastState
  int restart_count = 0;
  bool started = false, ready = false;
  std::string container_id;  // "kinglet://<pod uid>/<name>/<n>"

  Json ToJson() const;
};

struct PodState {
  std::vector<ContainerState> containers;  // init containers first, in the pod's order
  std::string pod_ip, host_ip;
  std::optional<WallTime> start_time;
  bool deleting = false;
  // Set for a pod that ended as a whole ("Evicted", ...).
  std::string reason, message;
};

// "Pending", "Running", "Succeeded", "Failed".
std::string PodPhase(const PodState& state, const std::string& restart_policy);

// All of status. `pod` is the latest known object: conditions of others are kept (readinessGates
// are honoured) and lastTransitionTime moves only when a condition's status does.
Json MakePodStatus(const Json& pod, const PodState& state, WallTime now);

}  // namespace kinglet::kubelet
