// Leader election on a coordination.k8s.io Lease, compatible with client-go's.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

struct LeaderOptions {
  ObjectKey lease;
  std::string identity;  // unique to this process; "" hostname and a UUID
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  bool release_on_stop = true;
  std::function<void(const std::string& identity)> on_new_leader;
  const Clock* clock = nullptr;  // null: the system's
};

// Waits until this process leads, then calls `lead` on its own thread with a token that is
// requested when leadership is lost or `stop` is. Returns when `lead` has returned: ok when stopped
// (the lease is released), kAborted when leadership was lost: exit then, another process leads.
Status RunAsLeader(Client& client, const LeaderOptions& options,
                   const std::function<void(std::stop_token)>& lead, std::stop_token stop);

}  // namespace kinglet::kube
