// The way into an InferenceService in Serverless mode, through Istio. Pure.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/config.h"
#include "api/v1beta1/inference_service.h"

namespace kinglet::control {

struct VirtualServiceInput {
  std::string service_host;    // the public host of the InferenceService
  std::string cluster_domain;  // "cluster.local"
  bool legacy_names = false;   // the components are "<isvc>-<component>-default"
  // The domains that Knative serves (keys of its ConfigMap config-domain), for additional hosts.
  std::vector<std::string> knative_domains;
};

// "<name>.<ns>.svc.<cluster domain>".
std::string ClusterHost(std::string_view name, std::string_view ns,
                        std::string_view cluster_domain);

// Hosts other than the public one: its part before the first domain it ends with, under each of
// the additional domains. Each once, and only valid ones.
std::vector<std::string> AdditionalHosts(const std::vector<std::string>& domains,
                                         std::string_view service_host,
                                         const std::vector<std::string>& additional_domains);

Result<Json> MakeVirtualService(const api::InferenceService& isvc, const api::Config& config,
                                const VirtualServiceInput& input);

// Service <isvc>: a name in the namespace that leads to Knative's local gateway.
Json MakeExternalNameService(const api::InferenceService& isvc, const api::IngressConfig& config);

}  // namespace kinglet::control
