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
constexpr int kDefaultTimeoutSeconds = 60;

// Where a rule leads.
struct Backend {
  std::string service;
  int64_t timeout_seconds;
};

Backend BackendOf(const ComponentPlan& plan) {
  return {plan.name, plan.extension->timeout.value_or(kDefaultTimeoutSeconds)};
}

Json Rule(std::string_view path, const Backend& backend, const api::InferenceService& isvc) {
  auto header = [](std::string_view name, std::string_view value) {
    return Json::MakeObject({{"name", name}, {"value", value}});
  };
  Json modifier =
      Json::MakeObject({{"set", Json::MakeArray({header("KServe-Isvc-Name", isvc.name()),
                                                 header("KServe-Isvc-Namespace", isvc.ns())})}});
  Json match = Json::MakeObject(
      {{"path", Json::MakeObject({{"type", "RegularExpression"}, {"value", path}})}});
  Json target = Json::MakeObject({{"group", ""},
                                  {"kind", "Service"},
                                  {"name", backend.service},
                                  {"namespace", isvc.ns()},
                                  {"port", api::kServicePort},
                                  {"weight", 1}});
  return Json::MakeObject(
      {{"matches", Json::MakeArray({std::move(match)})},
       {"filters",
        Json::MakeArray({Json::MakeObject(
            {{"type", "RequestHeaderModifier"}, {"requestHeaderModifier", std::move(modifier)}})})},
       {"backendRefs", Json::MakeArray({std::move(target)})},
       {"timeouts", Json::MakeObject({{"request", fmt::format("{}s", backend.timeout_seconds)}})}});
}

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

Result<Json> TopLevelRoute(const api::InferenceService& isvc,
                           std::span<const ComponentPlan> components, const api::Config& config) {
  const auto& ingress = *config.ingress;
  const ComponentPlan* explainer = Find(components, ComponentKind::kExplainer);
  const ComponentPlan* front = Find(components, ComponentKind::kTransformer);
  if (!front) front = Find(components, ComponentKind::kPredictor);
  KINGLET_TRY(std::string host, MakeHost(isvc.name(), isvc, ingress));
  Json hostnames = Json::MakeArray({host});
  for (auto& other :
       AdditionalHosts({ingress.IngressHost()}, host, ingress.additional_ingress_domains)) {
    if (other != host) hostnames.Push(std::move(other));
  }

  Json rules = Json::MakeArray();
  if (explainer) rules.Push(Rule(kExplainPath, BackendOf(*explainer), isvc));
  rules.Push(Rule(kAnyPath, BackendOf(*front), isvc));
  if (!ingress.path_template.empty()) {
    KINGLET_TRY(std::string path, MakePath(isvc, ingress));
    if (path.ends_with('/')) path.pop_back();
    if (explainer) {
      rules.Push(Rule(path + R"((/v1/models/[\w-]+:explain)$)", BackendOf(*explainer), isvc));
    }
    rules.Push(Rule(path + "/", BackendOf(*front), isvc));
    hostnames.Push(ingress.IngressHost());
  }
  return MakeRoute(isvc.name(), std::move(hostnames), std::move(rules), isvc, config);
}

}  // namespace

Result<std::vector<Json>> MakeHttpRoutes(const api::InferenceService& isvc,
                                         std::span<const ComponentPlan> components,
                                         const api::Config& config) {
  if (!config.inference_service) return Unexpected(config.inference_service.error());
  std::vector<Json> routes;
  for (const auto& component : components) {
    KINGLET_TRY(std::string host, MakeHost(component.name, isvc, *config.ingress));
    routes.push_back(MakeRoute(component.name, Json::MakeArray({host}),
                               Json::MakeArray({Rule(kAnyPath, BackendOf(component), isvc)}), isvc,
                               config));
  }
  KINGLET_TRY(Json top, TopLevelRoute(isvc, components, config));
  routes.push_back(std::move(top));
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
