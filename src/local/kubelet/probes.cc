#include "local/kubelet/probes.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "local/kubelet/dial.h"
#include "local/kubelet/listener.h"

namespace kinglet::kubelet {
namespace {

constexpr Duration kEagerTime = std::chrono::seconds(10);
// Failures of the eager time are told only when they count, once a period.
constexpr Duration kFirstPeriod = std::chrono::milliseconds(20);
constexpr Duration kLaterPeriod = std::chrono::milliseconds(100);

}  // namespace

std::string_view ProbeKindName(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return "Startup";
    case ProbeKind::kReadiness:
      return "Readiness";
    case ProbeKind::kLiveness:
      return "Liveness";
  }
  return "";
}

Result<int> ResolvePort(const Json& port, const Json& container) {
  int64_t number = port.AsInt();
  if (port.IsString()) {
    const std::string& text = port.AsString();
    bool digits =
        !text.empty() && text.size() < 6 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) {
      number = std::stoi(text);
    } else {
      for (const Json& each : container["ports"].AsArray()) {
        if (each["name"].AsString() == text) number = each["containerPort"].AsInt();
      }
      if (number == 0) {
        return Fail(Code::kInvalidArgument, "container {} has no port named \"{}\"",
                    container["name"].AsString(), text);
      }
    }
  }
  if (number < 1 || number > 65535) {
    return Fail(Code::kInvalidArgument, "invalid port number {}", number);
  }
  return static_cast<int>(number);
}

Result<Action> ParseAction(const Json& handler, const Json& container) {
  Action action;
  if (const Json* http = handler.Find("httpGet"); http && http->IsObject()) {
    action.type = Action::Type::kHttp;
    KINGLET_TRY(action.port, ResolvePort((*http)["port"], container));
    action.host = (*http)["host"].AsString();
    action.https = (*http)["scheme"].AsString() == "HTTPS";
    action.path = (*http)["path"].StringOr("/");
    if (!action.path.starts_with('/')) action.path.insert(0, 1, '/');
    for (const Json& header : (*http)["httpHeaders"].AsArray()) {
      action.headers.emplace_back(header["name"].AsString(), header["value"].AsString());
    }
    return action;
  }
  if (const Json* tcp = handler.Find("tcpSocket"); tcp && tcp->IsObject()) {
    KINGLET_TRY(action.port, ResolvePort((*tcp)["port"], container));
    action.host = (*tcp)["host"].AsString();
    return action;
  }
  if (const Json* exec = handler.Find("exec"); exec && exec->IsObject()) {
    action.type = Action::Type::kExec;
    for (const Json& word : (*exec)["command"].AsArray()) action.command.push_back(word.AsString());
    if (action.command.empty()) return Fail(Code::kInvalidArgument, "exec without a command");
    return action;
  }
  if (const Json* sleep = handler.Find("sleep"); sleep && sleep->IsObject()) {
    action.type = Action::Type::kSleep;
    action.sleep = std::chrono::seconds((*sleep)["seconds"].AsInt());
    return action;
  }
  if (handler.Has("grpc")) {
    return Fail(Code::kUnimplemented,
                "grpc probes are not supported in standalone mode: use httpGet, tcpSocket or exec");
  }
  return Fail(Code::kInvalidArgument, "must specify a handler type");
}

Result<ProbeSpec> ParseProbe(const Json& probe, const Json& container) {
  ProbeSpec spec;
  KINGLET_TRY(spec.action, ParseAction(probe, container));
  auto seconds = [&](std::string_view key, int64_t fallback, int64_t least) {
    int64_t value = probe[key].AsInt(fallback);
    return std::chrono::seconds(std::clamp<int64_t>(value == 0 ? fallback : value, least, 86400));
  };
  spec.initial_delay = seconds("initialDelaySeconds", 0, 0);
  spec.period = seconds("periodSeconds", 10, 1);
  spec.timeout = seconds("timeoutSeconds", 1, 1);
  spec.success_threshold =
      static_cast<int>(std::max<int64_t>(probe["successThreshold"].AsInt(1), 1));
  spec.failure_threshold =
      static_cast<int>(std::max<int64_t>(probe["failureThreshold"].AsInt(3), 1));
  return spec;
}

ProbeSchedule::ProbeSchedule(const ProbeSpec& spec, ProbeKind kind, SteadyTime started)
    : spec_(spec),
      eager_kind_(kind != ProbeKind::kLiveness),
      begin_(started + spec.initial_delay),
      next_(begin_),
      counted_(begin_) {}

