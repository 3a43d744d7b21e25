#include "control/localmodel/volumes.h"

#include <algorithm>

#include "api/constants.h"
#include "base/log.h"

namespace kinglet::control {
namespace {

VolumeAndClaim Make(const Json& group, const std::string& volume_name,
                    const kube::ObjectKey& claim_key) {
  VolumeAndClaim out;
  out.volume =
      kube::MakeObjectMeta("v1", kube::kPersistentVolume.kind, {.ns = "", .name = volume_name});
  out.volume.Set("spec", group["spec"]["persistentVolumeSpec"]);
  out.claim = kube::MakeObjectMeta("v1", kube::kPersistentVolumeClaim.kind, claim_key);
  Json& spec = out.claim.Set("spec", group["spec"]["persistentVolumeClaimSpec"]);
  spec.Set("volumeName", volume_name);
  return out;
}

// What of a PersistentVolumeSpec is not about where it lies.
constexpr std::string_view kVolumeFacts[] = {"accessModes", "capacity", "nodeAffinity",
                                             "persistentVolumeReclaimPolicy", "storageClassName"};

}  // namespace

Json WithVolumesAt(const Json& group, const std::string& folder) {
  Json out = group;
  Json& spec = out.Path({"spec", "persistentVolumeSpec"});
  Json here = Json::MakeObject(
      {{"hostPath", Json::MakeObject({{"path", folder}, {"type", "DirectoryOrCreate"}})}});
  for (std::string_view fact : kVolumeFacts) {
    if (spec.Has(fact)) here.Set(fact, spec[fact]);
  }
  spec = std::move(here);
  return out;
}

std::string DownloadClaimName(const kube::ObjectKey& model, const std::string& group) {
  return model.ns.empty() ? fmt::format("{}-{}", model.name, group)
                          : fmt::format("{}-{}-{}-download", model.name, group, model.ns);
}

VolumeAndClaim MakeDownloadVolume(const CachedModel& model, const Json& group,
                                  const std::string& job_namespace) {
  const std::string claim = DownloadClaimName(model.key, kube::Name(group));
  return Make(group, model.OfNamespace() ? claim : claim + "-download",
              {.ns = job_namespace, .name = claim});
}

VolumeAndClaim MakeServingVolume(const CachedModel& model, const Json& group,
                                 const std::string& ns) {
  const kube::ObjectKey claim{.ns = ns,
                              .name = fmt::format("{}-{}", model.key.name, kube::Name(group))};
  return Make(group, ServingVolumeName(claim), claim);
}

std::string ServingVolumeName(const kube::ObjectKey& claim) {
  return fmt::format("{}-{}", claim.name, claim.ns);
}

std::map<std::string, std::set<std::string>> GroupsInUse(const CachedModel& model,
                                                         const std::vector<Json>& services) {
  std::map<std::string, std::set<std::string>> out;
  const auto& groups = model.spec.node_groups;
  for (const Json& service : services) {
    const Json& asked = kube::Annotations(service)[api::annotation::kNodeGroup];
    if (asked.IsNull()) {
      if (!groups.empty()) out[kube::Namespace(service)].insert(groups[0]);
    } else if (std::ranges::find(groups, asked.AsString()) != groups.end()) {
      out[kube::Namespace(service)].insert(asked.AsString());
    } else {
      LogWarning("an InferenceService asks for a node group that its model is not in",
                 {{"service", kube::KeyOf(service).ToString()},
                  {"model", model.key.ToString()},
                  {"group", asked}});
    }
  }
  return out;
}

}  // namespace kinglet::control
