// What all pods of this kubelet share.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include "base/clock.h"
#include "kube/client.h"
#include "kube/events.h"
#include "local/kubelet/addresses.h"
#include "local/kubelet/capabilities.h"
#include "local/kubelet/images.h"
#include "local/kubelet/log_pump.h"
#include "local/kubelet/name_server.h"
#include "local/kubelet/relay.h"
#include "local/kubelet/services.h"

namespace kinglet::kubelet {

// Members are thread-safe or constant after Start.
struct Context {
  kube::Client& client;
  kube::EventRecorder& events;
  std::filesystem::path data_dir, bin_dir;
  std::vector<std::filesystem::path> extra_host_paths;
  std::string node_name;
  std::string host_ip = "127.0.0.1";
  int64_t node_cpu_milli = 0, node_memory = 0;
  Capabilities capabilities;
  ImageTable images;
  std::function<void(const std::string& pod_ip, Deadline)> before_stop;
  AddressPool addresses = {};
  LogPump logs = {};
  ClusterServices services{client};
  size_t max_relayed = 4096;
  Relay relay{max_relayed};
  NameServer names{
      [this](std::string_view name, std::string_view ns) { return services.Resolve(name, ns); }};

  std::filesystem::path PodDir(const std::string& uid) const { return data_dir / "pods" / uid; }
};

// <pod_dir>/logs/<container>/<n>.log: the n-th run of a container, from 0.
inline std::filesystem::path LogPath(const std::filesystem::path& pod_dir,
                                     const std::string& container, int run) {
  return pod_dir / "logs" / container / (std::to_string(run) + ".log");
}

}  // namespace kinglet::kubelet
