// What a container's process may ask of the kernel, besides what its namespaces hide. Applied in
// the child of kinglet-pod just before it becomes the container, in every way of isolation. See
// capabilities(7), seccomp(2), keyrings(7) and docs/adr/0005-pod-confinement.md.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace kinglet::kubelet::pod {

// Takes from the calling process, and from all that it starts: every capability that has no bit in
// `capabilities`, more privileges by exec, the keyrings of the kubelet's user, core dumps, the
// descriptors from 3 on (at exec), and the system calls of the filter below.
Status Confine(uint64_t capabilities);

// Installs the filter of system calls alone: those that reconfigure the machine or reach into other
// processes fail with EPERM, and those that this version does not know with ENOSYS. Needs
// no_new_privs.
Status InstallSyscallFilter();

}  // namespace kinglet::kubelet::pod
