#include "local/kubelet/status.h"

#include <algorithm>

#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::kubelet {
namespace {

using Phase = ContainerState::Phase;

bool Succeeded(const ContainerState& container) {
  return container.phase == Phase::kTerminated && container.terminated->exit_code == 0;
}

// An init container that is done with; a sidecar that is up.
bool InitDone(const ContainerState& container) {
  return container.kind == ContainerKind::kSidecar ? container.started : Succeeded(container);
}

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

struct Verdict {
  bool holds = true;
  std::string reason, message;
};

Verdict Initialized(const PodState& state, const std::string& phase) {
  std::vector<std::string> incomplete;
  for (const ContainerState& container : state.containers) {
    if (container.kind != ContainerKind::kMain && !InitDone(container)) {
      incomplete.push_back(container.name);
    }
  }
  if (incomplete.empty() || phase == "Succeeded") return {};
  return {false, "ContainersNotInitialized",
          "containers with incomplete status: [" + Join(incomplete) + "]"};
}

Verdict ContainersReady(const PodState& state, const std::string& phase) {
  if (phase == "Succeeded") return {false, "PodCompleted", ""};
  if (phase == "Failed") return {false, "PodFailed", ""};
  std::vector<std::string> unready;
  for (const ContainerState& container : state.containers) {
    if (container.kind != ContainerKind::kInit && !container.ready) {
      unready.push_back(container.name);
    }
  }
  if (unready.empty()) return {};
  return {false, "ContainersNotReady", "containers with unready status: [" + Join(unready) + "]"};
}

}  // namespace

Json Termination::ToJson() const {
  Json json = Json::MakeObject({{"exitCode", exit_code}, {"reason", reason}});
  if (signal) json.Set("signal", signal);
  if (!message.empty()) json.Set("message", message);
  if (started != WallTime{}) json.Set("startedAt", FormatRfc3339(started));
  if (finished != WallTime{}) json.Set("finishedAt", FormatRfc3339(finished));
  if (!container_id.empty()) json.Set("containerID", container_id);
  return json;
}

Termination Termination::FromJson(const Json& json) {
  Termination result;
  result.exit_code = static_cast<int>(json["exitCode"].AsInt());
  result.signal = static_cast<int>(json["signal"].AsInt());
  result.reason = json["reason"].AsString();
  result.message = json["message"].AsString();
  result.container_id = json["containerID"].AsString();
  if (auto time = ParseRfc3339(json["startedAt"].AsString())) result.started = *time;
  if (auto time = ParseRfc3339(json["finishedAt"].AsString())) result.finished = *time;
  return result;
}

Json ContainerState::ToJson() const {
  Json state_json = Json::MakeObject();
  if (phase == Phase::kWaiting) {
    Json waiting = Json::MakeObject({{"reason", waiting_reason}});
    if (!waiting_message.empty()) waiting.Set("message", waiting_message);
    state_json.Set("waiting", std::move(waiting));
  } else if (phase == Phase::kRunning) {
    state_json.Set("running", Json::MakeObject({{"startedAt", FormatRfc3339(started_at)}}));
  } else {
    state_json.Set("terminated", terminated->ToJson());
  }
  Json last_json = Json::MakeObject();
  if (last) last_json.Set("terminated", last->ToJson());
  Json json =
      Json::MakeObject({{"name", name},
                        {"image", image},
                        {"imageID", container_id.empty() ? "" : image},
                        {"state", std::move(state_json)},
                        {"lastState", std::move(last_json)},
                        {"restartCount", restart_count},
                        {"started", started && phase == Phase::kRunning},
                        {"ready", kind == ContainerKind::kInit ? Succeeded(*this) : ready}});
  if (!container_id.empty()) json.Set("containerID", container_id);
  return json;
}

