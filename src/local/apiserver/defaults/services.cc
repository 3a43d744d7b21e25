#include "local/apiserver/defaults/defaults.h"

namespace kinglet::local {
namespace {

void DefaultPorts(Json* ports) {
  if (!ports || !ports->IsArray()) return;
  for (Json& port : ports->MutableArray()) Default(port, "protocol", "TCP");
}

}  // namespace

void DefaultService(Json& object) {
  Json& spec = object.Ref("spec");
  Default(spec, "type", "ClusterIP");
  Default(spec, "sessionAffinity", "None");
  if (spec["sessionAffinity"].AsString() == "ClientIP") {
    Default(spec.Path({"sessionAffinityConfig", "clientIP"}), "timeoutSeconds", 10800);
  }
  if (Json* ports = spec.Find("ports"); ports && ports->IsArray()) {
    for (Json& port : ports->MutableArray()) {
      Default(port, "protocol", "TCP");
      const Json& target = port["targetPort"];
      bool unset = target.IsNull() || (target.IsInt() && target.AsInt() == 0) ||
                   (target.IsString() && target.AsString().empty());
      if (unset) {
        Json number = port["port"];
        port.Set("targetPort", std::move(number));
      }
    }
  }
  const std::string& type = spec["type"].AsString();
  if (type == "NodePort" || type == "LoadBalancer") {
    Default(spec, "externalTrafficPolicy", "Cluster");
  }
  if (type == "LoadBalancer") Default(spec, "allocateLoadBalancerNodePorts", true);
  if (type != "ExternalName") {
    Default(spec, "internalTrafficPolicy", "Cluster");
    Default(spec, "ipFamilies", Json::MakeArray({"IPv4"}));
    Default(spec, "ipFamilyPolicy", "SingleStack");
  }
}

void DefaultIngress(Json& object) {
  Json* rules = object.Ref("spec").Find("rules");
  if (!rules || !rules->IsArray()) return;
  for (Json& rule : rules->MutableArray()) {
    Json* http = rule.Find("http");
    Json* paths = http ? http->Find("paths") : nullptr;
    if (!paths || !paths->IsArray()) continue;
    for (Json& path : paths->MutableArray()) Default(path, "pathType", "ImplementationSpecific");
  }
}

void DefaultEndpoints(Json& object) {
  Json* subsets = object.Find("subsets");
  if (!subsets || !subsets->IsArray()) return;
  for (Json& subset : subsets->MutableArray()) DefaultPorts(subset.Find("ports"));
}

void DefaultEndpointSlice(Json& object) {
  Json* ports = object.Find("ports");
  DefaultPorts(ports);
  if (!ports || !ports->IsArray()) return;
  for (Json& port : ports->MutableArray()) Default(port, "name", "");
}

}  // namespace kinglet::local
