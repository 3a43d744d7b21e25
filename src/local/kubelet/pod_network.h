// What lies beyond a pod's own network: answers where its connections go, and serves its names.
// With a network of its own, each destination gets a listener inside the pod, whose connections the
// relay makes from the host; on the host's network only addresses of Services become those of pods.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/result.h"
#include "local/kubelet/context.h"
#include "local/kubelet/sandbox.h"

namespace kinglet::kubelet {

// Thread-safe after Open.
class PodNetwork {
 public:
  PodNetwork(Context& context, std::string ns, std::string ip)
      : context_(context), ns_(std::move(ns)), ip_(std::move(ip)) {}
  ~PodNetwork() { Close(); }

  // Names for containers on the host's network: the port at the pod's address. Before the sandbox.
  Result<int> OpenNames();
  // Names at port 53 inside the pod, and the way out. `sandbox` must outlive Close.
  Status Open(Sandbox& sandbox);
  void Close();

  // Where a connection to ip:port goes. Called on the sandbox's thread.
  Route Connect(const std::string& ip, int port, bool in_pod);

 private:
  Result<int> ListenInPod(const std::string& ip, int port);

  Context& context_;
  const std::string ns_, ip_;
  Sandbox* sandbox_ = nullptr;
  std::mutex mutex_;
  std::map<std::pair<std::string, int>, int> listeners_;  // destination -> port inside the pod
};

}  // namespace kinglet::kubelet
