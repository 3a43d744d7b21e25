// One pod's footing on this machine: its folders, address, volumes and sandbox. The pod's worker
// owns it; probes and hooks use the parts marked as thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "local/kubelet/context.h"
#include "local/kubelet/environment.h"
#include "local/kubelet/pod_network.h"
#include "local/kubelet/sandbox.h"
#include "local/kubelet/volumes.h"

namespace kinglet::kubelet {

class PodRuntime {
 public:
  using Post = std::function<void(std::move_only_function<void()>)>;

  // `post` runs a function on the pod's worker; any thread may call it.
  PodRuntime(Context& context, Json pod, Post post);
  ~PodRuntime();

  // Makes folders, volumes, the sandbox and the relays. May be tried again after an error; what
  // was made stays. `on_exit(id, wait_status)` and `on_lost()` run on the worker.
  Status SetUp(std::function<void(const std::string&, int)> on_exit, std::function<void()> on_lost);
  // Ends every process of the pod and gives up its ports. Blocks until they are gone.
  void TearDown();
  bool up() const { return sandbox_ != nullptr; }
  // Removes the pod's folder, logs and emptyDirs with it.
  void RemoveFolder();

  // Runs a command in a running container. Thread-safe; blocks.
  Result<std::pair<int, std::string>> Exec(const pod::ContainerSpec& spec, Duration timeout,
                                           std::stop_token stop);

  Context& context() { return context_; }
  Sandbox& sandbox() { return *sandbox_; }  // thread-safe between SetUp and TearDown
  const Json& pod() const { return pod_; }
  void set_pod(Json pod) { pod_ = std::move(pod); }
  const std::string& ip() const { return ip_; }
  const std::filesystem::path& dir() const { return dir_; }
  const std::map<std::string, Volume>& volumes() const { return volumes_; }
  // The user of this machine that the pod runs as; -1: the kubelet's.
  int64_t host_id() const { return host_id_; }
  // Opens what the mounts of a container need to be opened as the kubelet (volumes.h).
  Result<std::vector<Fd>> OpenMounts(std::vector<pod::Mount>& mounts) {
    return OpenShared(mounts, volumes_, context_.capabilities.host_ids, host_id_, id_map_);
  }
  bool namespaces() const { return namespaces_; }
  bool own_network() const { return own_network_; }
  // Whether the pod's names are served at port 53 of its own network.
  bool has_names() const { return own_network_ && network_ != nullptr; }
  PodFacts Facts() const;
  ObjectSource Objects() const;
  const Post& post() const { return post_; }

 private:
  std::vector<int> Ports() const;

  Context& context_;
  Json pod_;
  const Post post_;
  const std::filesystem::path dir_;
  std::string ip_;
  bool namespaces_ = false, own_network_ = false;
  int64_t host_id_ = -1;
  std::map<std::string, Volume> volumes_;
  Fd id_map_;
  std::unique_ptr<PodNetwork> network_;  // null without interception
  std::unique_ptr<Sandbox> sandbox_;

  std::mutex execs_mutex_;
  std::condition_variable_any exec_ended_;
  std::map<std::string, std::optional<int>> execs_;  // id -> wait status when ended
  uint64_t last_exec_ = 0;
};

// Removes a pod's folder; logs why it cannot.
void RemovePodFolder(const std::filesystem::path& dir);

}  // namespace kinglet::kubelet
