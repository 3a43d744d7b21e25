#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "control/inferenceservice/children/virtual_service.h"
#include "control/template.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
constexpr std::string_view kAnyPath = "^/.*$";
constexpr std::string_view kExplainPath = R"(^/v1/models/[\w-]+:explain$)";
constexpr std::string_view kGrpcPath = R"(^/inference\.GRPCInferenceService/.*$)";
constexpr int kDefaultTimeoutSeconds = 60;

// Where a rule leads.
struct Backend {
  std::vector<WeightedService> services;
  int64_t port = api::kServicePort;
  std::optional<int64_t> timeout_seconds;
};

// What a rule matches.
struct Match {
  std::string_view path;  // regular expression
  bool grpc = false;      // requests of gRPC only
};

Json HeaderValue(std::string_view name, std::string_view value) {
  return Json::MakeObject({{"name", name}, {"value", value}});
}

Json Rule(const Match& wanted, const Backend& backend, const api::InferenceService& isvc) {
  Json modifier = Json::MakeObject(
      {{"set", Json::MakeArray({HeaderValue("KServe-Isvc-Name", isvc.name()),
                                HeaderValue("KServe-Isvc-Namespace", isvc.ns())})}});
  Json match = Json::MakeObject(
      {{"path", Json::MakeObject({{"type", "RegularExpression"}, {"value", wanted.path}})}});
  if (wanted.grpc) {
    match.Set("headers", Json::MakeArray({Json::MakeObject({{"type", "RegularExpression"},
                                                            {"name", "content-type"},
                                                            {"value", "^application/grpc.*"}})}));
  }
  Json targets = Json::MakeArray();
  for (const auto& service : backend.services) {
    targets.Push(Json::MakeObject({{"group", ""},
                                   {"kind", "Service"},
                                   {"name", service.name},
                                   {"namespace", isvc.ns()},
                                   {"port", backend.port},
                                   {"weight", service.weight}}));
  }
  Json rule = Json::MakeObject(
      {{"matches", Json::MakeArray({std::move(match)})},
       {"filters",
        Json::MakeArray({Json::MakeObject(
            {{"type", "RequestHeaderModifier"}, {"requestHeaderModifier", std::move(modifier)}})})},
       {"backendRefs", std::move(targets)}});
  if (backend.timeout_seconds) {
    rule.Set("timeouts",
             Json::MakeObject({{"request", fmt::format("{}s", *backend.timeout_seconds)}}));
  }
  return rule;
}

// The ports of a component's Service by what is spoken there; 0 where nothing is.
struct ProtocolPorts {
  int64_t rest = 0, grpc = 0;
};

ProtocolPorts FindPorts(const ComponentPlan& plan, std::string_view ns, const api::Config& config) {
  ProtocolPorts ports;
  const Json service = MakeService(plan, ns, *config.service);
  for (const Json& port : service["spec"]["ports"].AsArray()) {
    int64_t& kind = port["appProtocol"].IsString() ? ports.grpc : ports.rest;
    if (kind == 0) kind = port["port"].AsInt();
  }
  return ports;
}

// What all rules of one InferenceService are made from.
class Rules {
 public:
  Rules(const api::InferenceService& isvc, const api::Config& config,
        std::span<const WeightedService> predictors)
      : isvc_(isvc), config_(config), predictors_(predictors) {}

  // Those for a path that leads to the component.
  void Add(std::string_view path, const ComponentPlan& plan, Json& rules) const {
    rules.Push(Rule({path}, To(plan), isvc_));
  }
  // Those for any path: where the component speaks both gRPC and REST, each has a rule.
  void AddAny(const ComponentPlan& plan, Json& rules) const {
    // 0.15 sends all to the first port.
    const ProtocolPorts ports =
        config_.latest && config_.service ? FindPorts(plan, isvc_.ns(), config_) : ProtocolPorts();
    if (!ports.rest || !ports.grpc) return Add(kAnyPath, plan, rules);
    Backend backend = To(plan);
    backend.port = ports.grpc;
    rules.Push(Rule({kGrpcPath, true}, backend, isvc_));
    backend.port = ports.rest;
    rules.Push(Rule({kAnyPath}, backend, isvc_));
  }

 private:
  Backend To(const ComponentPlan& plan) const {
    Backend backend;
    if (plan.kind == ComponentKind::kPredictor) {
      backend.services.assign(predictors_.begin(), predictors_.end());
    } else {
      backend.services = {{plan.name, 1}};
    }
    if (!config_.ingress->disable_http_route_timeout) {
      backend.timeout_seconds = plan.extension->timeout.value_or(kDefaultTimeoutSeconds);
    }
    return backend;
  }

  const api::InferenceService& isvc_;
  const api::Config& config_;
  std::span<const WeightedService> predictors_;
};

Json Without(const Json& map, const std::vector<std::string>& keys) {
  Json out = map.IsObject() ? map : Json::MakeObject();
  for (const auto& key : keys) out.Erase(key);
  return out;
}

