// The ConfigMap inferenceservice-config, parsed once into an immutable snapshot. Each key is a
// section of its own: one that cannot be read is an error only for those who need it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/descriptor.h"
#include "base/result.h"

namespace kinglet::api {

// How an InferenceService is run. "Standard" and "Knative" are later names of the first two.
enum class Mode { kRawDeployment, kServerless, kModelMesh };
std::optional<Mode> ParseMode(std::string_view text);
// "Standard", "Knative" or "ModelMesh".
std::string_view LaterModeName(Mode mode);

struct S3Config {
  std::string access_key_id_name, secret_access_key_name, endpoint, use_https, region, verify_ssl,
      use_virtual_bucket, use_accelerate, use_anonymous_credential, ca_bundle_config_map, ca_bundle;
  static const Struct<S3Config>& Describe();
};

struct GcsConfig {
  std::string credential_file_name;
  static const Struct<GcsConfig>& Describe();
};

struct CredentialsConfig {
  std::string storage_spec_secret_name, storage_secret_name_annotation;
  GcsConfig gcs;
  S3Config s3;
  static const Struct<CredentialsConfig>& Describe();
};

// Image and resources of a container that is injected.
struct ContainerConfig {
  std::string image, memory_request, memory_limit, cpu_request, cpu_limit;
  // {limits: {cpu, memory}, requests: {cpu, memory}}
  Json Resources() const;
};

struct StorageInitializerConfig : ContainerConfig {
  std::string ca_bundle_config_map_name, ca_bundle_volume_mount_path;
  bool enable_direct_pvc_volume_mount = false, enable_modelcar = false;
  std::string cpu_modelcar, memory_modelcar;
  std::optional<int64_t> uid_modelcar;
  static const Struct<StorageInitializerConfig>& Describe();
};

struct LoggerConfig : ContainerConfig {
  std::string default_url, ca_bundle, ca_cert_file;
  bool tls_skip_verify = false;
  static const Struct<LoggerConfig>& Describe();
};

struct BatcherConfig : ContainerConfig {
  std::string max_batch_size, max_latency;
  static const Struct<BatcherConfig>& Describe();
};

struct AgentConfig : ContainerConfig {
  static const Struct<AgentConfig>& Describe();
};

struct RouterConfig : ContainerConfig {
  std::map<std::string, std::vector<std::string>> headers;
  std::string image_pull_policy;
  std::vector<std::string> image_pull_secrets;
  static const Struct<RouterConfig>& Describe();
};

struct IngressConfig {
  bool enable_gateway_api = false, disable_istio_virtual_host = false,
       disable_ingress_creation = false, disable_http_route_timeout = false;
  std::string kserve_ingress_gateway, ingress_gateway, knative_local_gateway_service, local_gateway,
      local_gateway_service, ingress_domain, domain_template, url_scheme, path_template;
  std::optional<std::string> ingress_class_name;
  std::vector<std::string> additional_ingress_domains;
  // Ours, for standalone mode: status.url is <urlScheme>://<ingressDomain><pathTemplate>, and
  // ingressDomain may carry a port.
  bool path_based_url = false;
  // ingressDomain without a port: what hosts end with.
  std::string IngressHost() const;
  static const Struct<IngressConfig>& Describe();
};

struct RolloutConfig {
  std::string max_surge, max_unavailable;  // "25%", "1"; "" leaves the default
  static const Struct<RolloutConfig>& Describe();
};

struct RolloutStrategyConfig {
  std::optional<RolloutConfig> default_rollout;
  static const Struct<RolloutStrategyConfig>& Describe();
};

struct DeployConfig {
  std::string default_deployment_mode;
  // For Deployments whose component says nothing; KServe reads it only where the default mode is
  // written "Standard".
  std::optional<RolloutStrategyConfig> deployment_rollout_strategy;
  Mode mode = Mode::kServerless;
  static const Struct<DeployConfig>& Describe();
};

struct ServiceConfig {
  bool service_cluster_ip_none = false;
  static const Struct<ServiceConfig>& Describe();
};

struct MetricsAggregatorConfig {
  std::string enable_metric_aggregation, enable_prometheus_scraping;
  static const Struct<MetricsAggregatorConfig>& Describe();
};

struct LocalModelConfig {
  bool enabled = false, disable_volume_management = false;
  std::string job_namespace, default_job_image;
  std::optional<int64_t> fs_group, job_ttl_seconds_after_finished, reconcilation_frequency_in_secs;
  static const Struct<LocalModelConfig>& Describe();
};

struct SecurityConfig {
  bool auto_mount_service_account_token = false;
  static const Struct<SecurityConfig>& Describe();
};

struct ResourceDefaults {
  std::string cpu_limit, memory_limit, cpu_request, memory_request;
  static const Struct<ResourceDefaults>& Describe();
};

struct ExplainerConfig {
  std::string image, default_image_version;
  static const Struct<ExplainerConfig>& Describe();
};

struct ExplainersConfig {
  ExplainerConfig art;
  static const Struct<ExplainersConfig>& Describe();
};

struct InferenceServiceConfig {
  ResourceDefaults resource;
  // With KServe's built-in entries.
  std::vector<std::string> service_annotation_disallowed_list, service_label_disallowed_list;
  // KServe reads explainers here too, over those of the key `explainers`.
  std::optional<ExplainersConfig> explainers;
  static const Struct<InferenceServiceConfig>& Describe();
};

struct MultiNodeConfig {
  std::vector<std::string> custom_gpu_resource_type_list;
  static const Struct<MultiNodeConfig>& Describe();
};

struct OpenTelemetryConfig {
  std::string scrape_interval, metric_receiver_endpoint, metric_scaler_endpoint;
  std::optional<ResourceDefaults> resource;  // of the collector
  static const Struct<OpenTelemetryConfig>& Describe();
};

// Seconds, as texts; "" leaves the autoscaler's own.
struct AutoscalerConfig {
  std::string scale_up_stabilization_window_seconds, scale_down_stabilization_window_seconds;
  static const Struct<AutoscalerConfig>& Describe();
};

struct Config {
  Result<ExplainersConfig> explainers;
  Result<StorageInitializerConfig> storage_initializer;
  Result<CredentialsConfig> credentials;
  Result<IngressConfig> ingress;
  Result<LoggerConfig> logger;
  Result<BatcherConfig> batcher;
  Result<AgentConfig> agent;
  Result<RouterConfig> router;
  Result<DeployConfig> deploy;
  Result<ServiceConfig> service;
  Result<MetricsAggregatorConfig> metrics_aggregator;
  Result<LocalModelConfig> local_model;
  Result<SecurityConfig> security;
  Result<InferenceServiceConfig> inference_service;
  Result<MultiNodeConfig> multi_node;
  Result<OpenTelemetryConfig> open_telemetry;
  Result<AutoscalerConfig> autoscaler;
  // Ours: `compatibility: latest` writes what KServe's releases after 0.15 add to objects and
  // statuses also where no new field asks for it.
  bool latest = false;
  // Keys and fields that mean nothing here, in words.
  std::vector<std::string> warnings;
};

// From the ConfigMap object (its `data`). A null object gives the defaults.
Config ParseConfig(const Json& config_map);

// GPU resource names: the known ones and the configured.
std::vector<std::string> GpuResourceTypes(const Config& config);

}  // namespace kinglet::api
