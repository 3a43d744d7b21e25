#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

bool SpeaksHttp2(std::string_view port_name) {
  return port_name.find("grpc") != std::string_view::npos ||
         port_name.find("h2c") != std::string_view::npos;
}

Json MakePort(const Json& container_port, bool first) {
  const auto& name = container_port["name"].AsString();
  int64_t number = container_port["containerPort"].AsInt();
  Json port = Json::MakeObject({{"name", name},
                                {"port", first ? int64_t{api::kServicePort} : number},
                                {"targetPort", number},
                                {"protocol", container_port["protocol"].StringOr("TCP")}});
  if (SpeaksHttp2(name)) port.Set("appProtocol", "kubernetes.io/h2c");
  if (name.empty()) port.Erase("name");
  return port;
}

Json MakePorts(const ComponentPlan& plan) {
  const Json& containers = plan.pod["containers"];
  const Json* container = api::FindContainer(containers, api::kTransformerContainer);
  if (!container) container = &containers[0];
  Json ports = Json::MakeArray();
  for (const Json& port : (*container)["ports"].AsArray()) {
    ports.Push(MakePort(port, ports.empty()));
  }
  if (ports.empty()) {
    ports.Push(Json::MakeObject({{"name", plan.name},
                                 {"port", api::kServicePort},
                                 {"targetPort", api::kHttpPort},
                                 {"protocol", "TCP"}}));
  }
  // The agent stands in front of the server.
  if (plan.extension->batcher || plan.extension->logger) {
    ports.MutableArray()[0].Set("targetPort", api::kAgentPort);
  }
  return ports;
}

}  // namespace

Json MakeService(const ComponentPlan& plan, std::string_view ns, const api::ServiceConfig& config) {
  Json service = MakeComponentObject("v1", "Service", plan, ns);
  Json selector = Json::MakeObject({{api::label::kApp, "isvc." + plan.name}});
  Json spec = Json::MakeObject({{"selector", std::move(selector)}, {"ports", MakePorts(plan)}});
  if (config.service_cluster_ip_none) spec.Set("clusterIP", "None");
  service.Set("spec", std::move(spec));
  return service;
}

}  // namespace kinglet::control
