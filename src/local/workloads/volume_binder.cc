#include "local/workloads/volume_binder.h"

#include "kube/object.h"
#include "local/workloads/volume.h"

namespace kinglet::workloads {

using kube::ObjectKey;
using kube::ReconcileResult;

namespace {

constexpr std::string_view kByVolume = "volume";

ObjectKey ClaimOf(const Json& volume) {
  const Json& reference = volume["spec"]["claimRef"];
  return {.ns = reference["namespace"].AsString(), .name = reference["name"].AsString()};
}

}  // namespace

VolumeBinder::VolumeBinder(kube::Client& client, kube::InformerFactory& factory,
                           kube::EventRecorder& events, const Clock& clock,
                           MetricsRegistry* metrics)
    : client_(client),
      events_(events),
      claims_(factory.For(kube::kPersistentVolumeClaim)),
      volumes_(factory.For(kube::kPersistentVolume)),
      of_claims_({.name = "persistentvolumeclaim",
                  .metrics = metrics,
                  .clock = &clock,
                  .max_delay = std::chrono::seconds(30)},
                 [this](const ObjectKey& key, std::stop_token) { return BindClaim(key); }),
      of_volumes_({.name = "persistentvolume",
                   .metrics = metrics,
                   .clock = &clock,
                   .max_delay = std::chrono::seconds(30)},
                  [this](const ObjectKey& key, std::stop_token) { return LookAtVolume(key); }) {
  claims_.AddIndex(std::string(kByVolume), [](const Json& claim) -> std::vector<std::string> {
    return {claim["spec"]["volumeName"].AsString()};
  });
  of_claims_.Watch(claims_);
  of_claims_.Watch(volumes_, [this](const Json& volume) {
    return claims_.KeysByIndex(kByVolume, kube::Name(volume));
  });
  of_volumes_.Watch(volumes_);
  of_volumes_.Watch(claims_, [](const Json& claim) -> std::vector<ObjectKey> {
    return {{.ns = "", .name = claim["spec"]["volumeName"].AsString()}};
  });
}

void VolumeBinder::Start(const std::stop_token& stop) {
  of_claims_.Start(stop);
  of_volumes_.Start(stop);
}

void VolumeBinder::Join() {
  of_claims_.Join();
  of_volumes_.Join();
}

Result<ReconcileResult> VolumeBinder::BindClaim(const ObjectKey& key) {
  kube::ObjectPtr claim = claims_.Get(key);
  if (!claim || kube::IsDeleting(*claim)) return ReconcileResult::Done();
  const std::string& name = (*claim)["spec"]["volumeName"].AsString();
  kube::ObjectPtr volume = name.empty() ? nullptr : volumes_.Get({.ns = "", .name = name});
  if (volume) {
    if (std::string why = WhyNotBound(*claim, *volume); !why.empty()) {
      events_.Warning(*claim, "FailedBinding", std::move(why));
      volume = nullptr;
    } else if ((*volume)["spec"]["claimRef"]["uid"].AsString().empty()) {
      Json changed = *volume;
      changed.Ref("spec").Set("claimRef", MakeClaimRef(*claim));
      auto written = client_.Update(kube::kPersistentVolume, changed);
      if (!written) return Unexpected(written.error());
    }
  }
  KINGLET_RETURN_IF_ERROR(
      WriteStatus(kube::kPersistentVolumeClaim, *claim, MakeClaimStatus(*claim, volume.get())));
  return ReconcileResult::Done();
}

Result<ReconcileResult> VolumeBinder::LookAtVolume(const ObjectKey& key) {
  kube::ObjectPtr volume = volumes_.Get(key);
  if (!volume || kube::IsDeleting(*volume)) return ReconcileResult::Done();
  kube::ObjectPtr claim = claims_.Get(ClaimOf(*volume));
  KINGLET_RETURN_IF_ERROR(
      WriteStatus(kube::kPersistentVolume, *volume, MakeVolumeStatus(*volume, claim.get())));
  return ReconcileResult::Done();
}

Status VolumeBinder::WriteStatus(const kube::ResourceType& type, const Json& object, Json status) {
  if (kube::SemanticallyEqual(object["status"], status)) return {};
  Json changed = object;
  changed.Set("status", std::move(status));
  auto written = client_.UpdateStatus(type, changed);
  if (!written && written.error().code() != Code::kNotFound) return Unexpected(written.error());
  return {};
}

}  // namespace kinglet::workloads
