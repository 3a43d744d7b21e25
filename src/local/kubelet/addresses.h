// Pod IPs: addresses of 127.64.0.0/10, which every Linux machine answers on without set-up.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kinglet::kubelet {

// Thread-safe.
class AddressPool {
 public:
  // The same uid gets the same address as long as it is free; `preferred` (what the pod's status
  // says from before a restart) comes first. kResourceExhausted when all 4 million are taken.
  Result<std::string> Take(std::string_view uid, std::string_view preferred = "");
  void Release(std::string_view address);

  // Says what other pods reach at a pod's address: these ports, also where the pod is on the host's
  // network, whose other ports are those of the machine's programs. At first they reach no port.
  void Offer(std::string_view address, std::vector<int> ports);
  // Whether a pod may be connected there from another one's network. A loopback address that is no
  // pod's is the machine itself, whose programs take such a connection for a local user's; what is
  // not a loopback address is no matter of this.
  bool MayReach(std::string_view address, int port) const;

 private:
  struct Owner {
    std::string uid;
    std::vector<int> ports;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Owner, std::less<>> owner_;  // by address
};

}  // namespace kinglet::kubelet