Json MakeRoute(std::string_view name, Json hostnames, Json rules, const api::InferenceService& isvc,
               const api::Config& config) {
  const auto& gateway = config.ingress->kserve_ingress_gateway;
  const size_t slash = gateway.find('/');
  Json parent = Json::MakeObject({{"group", kGatewayGroup},
                                  {"kind", "Gateway"},
                                  {"namespace", gateway.substr(0, slash)},
                                  {"name", gateway.substr(slash + 1)}});
  Json route = kube::MakeObjectMeta("gateway.networking.k8s.io/v1", "HTTPRoute",
                                    {.ns = isvc.ns(), .name = std::string(name)});
  Json& metadata = route.Ref("metadata");
  metadata.Set("labels", Without(isvc.metadata["labels"],
                                 config.inference_service->service_label_disallowed_list));
  metadata.Set("annotations",
               Without(isvc.metadata["annotations"],
                       config.inference_service->service_annotation_disallowed_list));
  route.Set("spec", Json::MakeObject({{"parentRefs", Json::MakeArray({std::move(parent)})},
                                      {"hostnames", std::move(hostnames)},
                                      {"rules", std::move(rules)}}));
  return route;
}

const ComponentPlan* Find(std::span<const ComponentPlan> components, ComponentKind kind) {
  auto found = std::ranges::find(components, kind, &ComponentPlan::kind);
  return found == components.end() ? nullptr : &*found;
}

// Who answers first.
const ComponentPlan* Front(std::span<const ComponentPlan> components) {
  const ComponentPlan* transformer = Find(components, ComponentKind::kTransformer);
  return transformer ? transformer : Find(components, ComponentKind::kPredictor);
}

Result<Json> TopLevelRoute(const api::InferenceService& isvc,
                           std::span<const ComponentPlan> components, const api::Config& config,
                           const Rules& make) {
  const auto& ingress = *config.ingress;
  const ComponentPlan* explainer = Find(components, ComponentKind::kExplainer);
  const ComponentPlan* front = Front(components);
  KINGLET_TRY(std::string host, MakeHost(isvc.name(), isvc, ingress));
  Json hostnames = Json::MakeArray({host});
  for (auto& other :
       AdditionalHosts({ingress.IngressHost()}, host, ingress.additional_ingress_domains)) {
    if (other != host) hostnames.Push(std::move(other));
  }

  Json rules = Json::MakeArray();
  if (explainer) make.Add(kExplainPath, *explainer, rules);
  make.AddAny(*front, rules);
  return MakeRoute(isvc.name(), std::move(hostnames), std::move(rules), isvc, config);
}

// Of the ingress domain, which all share: the path of this InferenceService and nothing else. A
// route's rules are for all its hosts, so it is a route of its own.
Result<Json> PathRoute(const api::InferenceService& isvc, std::span<const ComponentPlan> components,
                       const api::Config& config, const Rules& make) {
  const ComponentPlan* explainer = Find(components, ComponentKind::kExplainer);
  KINGLET_TRY(std::string path, MakePath(isvc, *config.ingress));
  if (path.ends_with('/')) path.pop_back();
  Json rules = Json::MakeArray();
  if (explainer) make.Add(path + R"((/v1/models/[\w-]+:explain)$)", *explainer, rules);
  make.Add(path + "/", *Front(components), rules);
  return MakeRoute(isvc.name() + "-path", Json::MakeArray({config.ingress->IngressHost()}),
                   std::move(rules), isvc, config);
}

}  // namespace

Result<std::vector<Json>> MakeHttpRoutes(const api::InferenceService& isvc,
                                         std::span<const ComponentPlan> components,
                                         std::span<const WeightedService> predictors,
                                         const api::Config& config) {
  if (!config.inference_service) return Unexpected(config.inference_service.error());
  const Rules make(isvc, config, predictors);
  std::vector<Json> routes;
  for (const auto& component : components) {
    KINGLET_TRY(std::string host, MakeHost(component.public_name, isvc, *config.ingress));
    Json rules = Json::MakeArray();
    make.AddAny(component, rules);
    // Routes have no old names, whatever the services behind them are called.
    const std::string name = fmt::format("{}-{}", isvc.name(), ComponentName(component.kind));
    routes.push_back(MakeRoute(name, Json::MakeArray({host}), std::move(rules), isvc, config));
  }
  KINGLET_TRY(Json top, TopLevelRoute(isvc, components, config, make));
  routes.push_back(std::move(top));
  if (!config.ingress->path_template.empty()) {
    KINGLET_TRY(Json by_path, PathRoute(isvc, components, config, make));
    routes.push_back(std::move(by_path));
  }
  return routes;
}

std::optional<RouteProblem> FindRouteProblem(const Json* route) {
  const Json parents = route ? (*route)["status"]["parents"] : Json();
  if (parents.empty()) return RouteProblem{"ParentStatusNotAvailable", "HttpRouteNotReady"};
  for (const Json& parent : parents.AsArray()) {
    for (const Json& condition : parent["conditions"].AsArray()) {
      if (condition["status"].AsString() == "False") {
        return RouteProblem{condition["reason"].AsString(), condition["message"].AsString()};
      }
    }
  }
  return std::nullopt;
}

}  // namespace kinglet::control