ProbeSchedule::Verdict ProbeSchedule::Record(bool success, SteadyTime now) {
  bool eager = eager_kind_ && !succeeded_ && now - begin_ < kEagerTime;
  if (success) {
    succeeded_ = true;
    failures_ = 0;
    ++successes_;
    // A threshold above one is for the pace of the period.
    next_ = now + spec_.period;
    if (successes_ < spec_.success_threshold || healthy_ == true) return Verdict::kNone;
    healthy_ = true;
    return Verdict::kHealthy;
  }
  successes_ = 0;
  if (eager) {
    Duration pause = now - begin_ < std::chrono::seconds(2) ? kFirstPeriod : kLaterPeriod;
    next_ = now + std::min(pause, spec_.period);
    // The first failure counts at the end of the first period: the program is only starting.
    if (now - counted_ < spec_.period) return Verdict::kNone;
  } else {
    next_ = now + spec_.period;
  }
  counted_ = now;
  if (++failures_ < spec_.failure_threshold) return Verdict::kNone;
  if (healthy_ == false && eager_kind_ && succeeded_) return Verdict::kNone;
  healthy_ = false;
  return Verdict::kUnhealthy;
}

Answer Perform(const Action& action, Prober& prober, Duration timeout, std::stop_token stop) {
  switch (action.type) {
    case Action::Type::kHttp:
    case Action::Type::kTcp: {
      const std::string address = action.host.empty() ? prober.address() : action.host;
      if (!action.host.empty()) {
        if (auto reach = prober.CheckReach(address, action.port); !reach) {
          return {false, reach.error().message()};
        }
      }
      auto socket = action.host.empty() ? prober.MakeSocket() : MakeHostSocket();
      if (!socket) return {false, socket.error().message()};
      Deadline deadline = Deadline::After(timeout);
      if (auto connected = Connect(socket->get(), address, action.port, deadline, stop);
          !connected) {
        return {false, fmt::format("dial tcp {}:{}: {}", address, action.port,
                                   connected.error().message())};
      }
      if (action.host.empty() && prober.shares_address() &&
          IsHeldByAnotherUser(address, action.port)) {
        return {false, fmt::format("port {} at {} is held by a program of another user of this "
                                   "machine: stop it, or give the container another port",
                                   action.port, address)};
      }
      if (action.type == Action::Type::kTcp) return {true, ""};
      if (action.https) return {false, "https probes are not supported in standalone mode"};
      auto status = HttpGetStatus(socket->get(), address, action, deadline, stop);
      if (!status) return {false, status.error().message()};
      if (*status >= 200 && *status < 400) return {true, ""};
      return {false, fmt::format("HTTP probe failed with statuscode: {}", *status)};
    }
    case Action::Type::kExec: {
      auto result = prober.Exec(action.command, timeout, stop);
      if (!result) return {false, result.error().message()};
      if (result->first == 0) return {true, ""};
      return {false, result->second.empty() ? fmt::format("command exited with {}", result->first)
                                            : result->second};
    }
    case Action::Type::kSleep: {
      std::mutex mutex;
      std::condition_variable_any condition;
      std::unique_lock lock(mutex);
      condition.wait_for(lock, stop, std::min(action.sleep, timeout), [] { return false; });
      return {true, ""};
    }
  }
  return {};
}

ProbeThread::ProbeThread(ProbeKind kind, ProbeSpec spec, Prober& prober, Report report)
    : thread_([kind, spec = std::move(spec), &prober,
               report = std::move(report)](std::stop_token stop) {
        ProbeSchedule schedule(spec, kind, std::chrono::steady_clock::now());
        std::mutex mutex;
        std::condition_variable_any condition;
        std::string told;
        for (;;) {
          {
            std::unique_lock lock(mutex);
            condition.wait_until(lock, stop, schedule.next(), [] { return false; });
          }
          if (stop.stop_requested()) return;
          Answer answer = Perform(spec.action, prober, spec.timeout, stop);
          if (stop.stop_requested()) return;
          auto verdict = schedule.Record(answer.success, std::chrono::steady_clock::now());
          if (verdict != ProbeSchedule::Verdict::kNone ||
              (!answer.success && answer.message != told)) {
            told = answer.message;
            report(verdict, answer.message);
          }
        }
      }) {}

}  // namespace kinglet::kubelet
