// The kernel namespaces of a pod. See user_namespaces(7), network_namespaces(7).
//
// One user namespace maps uid 0 to the user who runs the kubelet: enough to own the others, with or
// without privileges. Every container gets a further one that maps its own uid, and with it no
// rights over the pod's namespaces.
#pragma once

#include <sys/types.h>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet::pod {

// Moves the calling (single-threaded) process into a user namespace whose only uid and gid, `uid`
// and `gid`, stand for the present ones.
Status EnterUserNamespace(uid_t uid, gid_t gid);

// User, ipc and uts namespaces, and a pid namespace for the children from now on.
Status EnterPodNamespaces(const std::string& hostname);

// Starts a child that owns a new network namespace with only a loopback interface in it and makes
// sockets there for whoever asks on `requests` (protocol.h). `address`, if any, is given to the
// interface, too. Returns the namespace's descriptor.
struct Network {
  Fd ns;
  pid_t holder = 0;
};
Result<Network> StartNetwork(int requests, const std::string& address);

}  // namespace kinglet::kubelet::pod
