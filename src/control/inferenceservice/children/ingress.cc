#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/children/children.h"
#include "control/template.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

// ":8080" of an ingressDomain that carries a port.
std::string_view PortSuffix(const api::IngressConfig& config) {
  size_t colon = config.ingress_domain.find(':');
  return colon == std::string::npos ? std::string_view()
                                    : std::string_view(config.ingress_domain).substr(colon);
}

// A domain name of several labels, each of which DNS takes. A dot may end it.
Status CheckDomainName(std::string_view host) {
  auto invalid = [&](std::string_view value, std::string_view why) {
    return Fail(Code::kInvalidArgument,
                "invalid domain name \"{}\": url: Invalid value: \"{}\": {}", host, value, why);
  };
  std::string_view rest = host;
  if (rest.ends_with('.')) rest.remove_suffix(1);
  if (auto valid = kube::CheckDnsSubdomain(rest); !valid) {
    return invalid(rest, valid.error().message());
  }
  if (rest.find('.') == std::string_view::npos) {
    return invalid(rest, "should be a domain with at least two segments separated by dots");
  }
  while (!rest.empty()) {
    const std::string_view label = rest.substr(0, rest.find('.'));
    if (auto valid = kube::CheckDnsLabel(label); !valid) {
      return invalid(label, valid.error().message());
    }
    rest.remove_prefix(std::min(label.size() + 1, rest.size()));
  }
  return {};
}

Json Rule(std::string_view host, std::string_view service) {
  Json port = Json::MakeObject({{"number", api::kServicePort}});
  Json backend = Json::MakeObject(
      {{"service", Json::MakeObject({{"name", service}, {"port", std::move(port)}})}});
  Json path =
      Json::MakeObject({{"path", "/"}, {"pathType", "Prefix"}, {"backend", std::move(backend)}});
  return Json::MakeObject(
      {{"host", host},
       {"http", Json::MakeObject({{"paths", Json::MakeArray({std::move(path)})}})}});
}

}  // namespace

Result<std::string> MakeHost(std::string_view name, const api::InferenceService& isvc,
                             const api::IngressConfig& config) {
  Json dot = TemplateMetadata(isvc.metadata);
  dot.Set("Name", name);
  dot.Set("IngressDomain", config.IngressHost());
  KINGLET_TRY(std::string host, RenderTemplate(config.domain_template, dot));
  KINGLET_RETURN_IF_ERROR(CheckDomainName(host));
  if (!config.path_template.empty() && host == config.IngressHost()) {
    return Fail(
        Code::kInvalidArgument,
        "domainTemplate gives \"{}\", the ingress domain, where each InferenceService has only "
        "the path of pathTemplate",
        host);
  }
  return host;
}

Result<std::string> MakePath(const api::InferenceService& isvc, const api::IngressConfig& config) {
  Json dot = Json::MakeObject({{"Name", isvc.name()}, {"Namespace", isvc.ns()}});
  KINGLET_TRY(std::string path, RenderTemplate(config.path_template, dot));
  if (!path.starts_with('/')) {
    return Fail(Code::kInvalidArgument,
                "invalid ingress config - pathTemplate gives \"{}\", which is not a path", path);
  }
  return path;
}

Result<std::string> MakeUrl(const api::InferenceService& isvc, const api::IngressConfig& config) {
  if (!config.path_based_url) {
    KINGLET_TRY(std::string host, MakeHost(isvc.name(), isvc, config));
    return fmt::format("{}://{}{}", config.url_scheme, host, PortSuffix(config));
  }
  if (config.path_template.empty()) {
    return Fail(Code::kInvalidArgument,
                "invalid ingress config - pathTemplate is required if pathBasedURL is true");
  }
  KINGLET_TRY(std::string path, MakePath(isvc, config));
  return fmt::format("{}://{}{}", config.url_scheme, config.ingress_domain, path);
}

Result<std::string> MakeComponentUrl(std::string_view name, const api::InferenceService& isvc,
                                     const api::IngressConfig& config) {
  KINGLET_TRY(std::string host, MakeHost(name, isvc, config));
  return fmt::format("http://{}{}", host, PortSuffix(config));
}

bool IsClusterLocal(const api::InferenceService& isvc, const api::IngressConfig& config) {
  return isvc.Label(api::label::kVisibility) == api::label::kClusterLocal ||
         config.ingress_domain == "svc.cluster.local";
}

Result<Json> MakeIngress(const api::InferenceService& isvc, const IngressNames& names,
                         const api::Config& config) {
  if (!config.inference_service) return Unexpected(config.inference_service.error());
  Json rules = Json::MakeArray();
  auto add = [&](std::string_view host_of, std::string_view service) -> Status {
    KINGLET_TRY(std::string host, MakeHost(host_of, isvc, *config.ingress));
    rules.Push(Rule(host, service));
    return {};
  };
  if (!names.transformer.empty()) {
    // In 0.15 the explainer answers at the host of the transformer's name, and so does the
    // predictor after it: clients know these hosts.
    if (!names.explainer.empty()) {
      KINGLET_RETURN_IF_ERROR(add(names.transformer, names.explainer));
    }
    KINGLET_RETURN_IF_ERROR(add(isvc.name(), names.transformer));
    KINGLET_RETURN_IF_ERROR(add(names.transformer, names.predictor));
  } else {
    KINGLET_RETURN_IF_ERROR(add(isvc.name(), names.predictor));
    if (!names.explainer.empty()) {
      KINGLET_RETURN_IF_ERROR(add(names.explainer, names.explainer));
    }
  }
  KINGLET_RETURN_IF_ERROR(add(names.predictor_host, names.predictor));

  Json ingress = kube::MakeObjectMeta("networking.k8s.io/v1", "Ingress",
                                      {.ns = isvc.ns(), .name = isvc.name()});
  if (isvc.metadata.Has("annotations")) {
    Json annotations = isvc.metadata["annotations"];
    for (const auto& name : config.inference_service->service_annotation_disallowed_list) {
      annotations.Erase(name);
    }
    ingress.Ref("metadata").Set("annotations", std::move(annotations));
  }
  Json spec = Json::MakeObject({{"rules", std::move(rules)}});
  const auto& ingress_class = config.ingress->ingress_class_name;
  if (ingress_class) spec.Set("ingressClassName", *ingress_class);
  ingress.Set("spec", std::move(spec));
  return ingress;
}

}  // namespace kinglet::control
