// What a ReplicaSet wants of its pods. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace kinglet::workloads {

// Not finished and not being deleted.
bool IsActivePod(const Json& pod);
bool IsPodReady(const Json& pod);
// Ready for at least min_ready_seconds; otherwise `again` is when that may be.
bool IsPodAvailable(const Json& pod, int64_t min_ready_seconds, WallTime now,
                    std::optional<Duration>* again = nullptr);

// A pod of the template of a set (or of a Job) with a generated name.
Json MakePod(const Json& owner);

// The `count` active pods to delete first: those that do not run, are not ready, or are youngest.
std::vector<const Json*> ChooseVictims(const std::vector<Json>& active, size_t count);

struct ReplicaSetStatus {
  Json status;
  std::optional<Duration> check_after;  // minReadySeconds still run
};
// `failure`: why pods could not be made or removed, "" when they could.
ReplicaSetStatus MakeReplicaSetStatus(const Json& replica_set, const std::vector<Json>& active,
                                      const std::string& failure, WallTime now);

}  // namespace kinglet::workloads
