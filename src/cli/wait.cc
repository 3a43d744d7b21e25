// kinglet wait
#include <ostream>

#include "cli/commands.h"
#include "cli/session.h"
#include "kube/conditions.h"

namespace kinglet::cli {
namespace {

bool IsReady(const Json& service) {
  const Json* ready = kube::FindCondition(service, "Ready");
  // A status of an older generation says nothing about what was applied last.
  return ready && (*ready)["status"].AsString() == "True" &&
         service["status"]["observedGeneration"].AsInt(kube::Generation(service)) ==
             kube::Generation(service);
}

// The watch below ends with this error when there is nothing more to wait for.
Error Done() { return Error(Code::kAborted, "done"); }

Status WaitReady(Session& session, const std::string& name, Deadline deadline,
                 const std::stop_token& stop) {
  while (true) {
    auto service = session.client->Get(kube::kInferenceService, {session.ns, name});
    if (!service) return Unexpected(service.error());
    if (IsReady(*service)) return {};
    if (deadline.Expired()) {
      return Fail(Code::kDeadlineExceeded, "{} is not ready: `kinglet doctor {}` says why", name,
                  name);
    }
    kube::WatchOptions options;
    options.field_selector = "metadata.name=" + name;
    options.resource_version = kube::ResourceVersion(*service);
    options.timeout = std::min<Duration>(deadline.Remaining() + 1s, 300s);
    bool done = false;
    auto status = session.client->Watch(
        kube::kInferenceService, session.ns, options,
        [&](kube::WatchEvent event) -> Status {
          if (event.type == kube::WatchEvent::Type::kBookmark) return {};
          done = event.type != kube::WatchEvent::Type::kDeleted && IsReady(event.object);
          // A deleted one is looked up again, which says that it is gone.
          if (done || event.type == kube::WatchEvent::Type::kDeleted) return Unexpected(Done());
          return {};
        },
        stop);
    if (done) return {};
    if (stop.stop_requested()) return Fail(Code::kCancelled, "stopped");
    if (!status && status.error().code() != Code::kAborted &&
        status.error().code() != Code::kOutOfRange) {
      return status;
    }
  }
}

}  // namespace

int Wait(Context& context, std::vector<std::string> arguments) {
  kube::ConfigOptions config;
  std::string timeout = "60s";
  std::vector<std::string> names;
  Flags flags("kinglet wait NAME...", "Waits until inference services are ready.");
  config.AddTo(flags);
  flags.Add("timeout", &timeout, "give up after this time");
  if (auto status = ParseArguments(context, flags, std::move(arguments), &names)) return *status;
  if (names.empty()) return Usage(context, "name the inference services to wait for");
  auto limit = ParseDuration(timeout);
  if (!limit) return Usage(context, limit.error().message());
  auto session = Open(context, config);
  if (!session) return FailWith(context, session.error());
  Deadline deadline = Deadline::After(*limit);
  for (const std::string& name : names) {
    if (auto status = WaitReady(*session, name, deadline, context.stop); !status) {
      return FailWith(context, status.error());
    }
    context.out << DisplayName(kube::kInferenceService, name) << " is ready\n";
  }
  return 0;
}

}  // namespace kinglet::cli
