#include "local/kubelet/services.h"

#include "base/text.h"
#include "kube/object.h"

namespace kinglet::kubelet {
namespace {

std::vector<std::string_view> Labels(std::string_view name) {
  std::vector<std::string_view> labels;
  while (!name.empty()) {
    size_t dot = name.find('.');
    labels.push_back(name.substr(0, dot));
    name = dot == name.npos ? "" : name.substr(dot + 1);
  }
  return labels;
}

std::vector<std::string> ReadyAddresses(const Json& endpoints, std::string_view host) {
  std::vector<std::string> found;
  for (const Json& subset : endpoints["subsets"].AsArray()) {
    for (const Json& address : subset["addresses"].AsArray()) {
      if (host.empty() || address["hostname"].AsString() == host ||
          address["targetRef"]["name"].AsString() == host) {
        found.push_back(address["ip"].AsString());
      }
    }
  }
  return found;
}

}  // namespace

ClusterServices::ClusterServices(kube::Client& client)
    : services_(client, kube::kService), endpoints_(client, kube::kEndpoints) {
  services_.AddIndex("ip", [](const Json& service) {
    return std::vector<std::string>{service["spec"]["clusterIP"].AsString()};
  });
}

void ClusterServices::Start(std::stop_token stop) {
  services_.Start(stop);
  endpoints_.Start(stop);
}

bool ClusterServices::WaitForSync(Deadline deadline) const {
  return services_.WaitForSync(deadline) && endpoints_.WaitForSync(deadline);
}

std::optional<std::vector<std::string>> ClusterServices::Resolve(std::string_view name,
                                                                 std::string_view ns) const {
  std::string lower = AsciiLower(name);
  std::string_view rest = lower;
  if (rest.ends_with('.')) rest.remove_suffix(1);
  const std::string suffix = "." + std::string(kClusterDomain);
  bool whole = rest.ends_with(suffix);
  if (whole) rest.remove_suffix(suffix.size());
  auto labels = Labels(rest);
  bool svc = labels.size() > 1 && labels.back() == "svc";
  if (svc) labels.pop_back();
  // "a.b.cluster.local" is no name of the cluster, and other names must not be taken for one.
  if (whole != svc && whole) return std::nullopt;
  std::string_view service, host;
  if (labels.size() == 1 && !svc) {
    service = labels[0];
  } else if (labels.size() == 2) {
    service = labels[0];
    ns = labels[1];
  } else if (labels.size() == 3) {
    host = labels[0];
    service = labels[1];
    ns = labels[2];
  } else {
    return std::nullopt;
  }
  kube::ObjectKey key{std::string(ns), std::string(service)};
  auto object = services_.Get(key);
  if (!object) return std::nullopt;
  const std::string& ip = (*object)["spec"]["clusterIP"].AsString();
  if (host.empty() && !ip.empty() && ip != "None") return std::vector{ip};
  auto endpoints = endpoints_.Get(key);
  auto found = endpoints ? ReadyAddresses(*endpoints, host) : std::vector<std::string>{};
  if (!host.empty() && found.empty()) return std::nullopt;
  return found;
}

Result<ClusterServices::Target> ClusterServices::Pick(std::string_view ip, int port) {
  auto services = services_.ByIndex("ip", ip);
  if (services.empty()) return Fail(Code::kNotFound, "no service has the address {}", ip);
  const Json& service = *services.front();
  for (const Json& service_port : service["spec"]["ports"].AsArray()) {
    if (service_port["port"].AsInt() != port) continue;
    std::vector<Target> ready;
    auto endpoints = endpoints_.Get(kube::KeyOf(service));
    for (const Json& subset : endpoints ? (*endpoints)["subsets"].AsArray() : Json::Array()) {
      for (const Json& target : subset["ports"].AsArray()) {
        if (target["name"].AsString() != service_port["name"].AsString()) continue;
        for (const Json& address : subset["addresses"].AsArray()) {
          ready.push_back({address["ip"].AsString(), static_cast<int>(target["port"].AsInt())});
        }
      }
    }
    if (ready.empty()) {
      return Fail(Code::kUnavailable, "service {} has no ready pod",
                  kube::KeyOf(service).ToString());
    }
    return ready[turn_++ % ready.size()];
  }
  return Fail(Code::kUnavailable, "service {} has no port {}", kube::KeyOf(service).ToString(),
              port);
}

}  // namespace kinglet::kubelet
