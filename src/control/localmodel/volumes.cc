#include "control/localmodel/volumes.h"

#include <algorithm>
#include <filesystem>

#include "api/constants.h"
#include "base/log.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kFolderSources[] = {"hostPath", "local"};

VolumeAndClaim Make(const Json& group, const std::string& volume_name,
                    const kube::ObjectKey& claim_key) {
  VolumeAndClaim out;
  out.volume =
      kube::MakeObjectMeta("v1", kube::kPersistentVolume.kind, {.ns = "", .name = volume_name});
  out.volume.Set("spec", group["spec"]["persistentVolumeSpec"]);
  out.volume.Ref("spec").Set("claimRef",
                             Json::MakeObject({{"apiVersion", "v1"},
                                               {"kind", kube::kPersistentVolumeClaim.kind},
                                               {"namespace", claim_key.ns},
                                               {"name", claim_key.name}}));
  out.claim = kube::MakeObjectMeta("v1", kube::kPersistentVolumeClaim.kind, claim_key);
  Json& spec = out.claim.Set("spec", group["spec"]["persistentVolumeClaimSpec"]);
  spec.Set("volumeName", volume_name);
  return out;
}

// Agents keep a model in "models/<folder>" of their group's volume.
std::string FolderOfModel(const Json& source, const kube::ObjectKey& model) {
  return (std::filesystem::path(source["path"].AsString()) / "models" / ModelFolderName(model))
      .string();
}

// The fields of a PersistentVolumeSpec that do not say where the volume lies.
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

Result<VolumeAndClaim> MakeServingVolume(const CachedModel& model, const Json& group,
                                         const std::string& ns) {
  const kube::ObjectKey claim{.ns = ns,
                              .name = ServingClaimName(model.key.name, kube::Name(group))};
  VolumeAndClaim out = Make(group, ServingVolumeName(claim), claim);
  Json& spec = out.volume.Ref("spec");
  Json* source = nullptr;
  for (std::string_view kind : kFolderSources) {
    if (!source) source = spec.Find(kind);
  }
  if (!source) {
    return Fail(Code::kInvalidArgument,
                "the persistentVolumeSpec of LocalModelNodeGroup {} has neither hostPath nor "
                "local: with another kind of volume, every namespace would see the models of all",
                kube::Name(group));
  }
  source->Set("path", FolderOfModel(*source, model.key));
  if (spec.Has("hostPath")) {
    // kubelet must not make the folder: it would belong to root, and downloads could not fill it.
    source->Set("type", "Directory");
  } else {
    // Only local volumes take mount options.
    spec.Ref("mountOptions") = Json::MakeArray({"ro"});
  }
  // Deleting the claim must not delete a model that others use.
  spec.Set("persistentVolumeReclaimPolicy", "Retain");
  for (Json* of : {&spec, &out.claim.Ref("spec")}) {
    of->Set("accessModes", Json::MakeArray({"ReadOnlyMany"}));
  }
  return out;
}

std::string ServingClaimName(const std::string& cache, const std::string& group) {
  return fmt::format("{}-{}", cache, group);
}

std::string ServingVolumeName(const kube::ObjectKey& claim) {
  return fmt::format("{}-{}", claim.name, claim.ns);
}

void KeepVolumeFacts(Json& volume) {
  const Json spec = volume["spec"];
  Json kept = Json::MakeObject();
  for (std::string_view fact : {"hostPath", "local", "claimRef"}) {
    if (spec.Has(fact)) kept.Set(fact, spec[fact]);
  }
  volume.Set("spec", std::move(kept));
  volume.Erase("status");
  kube::DropManagedFields(volume);
}

bool ShowsSameFolder(const Json& existing, const Json& desired) {
  return std::ranges::all_of(kFolderSources, [&](std::string_view kind) {
    return existing["spec"][kind]["path"] == desired["spec"][kind]["path"];
  });
}

GroupsByNamespace GroupsInUse(const CachedModel& model, const std::vector<Json>& services) {
  GroupsByNamespace out;
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
