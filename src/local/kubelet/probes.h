// Probes: what a probe asks, when it asks, and what the answers add up to.
// https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/result.h"

namespace kinglet::kubelet {

enum class ProbeKind { kStartup, kReadiness, kLiveness };
std::string_view ProbeKindName(ProbeKind kind);  // "Startup", "Readiness", "Liveness"

// The action of a probe or of a lifecycle hook.
struct Action {
  enum class Type { kHttp, kTcp, kExec, kSleep };
  Type type = Type::kTcp;
  std::string host;  // "" the pod itself
  int port = 0;
  std::string path = "/";
  bool https = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> command;
  Duration sleep = Duration::zero();
};

struct ProbeSpec {
  Action action;
  Duration initial_delay = Duration::zero();
  Duration period = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(1);
  int success_threshold = 1;
  int failure_threshold = 3;
};

// A port number, or the name of one of the container's ports.
Result<int> ResolvePort(const Json& port, const Json& container);
// kUnimplemented for grpc.
Result<Action> ParseAction(const Json& handler, const Json& container);
Result<ProbeSpec> ParseProbe(const Json& probe, const Json& container);

// When to ask next and what the answers mean. Pure.
class ProbeSchedule {
 public:
  // Kubernetes asks a new container once a period. Here startup and readiness are asked every few
  // milliseconds until the first success in the first seconds; failures of that time count once a
  // period, so that thresholds mean what they say.
  ProbeSchedule(const ProbeSpec& spec, ProbeKind kind, SteadyTime started);

  SteadyTime next() const { return next_; }
  enum class Verdict { kNone, kHealthy, kUnhealthy };
  // Once each time the verdict changes; kUnhealthy of startup and liveness probes repeats until the
  // container is killed.
  Verdict Record(bool success, SteadyTime now);

 private:
  const ProbeSpec spec_;
  const bool eager_kind_;
  const SteadyTime begin_;
  SteadyTime next_, counted_;
  bool succeeded_ = false, any_counted_ = false;
  int successes_ = 0, failures_ = 0;
  std::optional<bool> healthy_;
};

struct Answer {
  bool success = false;
  std::string message;  // why not
};

// Carries out actions. Implementations say how the pod is reached.
class Prober {
 public:
  virtual ~Prober() = default;
  // A socket that can reach the pod's ports, not yet connected; and the address to connect to.
  virtual Result<Fd> MakeSocket() = 0;
  virtual std::string address() const = 0;
  // Whether actions may name the host `ip` themselves: not one that the pod does not reach.
  virtual Status CheckReach(const std::string& ip, int port) const = 0;
  // Whether other users of the machine can listen at that address, so that an answer may be theirs.
  virtual bool shares_address() const { return false; }
  // Runs a command in the container: its exit code and output (cut).
  virtual Result<std::pair<int, std::string>> Exec(const std::vector<std::string>& command,
                                                   Duration timeout, std::stop_token stop) = 0;
};

// Blocks for at most `timeout`.
Answer Perform(const Action& action, Prober& prober, Duration timeout, std::stop_token stop);

// Runs one probe on its own thread until destroyed. `report` gets the verdicts, and each failure's
// message with Verdict::kNone the first time it is seen.
class ProbeThread {
 public:
  using Report = std::function<void(ProbeSchedule::Verdict, const std::string& message)>;
  ProbeThread(ProbeKind kind, ProbeSpec spec, Prober& prober, Report report);

 private:
  std::jthread thread_;
};

}  // namespace kinglet::kubelet
