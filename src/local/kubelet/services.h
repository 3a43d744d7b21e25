// What the names and addresses of Services mean inside a pod: the kubelet's part of cluster DNS and
// of kube-proxy. https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace kinglet::kubelet {

inline constexpr std::string_view kClusterDomain = "cluster.local";

// Thread-safe.
class ClusterServices {
 public:
  explicit ClusterServices(kube::Client& client);
  void Start(std::stop_token stop);
  bool WaitForSync(Deadline deadline) const;

  // The IPv4 addresses behind a name, for a pod of namespace `ns`:
  //   <svc>, <svc>.<ns>, <svc>.<ns>.svc, <svc>.<ns>.svc.cluster.local
  //   <hostname or pod>.<svc>.<ns>.svc.cluster.local
  // The address of the Service, or of its ready pods when it is headless. Empty: the name is known
  // and has no address. Nothing: the name is not ours.
  std::optional<std::vector<std::string>> Resolve(std::string_view name, std::string_view ns) const;

  struct Target {
    std::string ip;
    int port = 0;
  };
  // A ready pod behind a Service's address, in turn. kNotFound: no Service has the address;
  // kUnavailable: it has no ready pod, or not this port.
  Result<Target> Pick(std::string_view ip, int port);

 private:
  kube::Informer services_, endpoints_;
  std::atomic<size_t> turn_{0};
};

}  // namespace kinglet::kubelet
