// The name server of pods: answers what ClusterServices knows and asks the host's name servers
// (/etc/resolv.conf) for the rest. UDP; one thread for all pods.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace kinglet::kubelet {

// Thread-safe.
class NameServer {
 public:
  // ClusterServices::Resolve. Called on the server's thread.
  using Resolver = std::function<std::optional<std::vector<std::string>>(std::string_view name,
                                                                         std::string_view ns)>;
  explicit NameServer(Resolver resolve);
  ~NameServer();

  // Answers on a bound UDP socket, for a pod of this namespace, until Close(owner).
  void Serve(Fd socket, std::string ns, std::string owner);
  void Close(const std::string& owner);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The addresses of "nameserver" lines, in order; and the words of the last "search" line.
struct ResolverConfig {
  std::vector<std::string> servers, search;
};
ResolverConfig ParseResolvConf(std::string_view text);
ResolverConfig ReadHostResolvConf();

// A pod's /etc/resolv.conf.
std::string MakeResolvConf(const std::string& server, const std::string& ns,
                           const ResolverConfig& host);

}  // namespace kinglet::kubelet
