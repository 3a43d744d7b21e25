// The files a container sees: a root of its own built from bind mounts. Called in a child of
// kinglet-pod, just before it becomes the container. See pivot_root(2), mount_setattr(2).
#pragma once

#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet::pod {

// Moves the calling process into a new mount namespace whose root holds, read-only, the parts of
// the host that a program needs, /proc with what container runtimes mask masked, a small /dev, a
// private /tmp, and spec.mounts. `trees` are the detached mounts that spec.mounts name. The root
// belongs to `owner`, a user of the current namespace. Needs CAP_SYS_ADMIN in the current user
// namespace. The process must be single-threaded. On an error the process is in an undefined place
// and must exit.
Status EnterRoot(const ContainerSpec& spec, const std::vector<Fd>& trees, std::string_view hostname,
                 uid_t owner);

}  // namespace kinglet::kubelet::pod
