// Opening and mounting files by descriptor. Every path that a pod may have influenced is opened
// beneath a folder that is held open, without following symbolic links that lead out of it, and is
// mounted by that descriptor. What is checked is therefore what is mounted, whatever is renamed
// meanwhile. See openat2(2), open_tree(2), move_mount(2).
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet::pod {

// Opens a path of the host (O_PATH) that was made canonical before. kFailedPrecondition if a part
// of it is a symbolic link by now.
Result<Fd> OpenCanonical(const std::string& path);

// Opens the source of a mount (O_PATH): `source`, which must be canonical, and `sub` beneath it.
// Folders of `sub` that do not exist are made if mount.make_sub says so, with the owner of the
// folder that they are made in; else kNotFound. Symbolic links may lead elsewhere in the volume;
// kInvalidArgument if one leads out of it.
Result<Fd> OpenSource(const Mount& mount);

// Opens the place for a mount beneath `root` (O_PATH), making its folders, and the file itself if
// it is not to be a `folder`. kInvalidArgument if the path contains ".." or a symbolic link.
Result<Fd> OpenPlace(int root, const std::filesystem::path& target, bool folder);

// A copy of the mounts at and below an open file, attached to nothing yet. Needs CAP_SYS_ADMIN over
// the mount namespace.
Result<Fd> CloneTree(int fd);

// Attaches a tree at an open place: MoveTree as it is, AttachTree without devices and set-uid
// programs.
Status MoveTree(int tree, int place);
Status AttachTree(int tree, int place, bool read_only);

}  // namespace kinglet::kubelet::pod
