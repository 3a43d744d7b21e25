// The kernel namespaces of a pod. See user_namespaces(7), network_namespaces(7).
//
// One user namespace maps uid 0 to the user who runs the kubelet: enough to own the others, with or
// without privileges. Only kinglet-pod runs in it. Every container gets a further one that maps its
// own uid, and with it no rights over the pod's namespaces. If the kubelet is root, the pod's
// namespace also maps kPodUser to an unprivileged user of the host, and the uid of a container
// stands for that one: no container is the host's root, whatever it calls itself.
#pragma once

#include <sys/types.h>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet::pod {

// The user and group, in a pod's user namespace, that its containers run as.
inline constexpr uid_t kPodUser = 1;
// OpenShift's default for a pod, which model servers live with.
inline constexpr unsigned kMaxProcesses = 4096;

// User, ipc and uts namespaces, and a pid namespace for the children from now on. `host_id`: the
// user and group of the host that kPodUser stands for, which needs root; -1: there is no kPodUser,
// and containers run as the present user. The process must be single-threaded.
Status EnterPodNamespaces(const std::string& hostname, int64_t host_id);

// Makes the calling (single-threaded) process of the pod's namespace a container's user: first
// kPodUser without further groups, if the pod has one, then a user namespace whose only uid and
// gid, `uid` and `gid`, stand for the present ones. The processes and threads of all containers of
// the pod together are limited to kMaxProcesses.
Status EnterContainerUser(bool pod_user, uid_t uid, gid_t gid);

// Starts a thread that owns a new network namespace with only a loopback interface in it and makes
// sockets there for whoever asks on `requests` (protocol.h) until that side goes. `address`, if
// any, is given to the interface, too. Returns the namespace's descriptor.
Result<Fd> StartNetwork(int requests, const std::string& address);

}  // namespace kinglet::kubelet::pod
