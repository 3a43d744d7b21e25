// A pod's volumes as folders of the host.
//
// Folders in the pod's own folder (emptyDir, secret, ...) belong to the pod's user. Folders
// elsewhere in the data folder (claims, cached models) outlive pods, and belong to HostIds::shared.
// Host paths belong to whom they belong: a pod has the rights there that its user has.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "local/kubelet/environment.h"
#include "local/kubelet/host_ids.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet {

struct VolumeFolders {
  std::filesystem::path pod_dir;     // <data>/pods/<uid>; volumes go below volumes/<name>
  std::filesystem::path claims_dir;  // <data>/claims/<namespace>/<claim>: claims without a volume
  std::filesystem::path data_dir;    // <data>, canonical: volumes whose path is not absolute
  int64_t pod_id = -1;               // the pod's user, who is to own its volumes; -1: the kubelet's
};

struct Volume {
  std::filesystem::path path;  // canonical
  bool read_only = false;      // whatever the mount says: secrets, configMaps and the like
  bool shared = false;         // belongs to HostIds::shared
};

// volume name -> folder or file. Safe to call again for the same pod: emptyDir keeps its content,
// configMap, secret, projected and downwardAPI are written anew.
// Errors name the volume: kNotFound for a missing object that is not optional, kUnimplemented for a
// kind of volume that this machine cannot have.
// kPermissionDenied for a host path that pods may not have.
Result<std::map<std::string, Volume>> PrepareVolumes(const PodFacts& facts,
                                                     const ObjectSource& objects,
                                                     const VolumeFolders& folders);

// The mounts of one container, shortest target first. Nothing is opened or made yet: that happens
// when the container starts (pod/open.h).
Result<std::vector<pod::Mount>> ResolveMounts(const Json& container,
                                              const std::map<std::string, Volume>& volumes,
                                              const Environment& environment);

// For a pod without a root of its own: makes subPath folders, and makes `source` name what would be
// mounted. kInvalidArgument if a subPath leads out of its volume.
Status ResolveSources(std::vector<pod::Mount>& mounts);

// As root: gives the sources of those `mounts` that lie in shared volumes to HostIds::shared and,
// if the pod is another user, opens them as detached mounts that show the files as `pod_id`'s,
// noting their places in mount.tree. To be called anew for every start. `map` is made on demand and
// kept.
Result<std::vector<Fd>> OpenShared(std::vector<pod::Mount>& mounts,
                                   const std::map<std::string, Volume>& volumes, const HostIds& ids,
                                   int64_t pod_id, Fd& map);

}  // namespace kinglet::kubelet
