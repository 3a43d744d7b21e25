// How a pod's programs reach names and addresses of the cluster: connect(2) (and bind(2)) stop in
// a seccomp filter, and kinglet-pod makes the call for them, with another address where the plan
// says so. The socket stays the program's own, so epoll, timeouts and options are as it set them.
// Works without privileges, for any program, whatever library it uses. See seccomp_unotify(2) and
// docs/adr/0003-pod-network.md.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"
#include "local/kubelet/pod/protocol.h"

namespace kinglet::kubelet::pod {

// In the child, before exec: from now on its connect(2) and bind(2) wait for who reads the returned
// descriptor. Needs no_new_privs. kPermissionDenied where the kernel refuses.
Result<Fd> InstallFilter();

// Tries all of it, between this process and a child. The error says what is missing.
Status TryInterception();

// Serves the filters of all containers of a pod. One thread.
class Interceptor {
 public:
  // `ask` sends a question to the kubelet; the answer comes to Answer.
  Interceptor(const PodConfig& config, std::function<void(const Json&)> ask);

  // `in_pod`: the container is in the pod's own network.
  void Add(Fd listener, bool in_pod);
  std::vector<int> Descriptors() const;
  // Something happened on a descriptor; true when it was one of ours.
  bool Handle(int descriptor);
  // {"id": n} as asked, and "ip" and "port" to go to instead, or "refused": true, or neither (the
  // call goes on as it is).
  void Answer(const Json& message);

 private:
  struct Address {
    bool v6 = false;
    uint32_t v4 = 0;  // host order; of v4-mapped addresses, too
    in6_addr in6{};
    uint16_t port = 0;

    bool IsLoopback() const;
    bool IsAny() const;
    std::string Text() const;
  };
  struct Call {
    int listener = -1;
    uint64_t id = 0;
    int process = 0, fd = 0;
    bool is_bind = false;
    Address address;
  };

  void Decide(const Call& call, bool in_pod);
  // Makes the call with this IPv4 address on the program's socket.
  void Perform(const Call& call, uint32_t ip, uint16_t port);
  static void Continue(const Call& call);
  static void Finish(const Call& call, int error);

  const PodConfig& config_;
  const std::function<void(const Json&)> ask_;
  uint32_t pod_ip_ = 0;
  std::map<int, std::pair<Fd, bool>> listeners_;  // with in_pod
  std::map<int64_t, Call> asked_;
  int64_t last_question_ = 0;
  std::set<uint16_t> bound_;  // ports the pod listens on at its own address of the host
};

}  // namespace kinglet::kubelet::pod
