#include "local/workloads/endpoints.h"

#include <algorithm>
#include <map>

#include "kube/object.h"
#include "local/workloads/replica_set.h"

namespace kinglet::workloads {

std::optional<int64_t> ResolveTargetPort(const Json& service_port, const Json& pod) {
  const Json& target = service_port["targetPort"];
  if (target.IsNull()) return service_port["port"].AsInt();
  if (target.IsNumber()) return target.AsInt() ? target.AsInt() : service_port["port"].AsInt();
  for (const Json& container : pod["spec"]["containers"].AsArray()) {
    for (const Json& port : container["ports"].AsArray()) {
      if (port["name"].AsString() == target.AsString() &&
          port["protocol"].StringOr("TCP") == service_port["protocol"].StringOr("TCP")) {
        return port["containerPort"].AsInt();
      }
    }
  }
  return std::nullopt;
}

Json MakeEndpoints(const Json& service, const std::vector<Json>& pods) {
  if (service["spec"]["selector"].empty() || service["spec"]["type"].AsString() == "ExternalName") {
    return {};
  }
  struct Subset {
    Json ports, ready = Json::MakeArray({}), unready = Json::MakeArray({});
  };
  std::map<std::string, Subset> subsets;  // pods with the same ports together
  std::vector<const Json*> sorted;
  for (const Json& pod : pods) {
    if (IsActivePod(pod) && !pod["status"]["podIP"].AsString().empty()) sorted.push_back(&pod);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Json* a, const Json* b) {
    return (*a)["status"]["podIP"].AsString() < (*b)["status"]["podIP"].AsString();
  });
  for (const Json* pod : sorted) {
    Json ports = Json::MakeArray({});
    for (const Json& port : service["spec"]["ports"].AsArray()) {
      auto number = ResolveTargetPort(port, *pod);
      if (!number) continue;
      Json entry =
          Json::MakeObject({{"port", *number}, {"protocol", port["protocol"].StringOr("TCP")}});
      for (const char* key : {"name", "appProtocol"}) {
        if (port.Has(key)) entry.Set(key, port[key]);
      }
      ports.Push(std::move(entry));
    }
    Json address =
        Json::MakeObject({{"ip", (*pod)["status"]["podIP"]},
                          {"nodeName", (*pod)["spec"]["nodeName"]},
                          {"targetRef", Json::MakeObject({{"kind", "Pod"},
                                                          {"namespace", kube::Namespace(*pod)},
                                                          {"name", kube::Name(*pod)},
                                                          {"uid", kube::Uid(*pod)}})}});
    Subset& subset = subsets[ports.Dump()];
    subset.ports = std::move(ports);
    bool ready = IsPodReady(*pod) || service["spec"]["publishNotReadyAddresses"].AsBool();
    (ready ? subset.ready : subset.unready).Push(std::move(address));
  }
  Json endpoints = kube::MakeObjectMeta("v1", "Endpoints", kube::KeyOf(service));
  if (kube::Labels(service).IsObject()) {
    endpoints.Path({"metadata", "labels"}) = kube::Labels(service);
  }
  endpoints.Path({"metadata", "ownerReferences"}) =
      Json::MakeArray({kube::MakeControllerReference(service)});
  Json list = Json::MakeArray({});
  for (auto& [key, subset] : subsets) {
    Json entry = Json::MakeObject({{"ports", subset.ports}});
    if (!subset.ready.empty()) entry.Set("addresses", subset.ready);
    if (!subset.unready.empty()) entry.Set("notReadyAddresses", subset.unready);
    list.Push(std::move(entry));
  }
  endpoints.Set("subsets", std::move(list));
  return endpoints;
}

Json MakeEndpointSlice(const Json& service, const Json& endpoints) {
  Json slice = kube::MakeObjectMeta("discovery.k8s.io/v1", "EndpointSlice",
                                    {kube::Namespace(service), kube::Name(service) + "-kinglet"});
  slice.Path({"metadata", "labels"}) =
      Json::MakeObject({{"kubernetes.io/service-name", kube::Name(service)},
                        {"endpointslice.kubernetes.io/managed-by", "kinglet"}});
  slice.Path({"metadata", "ownerReferences"}) =
      Json::MakeArray({kube::MakeControllerReference(service)});
  slice.Set("addressType", "IPv4");
  Json list = Json::MakeArray({}), ports = Json::MakeArray({});
  for (const Json& subset : endpoints["subsets"].AsArray()) {
    if (ports.empty()) ports = subset["ports"];
    for (bool ready : {true, false}) {
      for (const Json& address : subset[ready ? "addresses" : "notReadyAddresses"].AsArray()) {
        list.Push(Json::MakeObject(
            {{"addresses", Json::MakeArray({address["ip"]})},
             {"conditions",
              Json::MakeObject({{"ready", ready}, {"serving", ready}, {"terminating", false}})},
             {"nodeName", address["nodeName"]},
             {"targetRef", address["targetRef"]}}));
      }
    }
  }
  slice.Set("endpoints", std::move(list));
  slice.Set("ports", std::move(ports));
  return slice;
}

}  // namespace kinglet::workloads
