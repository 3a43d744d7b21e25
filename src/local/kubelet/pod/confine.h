// What a container's process may ask of the kernel, besides what its namespaces hide. Applied in
// the child of kinglet-pod just before it becomes the container, in every way of isolation. See
// capabilities(7), seccomp(2), keyrings(7) and docs/adr/0005-pod-confinement.md.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace kinglet::kubelet::pod {

struct Rights {
  uint64_t capabilities = 0;  // a bit each
  bool unix_sockets = true;
};

// Takes from the calling process, and from all that it starts, what `rights` does not give, more
// privileges by exec, the keyrings of the kubelet's user, core dumps, the descriptors from 3 on (at
// exec), and system calls: those that reconfigure the machine or reach into other processes fail
// with EPERM, and those that this version does not know with ENOSYS.
Status Confine(const Rights& rights);

}  // namespace kinglet::kubelet::pod
