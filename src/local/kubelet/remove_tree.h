// Removing what pods wrote.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace kinglet::kubelet {

// Removes a folder with all that is in it, whatever its programs made of it: folders of any depth
// (no more than four descriptors are open at a time), without permissions, with any names. Follows
// no symbolic links. No error if it does not exist. Nobody may write to the folder any more.
Status RemoveTree(const std::filesystem::path& path);

}  // namespace kinglet::kubelet
