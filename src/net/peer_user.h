// Who the other end of a connection is, when it is on this machine.
#pragma once

namespace kinglet::net {

// Whether the client of an accepted TCP connection is somebody else: a program of a user other than
// this process's and root, or another machine. Asks the kernel (sock_diag(7)), which takes
// microseconds. False where the kernel does not tell, and for other kinds of sockets.
bool PeerIsAnotherUser(int socket);

}  // namespace kinglet::net
