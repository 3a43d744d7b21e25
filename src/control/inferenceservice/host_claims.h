// Which InferenceService a host outside the cluster leads to.
//
// domainTemplate can give InferenceServices of different namespaces the same host: by default a-b
// of namespace c and a of namespace b-c. Which of two Ingresses with one host gets the requests is
// up to the ingress controller, so the second one could take over the requests, and the credentials
// in them, that are meant for the first. The namespace that has a host keeps it until its
// InferenceService or its route's host is gone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/guarded.h"
#include "control/child_applier.h"
#include "kube/informer.h"

namespace kinglet::control {

// Thread-safe.
class HostClaims {
 public:
  struct Conflict {
    std::string host;
    kube::ObjectKey holder;  // an InferenceService of another namespace
  };

  // Claims the hosts of `routes` (Ingresses or HTTPRoutes of one InferenceService that are about to
  // be applied) in place of those it had. Of the host `shared`, which is for all, the paths of
  // HTTPRoutes are claimed. A conflict: it gets none
  // of them and keeps what it had. `live` are the routes of that kind in the cluster; those it has
  // at the first call were there before.
  std::optional<Conflict> Claim(const kube::ObjectKey& owner, std::span<const DesiredObject> routes,
                                const std::string& shared, const kube::Informer& live);
  // The InferenceService is gone.
  void Release(const kube::ObjectKey& owner);

 private:
  struct State {
    std::set<std::string> known_kinds;  // whose routes in the cluster were counted
    std::map<std::string, std::set<kube::ObjectKey>> holders;  // all of one namespace
    std::map<kube::ObjectKey, std::set<std::string>> hosts;
  };
  static void CountExisting(State& state, const kube::Informer& live, const std::string& shared);
  static void Drop(State& state, const kube::ObjectKey& owner);

  Guarded<State> state_;
};

}  // namespace kinglet::control
