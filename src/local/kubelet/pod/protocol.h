// What the kubelet and a pod's process (kinglet-pod) say to each other.
//
// Two sockets lead into kinglet-pod:
//   control (SOCK_SEQPACKET): one JSON message a packet. Bulky specs travel in a memory file passed
//     along, together with the write ends of the container's stdout and stderr and with detached
//     mounts of its volumes. kinglet-pod asks here where a connect(2) of a container is to go
//     ("connect").
//   sockets (SOCK_SEQPACKET, only with an own network): each byte sent asks for one TCP socket
//   ('u':
//     a UDP socket) made inside the pod's network namespace; it comes back by SCM_RIGHTS.
//
// When the control socket closes (the kubelet is gone, however it went), kinglet-pod kills all it
// started and exits. Both ends are ours and of one version; still nothing is trusted unchecked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"

namespace kinglet::kubelet::pod {

// The descriptors kinglet-pod is started with.
inline constexpr int kControlFd = 3;
inline constexpr int kSocketsFd = 4;
inline constexpr int kLockFd = 5;    // flock()ed: held as long as anything of the pod runs
inline constexpr int kConfigFd = 6;  // a memory file with PodConfig
inline constexpr size_t kMaxPacket = 32 << 10;

struct PodConfig {
  bool namespaces = false;   // else everything runs on the host
  bool own_network = false;  // with namespaces only
  std::string hostname;
  // Whether connect(2) and bind(2) of the containers are intercepted (intercept.h), and then:
  bool intercept = false;
  std::string address;       // the pod's IP, a loopback address of the host
  bool own_address = false;  // on the host's network: listen at `address`, not at all of them
  int dns_port = 0;          // on the host, at `address`: the cluster's names
  // The user and group of this machine that the containers run as; -1: those of the kubelet.
  int64_t host_id = -1;

  Json ToJson() const;
  static PodConfig FromJson(const Json& json);
};

struct Mount {
  std::string source;  // a volume on the host, canonical
  std::string target;  // in the container, absolute
  bool read_only = false;
  std::string sub;       // what is mounted of the volume, relative; "": all
  bool make_sub = true;  // if it does not exist
  // The place, among the descriptors that come with the container's start, of a detached mount of
  // the source; -1: the source is opened by its path.
  int tree = -1;

  bool operator==(const Mount&) const = default;
};

struct ContainerSpec {
  std::vector<std::string> argv;  // argv[0] without "/" is looked up in env's PATH
  std::vector<std::string> env;   // NAME=value
  std::string cwd;                // "" : "/" in a root of its own, else the kubelet's
  // With namespaces: what the container sees.
  std::string root_dir;                 // an empty folder of the pod to build the root on
  std::vector<std::string> host_paths;  // further read-only paths
  std::vector<Mount> mounts;
  std::string hosts_file;   // a host file to bind at /etc/hosts
  std::string resolv_file;  // ... and at /etc/resolv.conf; "": the host's
  std::string tmp_dir;      // a host folder to bind at /tmp
  bool read_only_root = false;
  bool pod_network = false;        // else the host's
  int64_t uid = 1000, gid = 1000;  // as the container sees them; on the host PodConfig::host_id
  uint64_t capabilities = 0;       // a bit each: what a root user of the container may have
  bool unix_sockets = true;        // those of the host's network are the host's
  // Run inside an existing container instead (exec): its id.
  std::string join;

  Json ToJson() const;
  static ContainerSpec FromJson(const Json& json);
};

// One packet with descriptors. kUnavailable when the peer is gone; kCancelled is never returned.
Status SendPacket(int socket, std::string_view text, const std::vector<int>& fds = {});
struct Packet {
  std::string text;
  std::vector<Fd> fds;
};
// Blocks. kUnavailable at the end of the stream.
Result<Packet> ReceivePacket(int socket);

// An anonymous memory file with these bytes, to be read from its start.
Result<Fd> MakeMemoryFile(std::string_view bytes);
Result<std::string> ReadMemoryFile(int fd, size_t limit = 8 << 20);

}  // namespace kinglet::kubelet::pod
