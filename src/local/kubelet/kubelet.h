// The kubelet of standalone mode: runs the pods of a Kubernetes API as processes of this machine.
//
// It registers a Node, claims every pod without a node (there is no scheduler), and gives each pod
// a thread that starts, probes, restarts and stops its containers and writes the pod's status.
// Images are names for our own binaries; any other image is refused and says so in the pod.
//
// Pods get namespaces of their own where the kernel allows it (capabilities.h), and otherwise run
// on the host with a loopback address of their own and rewritten paths.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "kube/client.h"
#include "local/kubelet/capabilities.h"
#include "local/kubelet/images.h"
#include "local/kubelet/logs.h"

namespace kinglet::kubelet {

struct Options {
  std::filesystem::path data_dir;  // pods live in <data_dir>/pods/<uid>
  // Where kinglet-pod, kinglet-server, ... are. Empty: the folder of the running executable.
  std::filesystem::path bin_dir;
  std::string node_name = "kinglet";
  std::map<std::string, std::string> node_labels;  // of the Node, besides its own
  // kAutomatic: namespaces when the kernel allows them, else the host.
  IsolationChoice isolation = IsolationChoice::kAutomatic;
  // As root: the first of the users and groups of this machine that pods run as. The next 4194304
  // must be nobody's, too.
  int64_t first_host_id = kDefaultFirstHostId;
  // Connections that may cross the borders of pods' networks at a time.
  size_t max_relayed = 4096;
  // Tried before the built-in table. Tests name their own images here.
  std::vector<ImageRule> extra_images;
  // Further host paths that sandboxed pods see, read-only, at the same place.
  std::vector<std::filesystem::path> extra_host_paths;
  // Called (on the pod's thread) before a pod's containers get SIGTERM, so that whoever sends
  // requests to the pod can stop and finish what is in flight: see Gateway::Retire.
  std::function<void(const std::string& pod_ip, Deadline)> before_stop;
  MetricsRegistry* metrics = nullptr;
};

class Kubelet {
 public:
  // `client` must outlive the kubelet.
  static std::unique_ptr<Kubelet> Make(kube::Client& client, Options options);
  virtual ~Kubelet() = default;  // kills what still runs

  // Probes the kernel, cleans folders of pods that are gone, registers the Node, starts watching.
  // Returns once pods are being watched.
  virtual Status Start() = 0;
  // Stops every pod's processes (SIGTERM, then SIGKILL at the deadline) and leaves the pods in the
  // API, so that the next Start runs them again.
  virtual void Stop(Deadline deadline) = 0;

  // What Start found the kernel to allow.
  virtual const Capabilities& capabilities() const = 0;

  // The log of a container, for the API's pods/log. kNotFound / kInvalidArgument as kubectl
  // expects them. `container` may be empty when the pod has only one. Blocks while following; ends
  // when `stop` is requested, the sink returns an error, or the container is gone for good.
  virtual Status ReadLogs(const std::string& pod_namespace, const std::string& pod_name,
                          const std::string& container, const LogOptions& options,
                          const LogSink& sink, std::stop_token stop) = 0;
};

}  // namespace kinglet::kubelet
