#include "control/inferenceservice/host_claims.h"

#include <algorithm>

#include "kube/object.h"

namespace kinglet::control {
namespace {

void AddHosts(const Json& route, const std::string& shared, std::set<std::string>& hosts) {
  auto add = [&](const Json& host) {
    if (host.IsString() && host.AsString() != shared) hosts.insert(host.AsString());
  };
  for (const Json& rule : route["spec"]["rules"].AsArray()) add(rule["host"]);  // Ingress
  for (const Json& host : route["spec"]["hostnames"].AsArray()) {               // HTTPRoute
    add(host);
    if (host.AsString() != shared) continue;
    for (const Json& rule : route["spec"]["rules"].AsArray()) {
      for (const Json& match : rule["matches"].AsArray()) {
        hosts.insert(shared + match["path"]["value"].AsString());
      }
    }
  }
}

}  // namespace

void HostClaims::CountExisting(State& state, const kube::Informer& live,
                               const std::string& shared) {
  if (!live.KindExists() || !state.known_kinds.insert(live.type().kind).second) return;
  auto routes = live.List();
  // If two namespaces have one host already, the older route is the holder's.
  std::ranges::sort(routes, {}, [](const kube::ObjectPtr& route) {
    return std::pair(kube::CreationTimestamp(*route), kube::KeyOf(*route));
  });
  for (const auto& route : routes) {
    const Json* controller = kube::ControllerOf(*route);
    if (!controller || (*controller)["kind"].AsString() != kube::kInferenceService.kind) continue;
    const kube::ObjectKey owner{.ns = kube::Namespace(*route),
                                .name = (*controller)["name"].AsString()};
    std::set<std::string> hosts;
    AddHosts(*route, shared, hosts);
    for (const auto& host : hosts) {
      auto& holders = state.holders[host];
      if (!holders.empty() && holders.begin()->ns != owner.ns) continue;
      holders.insert(owner);
      state.hosts[owner].insert(host);
    }
  }
}

void HostClaims::Drop(State& state, const kube::ObjectKey& owner) {
  auto found = state.hosts.find(owner);
  if (found == state.hosts.end()) return;
  for (const auto& host : found->second) {
    auto holders = state.holders.find(host);
    holders->second.erase(owner);
    if (holders->second.empty()) state.holders.erase(holders);
  }
  state.hosts.erase(found);
}

std::optional<HostClaims::Conflict> HostClaims::Claim(const kube::ObjectKey& owner,
                                                      std::span<const DesiredObject> routes,
                                                      const std::string& shared,
                                                      const kube::Informer& live) {
  std::set<std::string> wanted;
  for (const auto& route : routes) AddHosts(route.object, shared, wanted);
  return state_.With([&](State& state) -> std::optional<Conflict> {
    CountExisting(state, live, shared);
    for (const auto& host : wanted) {
      auto holders = state.holders.find(host);
      if (holders == state.holders.end() || holders->second.begin()->ns == owner.ns) continue;
      return Conflict{host, *holders->second.begin()};
    }
    Drop(state, owner);
    for (const auto& host : wanted) state.holders[host].insert(owner);
    state.hosts[owner] = std::move(wanted);
    return std::nullopt;
  });
}

void HostClaims::Release(const kube::ObjectKey& owner) {
  state_.With([&](State& state) { Drop(state, owner); });
}

}  // namespace kinglet::control
