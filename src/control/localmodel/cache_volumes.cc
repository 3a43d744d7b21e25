#include "control/localmodel/cache_volumes.h"

#include "base/log.h"
#include "kube/object.h"

namespace kinglet::control {

using kube::ObjectKey;

bool IsVolumeFor(const Json& volume, const ObjectKey& claim) {
  const Json& reference = volume["spec"]["claimRef"];
  return reference["namespace"].AsString() == claim.ns &&
         reference["name"].AsString() == claim.name;
}

ObjectKey CacheOfVolume(const Json& object) {
  const Json* owner = kube::ControllerOf(object);
  if (!owner) return CacheOfLabels(object);
  if ((*owner)["apiVersion"].AsString() != kube::kLocalModelCache.ApiVersion()) return {};
  const std::string& kind = (*owner)["kind"].AsString();
  const std::string& name = (*owner)["name"].AsString();
  if (kind == kube::kLocalModelCache.kind) return {.ns = "", .name = name};
  if (kind == kube::kLocalModelNamespaceCache.kind) {
    return {.ns = kube::Namespace(object), .name = name};
  }
  return {};
}

Result<bool> CacheVolumes::Make(const Json& cache, const CachedModel& model,
                                const VolumeAndClaim& desired) {
  const ObjectKey key = kube::KeyOf(desired.volume), claim_key = kube::KeyOf(desired.claim);
  kube::ObjectPtr volume = volumes_.Get(key), present = claims_.Get(claim_key);
  if (volume) {
    // KServe's volumes of a LocalModelNamespaceCache have neither an owner nor labels.
    KINGLET_RETURN_IF_ERROR(
        CheckOwner(cache, volumes_.type(), *volume, IsVolumeFor(*volume, claim_key)));
  }
  if (present) KINGLET_RETURN_IF_ERROR(CheckOwner(cache, claims_.type(), *present, true));
  // What is being deleted is made anew when it is gone.
  if ((volume && kube::IsDeleting(*volume)) || (present && kube::IsDeleting(*present))) {
    return false;
  }
  if (volume && !ShowsSameFolder(*volume, desired.volume)) {
    events_.Normal(cache, "VolumeReplaced",
                   fmt::format("PersistentVolume {} shows another folder than this model's: it and "
                               "claim {} are made anew as soon as no pod uses them",
                               key.name, claim_key.ToString()));
    KINGLET_RETURN_IF_ERROR(Delete(claims_, claim_key));
    KINGLET_RETURN_IF_ERROR(Delete(volumes_, key));
    return false;
  }
  KINGLET_TRY(Json claim, MakeClaim(cache, model, desired.claim));
  if (volume) {
    if ((*volume)["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]) return true;
    KINGLET_RETURN_IF_ERROR(Delete(volumes_, key));
    return false;
  }
  Json reserved = desired.volume;
  reserved.Path({"spec", "claimRef", "uid"}) = kube::Uid(claim);
  auto created = CreateOwned(cache, model, volumes_.type(), std::move(reserved));
  // It exists if the watch has not shown it yet.
  if (created || created.error().code() == Code::kAlreadyExists) return true;
  return Unexpected(created.error());
}

Status CacheVolumes::Delete(kube::Informer& informer, const ObjectKey& key) {
  kube::ObjectPtr seen = informer.Get(key);
  if (!seen || kube::IsDeleting(*seen)) return {};
  LogInfo("a volume of a cached model is deleted",
          {{"kind", informer.type().kind}, {"name", key.ToString()}});
  return client_.DeleteIfExists(informer.type(), key, {.uid = kube::Uid(*seen)});
}

Status CacheVolumes::CheckOwner(const Json& cache, const kube::ResourceType& type,
                                const Json& existing, bool is_ours_without_owner) {
  const ObjectKey owner = CacheOfVolume(existing);
  if (owner == kube::KeyOf(cache) || (owner.name.empty() && is_ours_without_owner)) return {};
  std::string why = fmt::format(
      "{} {} exists and belongs to {}: delete it, or give this cache another name", type.kind,
      kube::KeyOf(existing).ToString(),
      owner.name.empty() ? std::string("no cache") : fmt::format("cache {}", owner.ToString()));
  Error error(Code::kAlreadyExists, why);
  events_.Warning(cache, "VolumeNotCreated", std::move(why));
  return Unexpected(std::move(error));
}

Result<Json> CacheVolumes::MakeClaim(const Json& cache, const CachedModel& model,
                                     const Json& desired) {
  if (kube::ObjectPtr present = claims_.Get(kube::KeyOf(desired))) return *present;
  auto created = CreateOwned(cache, model, claims_.type(), desired);
  if (created || created.error().code() != Code::kAlreadyExists) return created;
  // The watch has not shown it yet.
  KINGLET_TRY(Json present, client_.Get(claims_.type(), kube::KeyOf(desired)));
  KINGLET_RETURN_IF_ERROR(CheckOwner(cache, claims_.type(), present, true));
  return present;
}

Result<Json> CacheVolumes::CreateOwned(const Json& cache, const CachedModel& model,
                                       const kube::ResourceType& type, Json object) {
  if (!model.OfNamespace() || kube::Namespace(object) == model.key.ns) {
    KINGLET_RETURN_IF_ERROR(kube::SetControllerReference(object, cache));
  } else {
    object.Path({"metadata", "labels"}) = CacheLabels(model.key);
  }
  auto created = client_.Create(type, object);
  if (created) {
    LogInfo("a volume of a cached model is made",
            {{"kind", type.kind}, {"name", kube::KeyOf(object).ToString()}});
    return created;
  }
  if (created.error().code() != Code::kAlreadyExists) {
    events_.Warning(cache, "VolumeNotCreated", created.error().message());
  }
  return Unexpected(
      created.error().WithContext(fmt::format("{} {}", type.kind, kube::KeyOf(object).ToString())));
}

}  // namespace kinglet::control
