// Which paths of this machine pods may see, as hostPath and local volumes and as file:// URIs.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace kinglet::kubelet {

// Where a path leads, without symbolic links; it need not exist. kInvalidArgument if it contains
// "..". kPermissionDenied if pods may not have it, because it
//   * holds, or lies in, the data folder (canonical), with the API's token and other pods' secrets;
//   * belongs to the system: /etc, /proc, ...;
//   * holds the home folder of the user who runs kinglet ($HOME), or lies in a hidden folder, where
//     programs keep their settings and credentials (~/.ssh), other than .cache and .local.
// What others change afterwards is noticed when the path is opened: see pod/open.h.
Result<std::filesystem::path> CheckHostPath(const std::filesystem::path& path,
                                            const std::filesystem::path& data_dir);

// The folder of a volume whose path is relative to the data folder (canonical). kPermissionDenied
// if it is that folder, kinglet's own in it, or leads through a symbolic link.
Result<std::filesystem::path> CheckDataPath(const std::filesystem::path& relative,
                                            const std::filesystem::path& data_dir);

}  // namespace kinglet::kubelet
