// Whose program listens at a port of this machine.
#pragma once

#include <string>

namespace kinglet::kubelet {

// Whether what accepts connections to an IPv4 address and port, which must be somebody, is a
// program of a user other than this process's. False where the kernel shows no table of its
// sockets.
bool IsHeldByAnotherUser(const std::string& ipv4, int port);

}  // namespace kinglet::kubelet
