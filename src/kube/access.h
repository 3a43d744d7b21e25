// What a part of the program asks of the API server. The rules of config/rbac are generated from
// such declarations, which stand beside the code that needs them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "kube/resource.h"

namespace kinglet::kube {

struct Access {
  ResourceType type;
  std::vector<std::string> verbs;
  std::string subresource = "";
  std::vector<std::string> names = {};  // these objects only; empty: all
  bool own_namespace = false;           // only where the manager runs
};

// Held by an informer.
Access Watched(const ResourceType& type);
// The same, of objects where the manager runs only.
Access WatchedNearby(const ResourceType& type);
// Made, kept as wished and deleted by a controller that watches it.
Access Managed(const ResourceType& type);
// The status subresource of a kind that a controller reports on.
Access Reported(const ResourceType& type);
// A kind whose objects own others with blockOwnerDeletion.
Access Owning(const ResourceType& type);

// What of `accesses` a manager asks for that works in one namespace: its own namespace's things,
// cluster-scoped kinds, and namespaced kinds of the namespace that it works in.
enum class AccessScope { kOwnNamespace, kCluster, kNamespace };
std::vector<Access> OfScope(const std::vector<Access>& accesses, AccessScope scope);

// PolicyRules of a Role or ClusterRole, as few as say the same, in a fixed order.
Json MakeRules(const std::vector<Access>& accesses);

// Of leader election, events, and certificates that the manager issues itself.
std::vector<Access> LeaderElectionAccess();
std::vector<Access> EventAccess();
std::vector<Access> WebhookCertificateAccess(const std::string& secret,
                                             const std::vector<std::string>& mutating,
                                             const std::vector<std::string>& validating);

}  // namespace kinglet::kube
