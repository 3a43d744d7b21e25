// What a Deployment wants of its ReplicaSets. Pure: objects in, plan out.
// https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace kinglet::workloads {

inline constexpr std::string_view kTemplateHashLabel = "pod-template-hash";
inline constexpr std::string_view kRevisionAnnotation = "deployment.kubernetes.io/revision";

// A name-safe hash of a pod template; differs with the collision count.
std::string TemplateHash(const Json& pod_template, int64_t collision_count);

// An int-or-percentage of `total`. kInvalidArgument for other texts.
Result<int64_t> ResolveIntOrPercent(const Json& value, int64_t total, bool round_up);

// maxSurge and maxUnavailable as numbers; never both 0.
struct RollingLimits {
  int64_t surge = 0, unavailable = 0;
};
Result<RollingLimits> ReadRollingLimits(const Json& deployment);

// The ReplicaSet of the present template, or null.
const Json* FindNewReplicaSet(const Json& deployment, const std::vector<Json>& replica_sets);

struct DeploymentPlan {
  std::optional<Json> create;            // the new ReplicaSet
  std::map<std::string, int64_t> scale;  // ReplicaSet name -> replicas
  std::vector<std::string> remove;       // old ReplicaSets beyond revisionHistoryLimit
  std::string revision;                  // for the Deployment and its new ReplicaSet
};

// The next step of the rollout. `old_pods` is the number of pods of old ReplicaSets that still run
// (Recreate waits for them). At most one kind of step is taken at a time, as the status decides
// when the next one may be.
Result<DeploymentPlan> PlanDeployment(const Json& deployment, const std::vector<Json>& replica_sets,
                                      int64_t old_pods);

struct DeploymentStatus {
  Json status;
  // When the progress deadline must be looked at again.
  std::optional<Duration> check_after;
};
DeploymentStatus MakeDeploymentStatus(const Json& deployment, const std::vector<Json>& replica_sets,
                                      WallTime now);

}  // namespace kinglet::workloads
