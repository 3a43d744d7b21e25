// The kubelet's end of a pod's process (kinglet-pod): starts it, tells it to start and signal
// containers, hears which of them ended, and gets sockets made inside the pod's network.
#pragma once

#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet {

struct Route {
  std::string ip;  // "": where it was meant to go
  int port = 0;
  bool refused = false;
};

struct SandboxOptions {
  std::filesystem::path program;    // kinglet-pod
  std::filesystem::path lock_file;  // held while anything of the pod runs
  pod::PodConfig config;
  // Called on the sandbox's reader thread. wait_status is that of waitpid(2).
  std::function<void(const std::string& id, int wait_status)> on_exit;
  // Where a connection of a container goes. Called on the sandbox's reader thread, while containers
  // run; must be quick. Only asked with config.intercept.
  std::function<Route(const std::string& ip, int port, bool in_pod)> on_connect;
  // The pod's process went without being asked to: everything in it is dead.
  std::function<void()> on_lost;
};

// Thread-safe.
class Sandbox {
 public:
  // Waits for whatever an earlier kubelet left of this pod to be gone (it goes by itself), then
  // starts the process. kUnavailable at the deadline; kPermissionDenied where the kernel refuses.
  static Result<std::unique_ptr<Sandbox>> Start(SandboxOptions options, Deadline deadline);
  ~Sandbox();  // kills everything in the pod and waits for it

  // Returns when the program runs: its process id as kinglet-pod sees it. The error says why it
  // does not. The descriptors are copied. `trees` are the detached mounts that the spec's mounts
  // name.
  Result<int> StartContainer(const std::string& id, const pod::ContainerSpec& spec, int out,
                             int err, const std::vector<Fd>& trees = {});
  // SIGKILL goes to all of the container's processes, others to its first. Unknown ids are ignored.
  void Signal(const std::string& id, int number);
  // Ends everything in the pod, for one whose process does not do as it is told; `on_lost` follows.
  void GiveUp();
  // A socket (SOCK_STREAM or SOCK_DGRAM) of the pod's network; of the host's when the pod has none
  // of its own.
  Result<Fd> MakeSocket(int type = SOCK_STREAM);
  bool own_network() const { return options_.config.own_network; }

 private:
  explicit Sandbox(SandboxOptions options) : options_(std::move(options)) {}
  Status Spawn(Deadline deadline);
  void ReadEvents();

  struct Pending {
    bool done = false;
    Result<int> result = 0;
  };

  const SandboxOptions options_;
  pid_t pid_ = 0;
  Fd control_, sockets_;
  std::mutex mutex_, sockets_mutex_;
  std::condition_variable changed_;
  std::map<std::string, Pending> pending_;
  std::optional<Status> ready_;
  bool lost_ = false, closing_ = false;
  std::thread reader_;
};

}  // namespace kinglet::kubelet
