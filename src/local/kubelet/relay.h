// Joins connections across the border of a pod's network, both ways: the ports of pods with a
// network of their own are listened on at the pod's loopback address on the host, and what a pod
// connects to outside is listened for inside. Bytes move by splice(2), without passing through this
// process's memory.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet {

// Thread-safe. One thread serves all relays.
class Relay {
 public:
  // A TCP socket of the pod's network, not connected.
  using SocketMaker = std::function<Result<Fd>()>;

  // Takes `max_connections` at a time; each has six descriptors. One pod gets an eighth of them.
  // Beyond that, the connection of the same address that has been silent longest makes room for the
  // next. With a quarter in use, programs of other users of this machine are refused, so that they
  // cannot use up the gateway's.
  explicit Relay(size_t max_connections);
  ~Relay();

  // Listens on address:port; kAlreadyExists when something on this machine holds the port.
  // `make_socket` is called on the relay's thread.
  Status Listen(const std::string& address, int port, SocketMaker make_socket);

  // A socket that is not connected yet, and where to.
  struct Dial {
    Fd socket;
    sockaddr_storage to{};
    socklen_t size = 0;
  };
  // Accepts on a bound socket, until Close(owner); each connection is joined to a new one. `dial`
  // is called on the relay's thread; when it fails the client gets a reset.
  Status Serve(Fd socket, const std::string& owner, std::function<Result<Dial>()> dial);

  // Closes all listeners and connections of the address or owner. Nothing of `make_socket` and
  // `dial` is used after it returns.
  void Close(const std::string& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A socket of the host towards an IPv4 or IPv6 address.
Result<Relay::Dial> DialHost(const std::string& ip, int port);

}  // namespace kinglet::kubelet
