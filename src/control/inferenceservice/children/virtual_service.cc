#include "control/inferenceservice/children/virtual_service.h"

#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kMesh = "mesh";
constexpr std::string_view kExplainPath = R"(^/v1/models/[\w-]+:explain$)";
constexpr std::string_view kExplainUnderPath = R"((/v1/models/[\w-]+:explain)$)";

// An expression for exactly these characters, as Go's regexp.QuoteMeta writes it.
std::string Quote(std::string_view text) {
  constexpr std::string_view kSpecial = R"(\.+*?()|[]{}^$)";
  std::string out;
  for (char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// The host with or without a port.
Json HostMatch(std::string_view host) {
  return Json::MakeObject({{"regex", fmt::format(R"(^{}(?::\d{{1,5}})?$)", Quote(host))}});
}

Json Match(Json uri, std::string_view host, Json gateways) {
  Json match =
      Json::MakeObject({{"authority", HostMatch(host)}, {"gateways", std::move(gateways)}});
  if (!uri.IsNull()) match.Set("uri", std::move(uri));
  return match;
}

void Add(std::vector<std::string>& list, const std::string& item) {
  if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

// Makes the routes of one InferenceService.
class Routes {
 public:
  Routes(const api::InferenceService& isvc, const api::IngressConfig& config,
         const VirtualServiceInput& input)
      : isvc_(isvc), config_(config), input_(input) {
    internal_host_ = Host(isvc.name());
    is_internal_ = isvc.Label(api::label::kKnativeVisibility) == api::label::kClusterLocal ||
                   input.service_host == internal_host_;
    if (!is_internal_) {
      additional_hosts_ = AdditionalHosts(input.knative_domains, input.service_host,
                                          config.additional_ingress_domains);
    }
  }

  bool is_internal() const { return is_internal_; }
  const std::string& internal_host() const { return internal_host_; }
  const std::vector<std::string>& additional_hosts() const { return additional_hosts_; }

  // By host; `path` is an expression, or empty for any.
  Json ByHost(std::string_view path, ComponentKind backend) const {
    Json uri = path.empty() ? Json() : Json::MakeObject({{"regex", path}});
    std::vector<std::string> outside;
    if (!is_internal_) {
      outside.push_back(input_.service_host);
      for (const auto& host : additional_hosts_) Add(outside, host);
    }
    Json matches = Json::MakeArray(
        {Match(uri, internal_host_, Json::MakeArray({config_.local_gateway, kMesh}))});
    for (const auto& host : outside) {
      matches.Push(Match(uri, host, Json::MakeArray({config_.ingress_gateway})));
    }
    return Route(std::move(matches), backend);
  }

  Json ExplainByPath(const std::string& path) const {
    const std::string expression = path + std::string(kExplainUnderPath);
    Json route = Route(Json::MakeArray({MatchDomain(Json::MakeObject({{"regex", expression}}))}),
                       ComponentKind::kExplainer);
    route.Set("rewrite", Json::MakeObject(
                             {{"uriRegexRewrite",
                               Json::MakeObject({{"match", expression}, {"rewrite", R"(\1)"}})}}));
    return route;
  }

  Json PredictByPath(const std::string& path, ComponentKind backend) const {
    Json route = Route(Json::MakeArray({MatchDomain(Json::MakeObject({{"prefix", path + "/"}})),
                                        MatchDomain(Json::MakeObject({{"exact", path}}))}),
                       backend);
    route.Set("rewrite", Json::MakeObject({{"uri", "/"}}));
    return route;
  }

 private:
  std::string Host(std::string_view name) const {
    return ClusterHost(name, isvc_.ns(), input_.cluster_domain);
  }

  Json MatchDomain(Json uri) const {
    return Match(std::move(uri), config_.ingress_domain,
                 Json::MakeArray({config_.ingress_gateway}));
  }

  // Knative's local gateway finds the component by its host.
  Json Route(Json matches, ComponentKind backend) const {
    const std::string service = fmt::format("{}-{}{}", isvc_.name(), ComponentName(backend),
                                            input_.legacy_names ? "-default" : "");
    Json set = Json::MakeObject({{"Host", Host(service)},
                                 {"KServe-Isvc-Name", isvc_.name()},
                                 {"KServe-Isvc-Namespace", isvc_.ns()}});
    Json headers = Json::MakeObject({{"request", Json::MakeObject({{"set", std::move(set)}})}});
    Json port = Json::MakeObject({{"number", api::kServicePort}});
    Json destination = Json::MakeObject(
        {{"host", config_.knative_local_gateway_service}, {"port", std::move(port)}});
    Json target = Json::MakeObject({{"destination", std::move(destination)}, {"weight", 100}});
    return Json::MakeObject({{"match", std::move(matches)},
                             {"route", Json::MakeArray({std::move(target)})},
                             {"headers", std::move(headers)}});
  }

  const api::InferenceService& isvc_;
  const api::IngressConfig& config_;
  const VirtualServiceInput& input_;
  std::string internal_host_;
  bool is_internal_ = false;
  std::vector<std::string> additional_hosts_;
};

}  // namespace

std::string ClusterHost(std::string_view name, std::string_view ns,
                        std::string_view cluster_domain) {
  return fmt::format("{}.{}.svc.{}", name, ns, cluster_domain);
}

std::vector<std::string> AdditionalHosts(const std::vector<std::string>& domains,
                                         std::string_view service_host,
                                         const std::vector<std::string>& additional_domains) {
  auto domain = std::ranges::find_if(
      domains, [&](const std::string& known) { return service_host.ends_with(known); });
  if (domain == domains.end()) return {};
  const std::string_view prefix = service_host.substr(0, service_host.size() - domain->size());
  std::vector<std::string> hosts;
  if (prefix.empty()) return hosts;
  for (const auto& additional : additional_domains) {
    std::string host = fmt::format("{}{}", prefix, additional);
    if (kube::CheckDnsSubdomain(host)) Add(hosts, host);
  }
  return hosts;
}

Result<Json> MakeVirtualService(const api::InferenceService& isvc, const api::Config& config,
                                const VirtualServiceInput& input) {
  if (!config.inference_service) return Unexpected(config.inference_service.error());
  const api::IngressConfig& ingress = *config.ingress;
  const Routes routes(isvc, ingress, input);
  const ComponentKind front =
      isvc.spec.transformer ? ComponentKind::kTransformer : ComponentKind::kPredictor;
  const bool explains = isvc.spec.explainer.has_value();

  Json http = Json::MakeArray();
  if (explains) http.Push(routes.ByHost(kExplainPath, ComponentKind::kExplainer));
  http.Push(routes.ByHost("", front));
  std::vector<std::string> hosts = {routes.internal_host()};
  Json gateways = Json::MakeArray({ingress.local_gateway, kMesh});
  if (!routes.is_internal()) {
    hosts.push_back(input.service_host);
    gateways.Push(ingress.ingress_gateway);
  }
  if (!ingress.path_template.empty()) {
    KINGLET_TRY(std::string path, MakePath(isvc, ingress));
    if (path.ends_with('/')) path.pop_back();
    if (explains) http.Push(routes.ExplainByPath(path));
    http.Push(routes.PredictByPath(path, front));
    hosts.push_back(ingress.ingress_domain);
  }
  for (const auto& host : routes.additional_hosts()) Add(hosts, host);

  Json service = kube::MakeObjectMeta("networking.istio.io/v1beta1", "VirtualService",
                                      {.ns = isvc.ns(), .name = isvc.name()});
  Json& metadata = service.Ref("metadata");
  if (isvc.metadata.Has("labels")) metadata.Set("labels", isvc.metadata["labels"]);
  if (isvc.metadata.Has("annotations")) {
    Json annotations = isvc.metadata["annotations"];
    for (const auto& name : config.inference_service->service_annotation_disallowed_list) {
      annotations.Erase(name);
    }
    metadata.Set("annotations", std::move(annotations));
  }
  Json host_list = Json::MakeArray();
  for (auto& host : hosts) host_list.Push(std::move(host));
  service.Set("spec", Json::MakeObject({{"hosts", std::move(host_list)},
                                        {"gateways", std::move(gateways)},
                                        {"http", std::move(http)}}));
  return service;
}

Json MakeExternalNameService(const api::InferenceService& isvc, const api::IngressConfig& config) {
  Json service = kube::MakeObjectMeta("v1", "Service", {.ns = isvc.ns(), .name = isvc.name()});
  service.Set("spec", Json::MakeObject({{"type", "ExternalName"},
                                        {"externalName", config.local_gateway_service},
                                        {"sessionAffinity", "None"}}));
  return service;
}

}  // namespace kinglet::control
