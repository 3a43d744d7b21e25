// Leader election on a coordination.k8s.io Lease, compatible with client-go's.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

// Until when this process may take itself for the leader. A process that was stopped and goes on
// (SIGSTOP, a paused machine) finds its term over before it finds out that another one leads: ask
// before every write. Thread-safe.
class LeaderTerm {
 public:
  explicit LeaderTerm(const Clock& clock = Clock::System()) : clock_(clock) {}

  void ExtendTo(SteadyTime end) { end_ = end.time_since_epoch().count(); }
  // kAborted when it is over or has not begun.
  Status Check() const;

 private:
  const Clock& clock_;
  std::atomic<SteadyTime::rep> end_{SteadyTime::min().time_since_epoch().count()};
};

struct LeaderOptions {
  ObjectKey lease;
  std::string identity;  // unique to this process; "" hostname and a UUID
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  bool release_on_stop = true;
  std::function<void(const std::string& identity)> on_new_leader;
  const Clock* clock = nullptr;  // null: the system's
  LeaderTerm* term = nullptr;    // kept up to date; may be null
};

// Waits until this process leads, then calls `lead` on its own thread with a token that is
// requested when leadership is lost or `stop` is. Returns when `lead` has returned: ok when stopped
// (the lease is released), kAborted when leadership was lost: exit then, another process leads.
// `client` must still answer after `stop`, or the lease is not released.
Status RunAsLeader(Client& client, const LeaderOptions& options,
                   const std::function<void(std::stop_token)>& lead, std::stop_token stop);

}  // namespace kinglet::kube
