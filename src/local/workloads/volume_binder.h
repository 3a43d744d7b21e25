// Binds PersistentVolumeClaims to the PersistentVolumes that they name, and says of both how they
// stand. A claim that names no volume gets a folder of its own from the kubelet, and counts as
// bound.
#pragma once

#include <stop_token>

#include "base/clock.h"
#include "base/metrics.h"
#include "kube/client.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/informer.h"

namespace kinglet::workloads {

class VolumeBinder {
 public:
  // The references must outlive it.
  VolumeBinder(kube::Client& client, kube::InformerFactory& factory, kube::EventRecorder& events,
               const Clock& clock, MetricsRegistry* metrics);

  void Start(const std::stop_token& stop);
  void Join();

 private:
  Result<kube::ReconcileResult> BindClaim(const kube::ObjectKey& key);
  Result<kube::ReconcileResult> LookAtVolume(const kube::ObjectKey& key);
  Status WriteStatus(const kube::ResourceType& type, const Json& object, Json status);

  kube::Client& client_;
  kube::EventRecorder& events_;
  kube::Informer &claims_, &volumes_;
  kube::Controller of_claims_, of_volumes_;  // last: their threads use what is above
};

}  // namespace kinglet::workloads
