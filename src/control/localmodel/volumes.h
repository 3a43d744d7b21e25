// The volumes of a cached model: one a node group for downloads, and one a group and namespace for
// those who serve from it. All name the same folder of a node. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/localmodel/model.h"

namespace kinglet::control {

// Without owners; the claim names the volume.
struct VolumeAndClaim {
  Json volume, claim;
};

// The group with its volumes in a folder of the node, whatever their source.
Json WithVolumesAt(const Json& group, const std::string& folder);

// PersistentVolume <cache>-<group>-download with PersistentVolumeClaim <cache>-<group> in the
// namespace of jobs; of a LocalModelNamespaceCache both are <cache>-<group>-<namespace>-download.
VolumeAndClaim MakeDownloadVolume(const CachedModel& model, const Json& group,
                                  const std::string& job_namespace);
// The claim of MakeDownloadVolume.
std::string DownloadClaimName(const kube::ObjectKey& model, const std::string& group);
// PersistentVolume <cache>-<group>-<namespace>, PersistentVolumeClaim <cache>-<group>.
VolumeAndClaim MakeServingVolume(const CachedModel& model, const Json& group,
                                 const std::string& ns);
// The volume that was made with such a claim.
std::string ServingVolumeName(const kube::ObjectKey& claim);

// Where InferenceServices use the model: namespaces, and the groups each of them needs. The group
// is that of annotation serving.kserve.io/nodegroup, or the model's first; one that the model is
// not in counts for nothing.
std::map<std::string, std::set<std::string>> GroupsInUse(const CachedModel& model,
                                                         const std::vector<Json>& services);

}  // namespace kinglet::control
