#include "control/watched_config.h"

#include "api/constants.h"
#include "base/log.h"
#include "control/template.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

kube::InformerOptions OneConfigMap(const kube::ObjectKey& key) {
  return {.ns = key.ns, .field_selector = fmt::format("metadata.name={}", key.name)};
}

// What nobody can work with.
api::Config Unreadable(const Error& error) {
  return {.explainers = Unexpected(error),
          .storage_initializer = Unexpected(error),
          .credentials = Unexpected(error),
          .ingress = Unexpected(error),
          .logger = Unexpected(error),
          .batcher = Unexpected(error),
          .agent = Unexpected(error),
          .router = Unexpected(error),
          .deploy = Unexpected(error),
          .service = Unexpected(error),
          .metrics_aggregator = Unexpected(error),
          .local_model = Unexpected(error),
          .security = Unexpected(error),
          .inference_service = Unexpected(error),
          .multi_node = Unexpected(error),
          .open_telemetry = Unexpected(error),
          .warnings = {}};
}

// Templates are read here, where they are known; the fields of every object have these names.
Status CheckTemplates(const api::IngressConfig& config) {
  if (config.path_template.empty()) return {};
  const Json dot = Json::MakeObject({{"Name", "name"}, {"Namespace", "namespace"}});
  auto path = RenderTemplate(config.path_template, dot);
  if (path) return {};
  return Fail(Code::kInvalidArgument, "invalid ingress config, unable to parse pathTemplate: {}",
              path.error().message());
}

}  // namespace

api::Config KeepLastGood(const Json& config_map, api::Config next, const api::Config& last) {
  auto keep = [&](std::string_view key, auto& section, const auto& good) {
    if (section || !good || !config_map["data"].Has(key)) return;
    next.warnings.push_back(fmt::format("key {} is refused, its last good value stays: {}", key,
                                        section.error().message()));
    section = good;
  };
  keep("explainers", next.explainers, last.explainers);
  keep("storageInitializer", next.storage_initializer, last.storage_initializer);
  keep("credentials", next.credentials, last.credentials);
  keep("ingress", next.ingress, last.ingress);
  keep("logger", next.logger, last.logger);
  keep("batcher", next.batcher, last.batcher);
  keep("agent", next.agent, last.agent);
  keep("router", next.router, last.router);
  keep("deploy", next.deploy, last.deploy);
  keep("service", next.service, last.service);
  keep("metricsAggregator", next.metrics_aggregator, last.metrics_aggregator);
  keep("localModel", next.local_model, last.local_model);
  keep("security", next.security, last.security);
  keep("inferenceService", next.inference_service, last.inference_service);
  keep("multiNode", next.multi_node, last.multi_node);
  keep("opentelemetryCollector", next.open_telemetry, last.open_telemetry);
  return next;
}

WatchedConfig::WatchedConfig(kube::Client& client, std::string ns, const Clock& clock)
    : key_{.ns = std::move(ns), .name = std::string(api::kConfigMapName)},
      informer_(client, kube::kConfigMap, OneConfigMap(key_), clock) {
  auto moved = [this] { parsed_.With([](Parsed& parsed) { parsed.is_current = false; }); };
  informer_.AddHandler({.on_add = [moved](const auto&, bool) { moved(); },
                        .on_update = [moved](const auto&, const auto&) { moved(); }});
}

std::shared_ptr<const api::Config> WatchedConfig::Read() {
  auto parsed = parsed_.Acquire();
  if (parsed->config && parsed->is_current) return parsed->config;
  kube::ObjectPtr object = informer_.Get(key_);
  // One that was deleted stays in force.
  if (!object && parsed->config) return parsed->config;
  if (!object) {
    // What the defaults would make is not what the cluster is meant to have.
    Error missing(Code::kUnavailable, fmt::format("ConfigMap {} is missing", key_.ToString()));
    return std::make_shared<const api::Config>(Unreadable(missing));
  }
  api::Config config = api::ParseConfig(*object);
  if (config.ingress) {
    if (auto readable = CheckTemplates(*config.ingress); !readable) {
      config.ingress = Unexpected(readable.error());
    }
  }
  if (parsed->config) config = KeepLastGood(*object, std::move(config), *parsed->config);
  for (const auto& warning : config.warnings) {
    LogWarning("inferenceservice-config", {{"warning", warning}});
  }
  parsed->is_current = true;
  parsed->config = std::make_shared<const api::Config>(std::move(config));
  return parsed->config;
}

}  // namespace kinglet::control
