// The download jobs of one node in the cluster: listed, watched and deleted in one namespace, the
// one that the configuration names. The agent has no rights to the jobs of other namespaces.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace kinglet::control {

// Not thread-safe.
class DownloadJobs {
 public:
  // `changed` is called from another thread for every change of a watched job, until StopWatch. The
  // client and the clock must outlive the object.
  DownloadJobs(kube::Client& client, std::string node, std::function<void()> changed,
               const Clock& clock)
      : client_(client), node_(std::move(node)), changed_(std::move(changed)), clock_(clock) {}

  // The jobs that `owner`, the node's LocalModelNode, controls; others are not this node's,
  // whatever their labels say. kFailedPrecondition if the configuration names no namespace.
  Result<std::vector<Json>> List(const Json& owner, const std::string& ns) const;
  // Watches that namespace from now on, and no other.
  void Watch(const std::string& ns, const std::stop_token& stop);
  void StopWatch() { watched_.reset(); }
  // With its pods.
  Status Delete(const Json& job) const;

 private:
  std::string Selector() const;

  kube::Client& client_;
  const std::string node_;
  const std::function<void()> changed_;
  const Clock& clock_;
  std::string namespace_;
  std::unique_ptr<kube::Informer> watched_;
};

}  // namespace kinglet::control
