// Where a request goes: an immutable table made from Ingresses, Services and Endpoints.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace kinglet::gateway {

// One pod's port. Lives across tables, so that what is in flight stays counted.
struct Endpoint {
  std::string ip;
  int port = 0;
  std::atomic<int64_t> outstanding{0};
  std::atomic<bool> retired{false};  // gets nothing new any more
};
using EndpointPtr = std::shared_ptr<Endpoint>;

// The endpoints known so far. Not thread-safe: the table's builder owns it.
class EndpointRegistry {
 public:
  EndpointPtr Get(const std::string& ip, int port);
  // Forgets those that are in no table any more and have nothing in flight. An address that comes
  // back later is a new pod's: it is not retired.
  void Prune(const std::set<EndpointPtr>& in_use);
  std::vector<EndpointPtr> OfPod(const std::string& ip) const;

 private:
  std::map<std::pair<std::string, int>, EndpointPtr> known_;
  std::vector<EndpointPtr> leaving_;  // not in a table, but with requests in flight
};

// A port of a Service.
struct Backend {
  std::string ns, service;
  std::vector<EndpointPtr> endpoints;  // ready ones
};
using BackendPtr = std::shared_ptr<const Backend>;

struct Match {
  BackendPtr backend;  // null: no route
  std::string target;  // path and query to send, where it differs from what was received
  std::string hint;    // without a backend: what the caller may have meant
};

class RoutingTable {
 public:
  // Objects as the API gives them; `endpoints` are core/v1 Endpoints.
  static std::shared_ptr<const RoutingTable> Build(const std::vector<Json>& ingresses,
                                                   const std::vector<Json>& services,
                                                   const std::vector<Json>& endpoints,
                                                   std::string_view cluster_domain,
                                                   EndpointRegistry& registry);

  // Whether requests may be sent to this name (lower case, without a port): an Ingress has it, or
  // it is a Service's below .svc. Not <svc>.<ns>: a namespace may be called as a top-level domain
  // is
  // ("ml", "dev"), and whoever registers the name there has a page in browsers at this address.
  bool KnowsHost(std::string_view name) const;
  // `host` is the Host header as sent; `path` is raw, without the query.
  Match Find(std::string_view host, std::string_view path, std::string_view query) const;

 private:
  struct Rule {
    std::string path;
    bool exact = false;
    BackendPtr backend;
  };
  struct Service {
    std::map<int, BackendPtr> ports;
    std::map<std::string, BackendPtr, std::less<>> names;
    BackendPtr first;
  };
  struct InferenceService {
    BackendPtr main, explainer;
  };

  const Service* FindService(std::string_view host) const;
  Match FindByPath(std::string_view path, std::string_view query) const;
  static const Rule* BestRule(const std::vector<Rule>& rules, std::string_view path);
  std::string Hint(std::string_view host) const;

  std::map<std::string, std::vector<Rule>, std::less<>> hosts_;  // lower case; "*.x" for wildcards
  std::map<std::string, Service, std::less<>> services_;         // "ns/name"
  std::map<std::string, InferenceService, std::less<>> served_;  // "ns/name"
  std::string cluster_domain_;
};

// Whether a raw path leads to the endpoints that load, unload or list a server's models
// (/v2/repository/...), however it is written: model servers decode and simplify paths in different
// ways.
bool IsRepositoryPath(std::string_view path);

// Fewest requests in flight among those not retired and not in `tried`; null where there is none.
// Among equals it goes round, starting at `turn`.
EndpointPtr PickEndpoint(const Backend& backend, const std::vector<EndpointPtr>& tried,
                         uint64_t turn);

}  // namespace kinglet::gateway
