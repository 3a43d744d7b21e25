// Makes the volumes and claims of cached models in the cluster, and replaces those that cannot
// stay.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "control/localmodel/volumes.h"
#include "kube/client.h"
#include "kube/events.h"
#include "kube/informer.h"

namespace kinglet::control {

// The cache that a volume or a claim belongs to: its owner, or the one that its labels name if it
// cannot have an owner. An empty name if it belongs to none.
kube::ObjectKey CacheOfVolume(const Json& object);
// Whether the volume is reserved for the claim.
bool IsVolumeFor(const Json& volume, const kube::ObjectKey& claim);

// Thread-safe. The references must outlive it; `volumes` must hold what KeepVolumeFacts keeps.
class CacheVolumes {
 public:
  CacheVolumes(kube::Client& client, kube::Informer& volumes, kube::Informer& claims,
               kube::EventRecorder& events)
      : client_(client), volumes_(volumes), claims_(claims), events_(events) {}

  // Makes what is missing. The volume is reserved for the claim by its uid, so that no other claim
  // is bound to it. A volume that shows another folder than the desired one, or that is for a claim
  // that is gone, is deleted, since neither can be changed: false, and the caller calls again
  // later. kAlreadyExists if an object of the same name belongs to another cache. Problems are
  // Events of `cache`, too.
  Result<bool> Make(const Json& cache, const CachedModel& model, const VolumeAndClaim& desired);

  // Deletes the volume or the claim that `informer` holds, unless it is being deleted already.
  Status Delete(kube::Informer& informer, const kube::ObjectKey& key);

 private:
  Status CheckOwner(const Json& cache, const kube::ResourceType& type, const Json& existing,
                    bool is_ours_without_owner);
  // The claim as it exists, with its uid.
  Result<Json> MakeClaim(const Json& cache, const CachedModel& model, const Json& desired);
  Result<Json> CreateOwned(const Json& cache, const CachedModel& model,
                           const kube::ResourceType& type, Json object);

  kube::Client& client_;
  kube::Informer &volumes_, &claims_;
  kube::EventRecorder& events_;
};

}  // namespace kinglet::control
