// A pod's volumes as folders of the host.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "local/kubelet/environment.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet {

struct VolumeFolders {
  std::filesystem::path pod_dir;     // <data>/pods/<uid>; volumes go below volumes/<name>
  std::filesystem::path claims_dir;  // <data>/claims/<namespace>/<claim>: claims without a volume
  std::filesystem::path data_dir;    // <data>: volumes whose path is not absolute
};

// volume name -> host path. Safe to call again for the same pod: emptyDir keeps its content,
// configMap, secret, projected and downwardAPI are written anew.
// Errors name the volume: kNotFound for a missing object that is not optional, kUnimplemented for a
// kind of volume that this machine cannot have.
Result<std::map<std::string, std::filesystem::path>> PrepareVolumes(const PodFacts& facts,
                                                                    const ObjectSource& objects,
                                                                    const VolumeFolders& folders);

// The mounts of one container, shortest target first. subPath folders are made; a subPath never
// leads out of its volume.
Result<std::vector<pod::Mount>> ResolveMounts(
    const Json& container, const std::map<std::string, std::filesystem::path>& volumes,
    const Environment& environment);

}  // namespace kinglet::kubelet
