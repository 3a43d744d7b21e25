// The gateway of standalone mode: one HTTP port in front of all InferenceServices. It plays the
// Ingress controller (networking/v1) and the cluster's DNS for the names of Services.
//
//   Host: <host of an Ingress rule>                  the rule's backend
//   Host: <svc>.<ns>.svc[.cluster.local][:port]      the Service; <svc>.<ns>, too, if it is among
//                                                    allowed_hosts (see RoutingTable::KnowsHost)
//   /serving/<ns>/<name>/<rest>                      the backend of Ingress <ns>/<name>'s first "/"
//                                                    rule, with the path /<rest>
//
// Predictions are open to every program on the machine, without credentials. Web pages are not let
// in (net/http/browser_guard.h), nor are requests to load or unload models (/v2/repository/...),
// which need the pod's own address and the model server's consent.
//
// The paths of all services are one origin to a browser. So what a service answers there is no page
// of that origin (Content-Security-Policy: sandbox), and neither gets nor sets its cookies, which
// would be those of all servers of the machine.
//
// A request goes to the ready pod with the fewest requests in flight; when no connection can be
// made and the request can be sent again, to another one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "kube/client.h"
#include "net/loop.h"

namespace kinglet::gateway {

struct Options {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free port
  std::string cluster_domain = "cluster.local";
  // How long a request may wait for a pod to become ready before it gets 503. Zero: not at all.
  Duration ready_wait = Duration::zero();
  // Host names besides those of routes, and origins of web pages, that are let in.
  std::vector<std::string> allowed_hosts, allowed_origins;
  size_t max_connections = 20'000;
  MetricsRegistry* metrics = nullptr;
};

class Gateway {
 public:
  // `client` and `loops` must outlive the gateway; `loops` is running.
  static std::unique_ptr<Gateway> Make(kube::Client& client, net::LoopGroup& loops,
                                       Options options);
  virtual ~Gateway() = default;

  // Listens (kUnavailable when the port is taken), lists what it routes by, then accepts.
  virtual Status Start() = 0;
  // Answers what is in flight, then closes. Not on a loop thread.
  virtual void Stop(Deadline deadline) = 0;
  virtual int port() const = 0;

  // Sends nothing more to this pod and waits until it has answered what it was sent. True when
  // nothing was in flight any more at the deadline. Any thread but a loop's. For
  // kubelet::Options::before_stop.
  virtual bool Retire(const std::string& pod_ip, Deadline deadline) = 0;
};

}  // namespace kinglet::gateway
