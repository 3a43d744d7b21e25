// The webhooks: by path, as Kubernetes calls them, and together, as the API server of standalone
// mode does in process.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admission/types.h"
#include "api/config.h"
#include "kube/client.h"

namespace kinglet::admission {

// Thread-safe. Reads the configuration and what else it needs afresh for each request.
class Admitter {
 public:
  // `client` must outlive this. `config_namespace`: of ConfigMap inferenceservice-config.
  Admitter(kube::Client& client, std::string config_namespace);

  // The answer of the webhook at `path`, or nothing if there is none. The request may come from
  // anybody who reaches the webhook: one that an API server would not send to it (see CheckRequest)
  // is denied with 400 before anything is read for it.
  std::optional<Response> Review(std::string_view path, const Request& request) const;

  // All webhooks for a request of a trusted API server in this process, mutating ones first: what
  // an API server with KServe's webhook configurations answers. `*denied_by` is the name of the
  // webhook that denied.
  Response Admit(const Request& request, std::string* denied_by = nullptr) const;

 private:
  Response DefaultService(const Request& request) const;
  Response ValidateService(const Request& request) const;
  Response MutatePodOf(const Request& request) const;
  Response ValidateRuntime(const Request& request) const;
  Response ValidateGraph(const Request& request) const;
  Response ValidateModel(const Request& request) const;
  Response ValidateCache(const Request& request) const;
  Response ValidateNamespaceCache(const Request& request) const;
  Result<std::string> UserOfCache(const Json& cache) const;
  Result<api::Config> ReadConfig() const;

  struct Webhook;
  static const Webhook kWebhooks[];

  kube::Client& client_;
  const std::string config_namespace_;
};

// The webhook configurations (admissionregistration.k8s.io) that send reviews to these webhooks.
struct WebhookConfiguration {
  std::string_view name;
  bool mutating = false;
};
std::span<const WebhookConfiguration> WebhookConfigurations();

}  // namespace kinglet::admission
