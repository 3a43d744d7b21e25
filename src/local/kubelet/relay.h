// Makes the ports of pods with a network of their own reachable on the host: listens on the pod's
// loopback address and joins each connection to one made inside the pod's network. Bytes move by
// splice(2), without passing through this process's memory.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet {

// Thread-safe. One thread serves all relays.
class Relay {
 public:
  // A TCP socket of the pod's network, not connected.
  using SocketMaker = std::function<Result<Fd>()>;

  Relay();
  ~Relay();

  // Listens on address:port; kAlreadyExists when something on this machine holds the port.
  // `make_socket` is called on the relay's thread.
  Status Listen(const std::string& address, int port, SocketMaker make_socket);
  // Closes all listeners and connections of the address. Nothing of `make_socket` is used after it
  // returns.
  void Close(const std::string& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kinglet::kubelet
