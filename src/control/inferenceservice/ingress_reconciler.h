// The ways in to an InferenceService in Standard mode: an Ingress, or the HTTPRoutes of the Gateway
// API; then its URL and address.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "control/inferenceservice/cluster.h"
#include "control/inferenceservice/host_claims.h"
#include "control/inferenceservice/plan.h"

namespace kinglet::control {

// Whether requests can come in.
enum class Entry {
  kOpen,
  kClosed,   // IngressReady says why
  kWaiting,  // for components behind a gateway
  kTaken,    // another namespace has one of its hosts, as IngressReady says
};

// Thread-safe.
class IngressReconciler {
 public:
  // What is given by reference must outlive this.
  IngressReconciler(Cluster& cluster, std::string cluster_domain, const Clock& clock)
      : cluster_(cluster), cluster_domain_(std::move(cluster_domain)), clock_(clock) {}

  // Applies what should exist, adds it to `wanted`, and sets IngressReady, url and address in the
  // object's status. Components must have their conditions already.
  Result<Entry> Reconcile(const Plan& plan, const api::InferenceService& isvc,
                          const api::Config& config, std::vector<DesiredObject>& wanted,
                          Json& object);
  // The InferenceService is gone: its hosts are free for others.
  void Forget(const kube::ObjectKey& isvc) { claims_.Release(isvc); }

 private:
  // Whether all hosts of the routes are the object's; otherwise IngressReady says which is not.
  Result<bool> ClaimHosts(std::span<const DesiredObject> routes, const api::IngressConfig& config,
                          const kube::Informer& live, Json& object);
  Result<Entry> ReconcileIngress(const Plan& plan, const api::InferenceService& isvc,
                                 const api::Config& config, std::vector<DesiredObject>& wanted,
                                 Json& object);
  Result<Entry> ReconcileHttpRoutes(const Plan& plan, const api::InferenceService& isvc,
                                    const api::Config& config, std::vector<DesiredObject>& wanted,
                                    Json& object);

  Cluster& cluster_;
  HostClaims claims_;
  const std::string cluster_domain_;
  const Clock& clock_;
};

}  // namespace kinglet::control
