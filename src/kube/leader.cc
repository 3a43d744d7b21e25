#include "kube/leader.h"

#include <unistd.h>

#include <exception>
#include <optional>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"
#include "kube/wait.h"

namespace kinglet::kube {
namespace {

std::string DefaultIdentity() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return std::string(host) + "_" + RandomUuid();
}

class Election {
 public:
  Election(Client& client, const LeaderOptions& options)
      : client_(client),
        options_(options),
        identity_(options.identity.empty() ? DefaultIdentity() : options.identity),
        clock_(options.clock ? *options.clock : Clock::System()) {}

  const std::string& identity() const { return identity_; }

  // Whether this process holds the lease now. Errors (conflicts too) mean: not this time.
  Result<bool> TryAcquireOrRenew() {
    // Others count from when they see the renewal, which is later than this.
    const SteadyTime asked = clock_.Now();
    auto held = Try();
    if (held && *held && options_.term) options_.term->ExtendTo(asked + options_.renew_deadline);
    return held;
  }

  // Lets others take over at once.
  void Release() {
    if (options_.term) options_.term->ExtendTo(SteadyTime::min());
    auto lease = client_.Get(kLease, options_.lease);
    if (!lease || (*lease)["spec"]["holderIdentity"].AsString() != identity_) return;
    Json& spec = lease->Path({"spec"});
    spec.Set("holderIdentity", "");
    spec.Set("leaseDurationSeconds", 1);
    spec.Set("renewTime", FormatRfc3339Micro(clock_.Wall()));
    spec.Set("acquireTime", FormatRfc3339Micro(clock_.Wall()));
    if (auto updated = client_.Update(kLease, *lease); !updated) {
      LogWarning("cannot release the leader lease", {{"error", updated.error().message()}});
    }
  }

 private:
  Result<bool> Try() {
    auto lease = client_.Get(kLease, options_.lease);
    if (!lease) {
      if (lease.error().code() != Code::kNotFound) return Unexpected(lease.error());
      Json fresh = MakeObjectMeta("coordination.k8s.io/v1", "Lease", options_.lease);
      Hold(fresh, true);
      fresh.Path({"spec"}).Set("leaseTransitions", 0);
      KINGLET_TRY(Json created, client_.Create(kLease, fresh));
      Observe(created);
      return true;
    }
    Observe(*lease);
    const Json spec = (*lease)["spec"];
    const std::string& holder = spec["holderIdentity"].AsString();
    bool mine = holder == identity_;
    if (!mine && !holder.empty() && clock_.Now() < observed_ + Valid(spec)) return false;
    Json next = std::move(*lease);
    Hold(next, !mine);
    if (!mine) {
      next.Path({"spec"}).Set("leaseTransitions", spec["leaseTransitions"].AsInt() + 1);
    }
    KINGLET_TRY(Json updated, client_.Update(kLease, next));
    Observe(updated);
    return true;
  }

  // How long a lease lasts counts from when we saw it change: clocks of machines differ.
  Duration Valid(const Json& spec) const {
    int64_t seconds = spec["leaseDurationSeconds"].AsInt();
    return seconds > 0 ? Duration(std::chrono::seconds(seconds)) : options_.lease_duration;
  }

  void Hold(Json& lease, bool acquire) {
    std::string now = FormatRfc3339Micro(clock_.Wall());
    Json& spec = lease.Path({"spec"});
    spec.Set("holderIdentity", identity_);
    spec.Set("leaseDurationSeconds",
             std::chrono::ceil<std::chrono::seconds>(options_.lease_duration).count());
    spec.Set("renewTime", now);
    if (acquire) spec.Set("acquireTime", now);
  }

  void Observe(const Json& lease) {
    const Json& spec = lease["spec"];
    if (seen_ == spec) return;
    seen_ = spec;
    observed_ = clock_.Now();
    const std::string& holder = spec["holderIdentity"].AsString();
    if (holder == leader_) return;
    leader_ = holder;
    if (options_.on_new_leader && !holder.empty()) options_.on_new_leader(holder);
  }

  Client& client_;
  const LeaderOptions& options_;
  const std::string identity_;
  const Clock& clock_;
  Json seen_;
  SteadyTime observed_{};
  std::string leader_;
};

// False when stopped first.
bool Acquire(Election& election, const LeaderOptions& options, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto held = election.TryAcquireOrRenew();
    if (held && *held) return true;
    if (!held) {
      LogDebug("cannot take the leader lease", {{"error", held.error().message()}});
    }
    if (!SleepFor(Jittered(options.retry_period, 1.2), stop)) return false;
  }
  return false;
}

// Returns when the lease could not be renewed in time, or on stop.
void KeepRenewing(Election& election, const LeaderOptions& options, const std::stop_token& stop) {
  Deadline deadline = Deadline::After(options.renew_deadline);
  while (SleepFor(options.retry_period, stop)) {
    auto held = election.TryAcquireOrRenew();
    if (held && *held) {
      deadline = Deadline::After(options.renew_deadline);
      continue;
    }
    if (held) return;  // another holds it
    LogWarning("cannot renew the leader lease", {{"error", held.error().message()}});
    if (deadline.Expired()) return;
  }
}

}  // namespace

Status LeaderTerm::Check() const {
  if (clock_.Now().time_since_epoch().count() < end_.load()) return {};
  return Fail(Code::kAborted, "this process does not lead (any more)");
}

Status RunAsLeader(Client& client, const LeaderOptions& options,
                   const std::function<void(std::stop_token)>& lead, std::stop_token stop) {
  if (options.renew_deadline >= options.lease_duration ||
      options.retry_period >= options.renew_deadline) {
    return Fail(Code::kInvalidArgument,
                "leader election needs retry period < renew deadline < lease duration");
  }
  Election election(client, options);
  if (!Acquire(election, options, stop)) return {};
  LogInfo("leading", {{"lease", options.lease.ToString()}, {"identity", election.identity()}});
  std::stop_source leading;
  std::stop_source ended;  // stop was asked for, or lead returned by itself
  std::stop_callback link(stop, [&] {
    leading.request_stop();
    ended.request_stop();
  });
  std::thread leader([&] {
    try {
      lead(leading.get_token());
    } catch (const std::exception& e) {
      LogError("exception while leading", {{"error", e.what()}});
    }
    ended.request_stop();
  });
  KeepRenewing(election, options, ended.get_token());
  bool lost = !ended.stop_requested();
  leading.request_stop();
  leader.join();
  if (lost) {
    return Fail(Code::kAborted, "leadership of {} was lost", options.lease.ToString());
  }
  if (options.release_on_stop) election.Release();
  return {};
}

}  // namespace kinglet::kube
