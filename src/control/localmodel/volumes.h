// The volumes of a cached model. Each node group has one for downloads, in the namespace of the
// jobs, which shows the whole folder of the group as KServe's does. Each group and namespace with
// InferenceServices has one to serve from, which shows that model's folder only, for reading. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "control/localmodel/model.h"

namespace kinglet::control {

// Without owners. The claim names the volume, and the volume's claimRef names the claim, so that no
// claim of another namespace can be bound to it.
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
// PersistentVolume <cache>-<group>-<namespace>, PersistentVolumeClaim <cache>-<group>; both
// ReadOnlyMany. The folder must exist before a pod can mount it: the node's agent makes it.
// kInvalidArgument when the group's volume is neither hostPath nor local, since a single model's
// folder of it cannot be named.
Result<VolumeAndClaim> MakeServingVolume(const CachedModel& model, const Json& group,
                                         const std::string& ns);
// The claim of MakeServingVolume.
std::string ServingClaimName(const std::string& cache, const std::string& group);
// The volume that was made with such a claim.
std::string ServingVolumeName(const kube::ObjectKey& claim);

// Of a PersistentVolume, what says whose it is, which folder it shows and which claim it is for. A
// transform for informers.
void KeepVolumeFacts(Json& volume);
// Whether a volume that exists (after KeepVolumeFacts) shows the folder of the desired one.
bool ShowsSameFolder(const Json& existing, const Json& desired);

using GroupsByNamespace = std::map<std::string, std::set<std::string>>;

// Where InferenceServices use the model: namespaces, and the groups each of them needs. The group
// is that of annotation serving.kserve.io/nodegroup, or the model's first; one that the model is
// not in counts for nothing.
GroupsByNamespace GroupsInUse(const CachedModel& model, const std::vector<Json>& services);

}  // namespace kinglet::control
