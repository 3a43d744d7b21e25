// Blocking connects and a minimal HTTP GET over a given socket: for probes, which must go through
// sockets made in the pod's network.
#pragma once

#include <sys/socket.h>

#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "local/kubelet/probes.h"

namespace kinglet::kubelet {

Result<Fd> MakeHostSocket(int type = SOCK_STREAM);  // over IPv4
// "connect: connection refused", "i/o timeout". The socket is non-blocking afterwards.
Status Connect(int socket, const std::string& ipv4, int port, Deadline deadline,
               std::stop_token stop);
// Sends the action's request and returns the status of the answer.
Result<int> HttpGetStatus(int socket, const std::string& host, const Action& action,
                          Deadline deadline, std::stop_token stop);

}  // namespace kinglet::kubelet