std::string PodPhase(const PodState& state, const std::string& restart_policy) {
  bool failed_init = false, pending_init = false;
  int running = 0, waiting = 0, stopped = 0, succeeded = 0, never_started = 0;
  for (const ContainerState& container : state.containers) {
    if (container.kind != ContainerKind::kMain) {
      if (container.kind == ContainerKind::kInit && !Succeeded(container)) {
        bool over = container.phase == Phase::kTerminated;
        (over && restart_policy == "Never" ? failed_init : pending_init) = true;
      } else if (container.kind == ContainerKind::kSidecar && !container.started &&
                 container.restart_count == 0 && container.phase == Phase::kWaiting) {
        pending_init = true;
      }
      continue;
    }
    switch (container.phase) {
      case Phase::kRunning:
        ++running;
        break;
      case Phase::kTerminated:
        ++stopped;
        succeeded += container.terminated->exit_code == 0;
        break;
      case Phase::kWaiting:
        // One that has run before and waits for its restart is not pending.
        if (container.last) {
          ++waiting;
        } else {
          ++never_started;
        }
        break;
    }
  }
  if (!state.reason.empty()) return "Failed";
  if (failed_init) return "Failed";
  if (pending_init || never_started > 0) return running > 0 ? "Running" : "Pending";
  if (running > 0 || waiting > 0) return "Running";
  if (stopped == 0) return "Pending";
  if (restart_policy == "Always" && !state.deleting) return "Running";
  if (succeeded == stopped) return "Succeeded";
  if (restart_policy == "OnFailure" && !state.deleting) return "Running";
  return "Failed";
}

Json MakePodStatus(const Json& pod, const PodState& state, WallTime now) {
  const std::string policy = pod["spec"]["restartPolicy"].StringOr("Always");
  const std::string phase = PodPhase(state, policy);
  Json result = Json::MakeObject({{"status", Json::MakeObject({{"phase", phase}})}});
  Json& status = result.Ref("status");
  if (!state.reason.empty()) status.Set("reason", state.reason);
  if (!state.message.empty()) status.Set("message", state.message);
  if (!state.host_ip.empty()) {
    status.Set("hostIP", state.host_ip);
    status.Set("hostIPs", Json::MakeArray({Json::MakeObject({{"ip", state.host_ip}})}));
  }
  if (!state.pod_ip.empty()) {
    status.Set("podIP", state.pod_ip);
    status.Set("podIPs", Json::MakeArray({Json::MakeObject({{"ip", state.pod_ip}})}));
  }
  if (state.start_time) status.Set("startTime", FormatRfc3339(*state.start_time));
  status.Set("qosClass", pod["status"]["qosClass"].StringOr("BestEffort"));

  Json init = Json::MakeArray({}), main = Json::MakeArray({});
  for (const ContainerState& container : state.containers) {
    (container.kind == ContainerKind::kMain ? main : init).Push(container.ToJson());
  }
  if (!init.empty()) status.Set("initContainerStatuses", std::move(init));
  status.Set("containerStatuses", std::move(main));

  if (const Json& conditions = pod["status"]["conditions"]; conditions.IsArray()) {
    status.Set("conditions", conditions);
  }
  auto set = [&](std::string type, const Verdict& verdict) {
    kube::SetMetaCondition(result,
                           {.type = std::move(type),
                            .status = verdict.holds ? "True" : "False",
                            .reason = verdict.reason,
                            .message = verdict.message},
                           now);
  };
  set("PodScheduled", {});
  set("Initialized", Initialized(state, phase));
  Verdict containers = ContainersReady(state, phase);
  Verdict ready = containers;
  for (const Json& gate : pod["spec"]["readinessGates"].AsArray()) {
    const std::string& type = gate["conditionType"].AsString();
    if (ready.holds && !kube::IsConditionTrue(pod, type)) {
      ready = {false, "ReadinessGatesNotReady",
               fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist or "
                           "is not true.",
                           type)};
    }
  }
  bool interrupted = std::ranges::any_of(state.containers, [](const ContainerState& container) {
    return container.terminated && container.terminated->reason == kInterrupted;
  });
  if (interrupted && phase == "Failed") {
    kube::SetMetaCondition(result,
                           {.type = "DisruptionTarget",
                            .status = "True",
                            .reason = "TerminationByKubelet",
                            .message = "Pod ended when kinglet stopped"},
                           now);
  }
  set("ContainersReady", containers);
  set("Ready", ready);
  return result["status"];
}

}  // namespace kinglet::kubelet
