// The system calls that a process gives up before it parses bytes that strangers made. See
// seccomp(2) and Documentation/userspace-api/seccomp_filter.rst of Linux.
#pragma once

#include "base/result.h"

namespace kinglet {

// From now on every thread of this process gets EPERM from the calls that start programs or
// processes, look into other processes, mount, load kernel code, or reach kernel interfaces with a
// history of escapes (bpf, perf, userfaultfd, io_uring, keys); sockets are of the families UNIX,
// IPv4, IPv6 and netlink only. Calls that are always allowed cost what they cost before: the kernel
// remembers them.
//
// `connect` false: it makes no connections either, in any family, and has no datagram sockets of
// the Internet; it may still listen and accept. Sending then costs some ten nanoseconds more.
//
// Needs no_new_privs. Cannot be undone. May be called again. Thread-safe.
// kPermissionDenied, kUnimplemented: the kernel or a sandbox refuses filters.
Status InstallSyscallFilter(bool connect);

}  // namespace kinglet
