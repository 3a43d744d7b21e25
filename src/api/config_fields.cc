// The fields of each section of inferenceservice-config, by their JSON names.
#include "api/config.h"

namespace kinglet::api {
namespace {

template <class S>
Struct<S> Container() {
  return Struct<S>()
      .Field("image", &S::image, "")
      .Field("memoryRequest", &S::memory_request, "")
      .Field("memoryLimit", &S::memory_limit, "")
      .Field("cpuRequest", &S::cpu_request, "")
      .Field("cpuLimit", &S::cpu_limit, "");
}

}  // namespace

const Struct<S3Config>& S3Config::Describe() {
  using S = S3Config;
  static const auto d = Struct<S>()
                            .Field("s3AccessKeyIDName", &S::access_key_id_name, "")
                            .Field("s3SecretAccessKeyName", &S::secret_access_key_name, "")
                            .Field("s3Endpoint", &S::endpoint, "")
                            .Field("s3UseHttps", &S::use_https, "")
                            .Field("s3Region", &S::region, "")
                            .Field("s3VerifySSL", &S::verify_ssl, "")
                            .Field("s3UseVirtualBucket", &S::use_virtual_bucket, "")
                            .Field("s3UseAccelerate", &S::use_accelerate, "")
                            .Field("s3UseAnonymousCredential", &S::use_anonymous_credential, "")
                            .Field("s3CABundleConfigMap", &S::ca_bundle_config_map, "")
                            .Field("s3CABundle", &S::ca_bundle, "");
  return d;
}

const Struct<GcsConfig>& GcsConfig::Describe() {
  static const auto d =
      Struct<GcsConfig>().Field("gcsCredentialFileName", &GcsConfig::credential_file_name, "");
  return d;
}

const Struct<CredentialsConfig>& CredentialsConfig::Describe() {
  using S = CredentialsConfig;
  static const auto d =
      Struct<S>()
          .Field("storageSpecSecretName", &S::storage_spec_secret_name, "")
          .Field("storageSecretNameAnnotation", &S::storage_secret_name_annotation, "")
          .Field("gcs", &S::gcs, "")
          .Field("s3", &S::s3, "");
  return d;
}

const Struct<StorageInitializerConfig>& StorageInitializerConfig::Describe() {
  using S = StorageInitializerConfig;
  static const auto d =
      Container<S>()
          .Field("caBundleConfigMapName", &S::ca_bundle_config_map_name, "")
          .Field("caBundleVolumeMountPath", &S::ca_bundle_volume_mount_path, "")
          .Field("enableDirectPvcVolumeMount", &S::enable_direct_pvc_volume_mount, "")
          .Field("enableModelcar", &S::enable_modelcar, "")
          .Field("cpuModelcar", &S::cpu_modelcar, "")
          .Field("memoryModelcar", &S::memory_modelcar, "")
          .Field("uidModelcar", &S::uid_modelcar, "");
  return d;
}

const Struct<LoggerConfig>& LoggerConfig::Describe() {
  using S = LoggerConfig;
  static const auto d = Container<S>()
                            .Field("defaultUrl", &S::default_url, "")
                            .Field("caBundle", &S::ca_bundle, "")
                            .Field("caCertFile", &S::ca_cert_file, "")
                            .Field("tlsSkipVerify", &S::tls_skip_verify, "");
  return d;
}

const Struct<BatcherConfig>& BatcherConfig::Describe() {
  using S = BatcherConfig;
  static const auto d = Container<S>()
                            .Field("maxBatchSize", &S::max_batch_size, "")
                            .Field("maxLatency", &S::max_latency, "");
  return d;
}

const Struct<AgentConfig>& AgentConfig::Describe() {
  static const auto d = Container<AgentConfig>();
  return d;
}

const Struct<RouterConfig>& RouterConfig::Describe() {
  using S = RouterConfig;
  static const auto d = Container<S>()
                            .Field("headers", &S::headers, "")
                            .Field("imagePullPolicy", &S::image_pull_policy, "")
                            .Field("imagePullSecrets", &S::image_pull_secrets, "");
  return d;
}

const Struct<IngressConfig>& IngressConfig::Describe() {
  using S = IngressConfig;
  static const auto d =
      Struct<S>()
          .Field("enableGatewayApi", &S::enable_gateway_api, "")
          .Field("kserveIngressGateway", &S::kserve_ingress_gateway, "")
          .Field("ingressGateway", &S::ingress_gateway, "")
          .Field("knativeLocalGatewayService", &S::knative_local_gateway_service, "")
          .Field("localGateway", &S::local_gateway, "")
          .Field("localGatewayService", &S::local_gateway_service, "")
          .Field("ingressDomain", &S::ingress_domain, "")
          .Field("ingressClassName", &S::ingress_class_name, "")
          .Field("additionalIngressDomains", &S::additional_ingress_domains, "")
          .Field("domainTemplate", &S::domain_template, "")
          .Field("urlScheme", &S::url_scheme, "")
          .Field("disableIstioVirtualHost", &S::disable_istio_virtual_host, "")
          .Field("pathTemplate", &S::path_template, "")
          .Field("disableIngressCreation", &S::disable_ingress_creation, "")
          .Field("disableHTTPRouteTimeout", &S::disable_http_route_timeout, "")
          .Field("pathBasedURL", &S::path_based_url, "");
  return d;
}

const Struct<RolloutConfig>& RolloutConfig::Describe() {
  using S = RolloutConfig;
  static const auto d = Struct<S>()
                            .Field("maxSurge", &S::max_surge, "")
                            .Field("maxUnavailable", &S::max_unavailable, "");
  return d;
}

const Struct<RolloutStrategyConfig>& RolloutStrategyConfig::Describe() {
  using S = RolloutStrategyConfig;
  static const auto d = Struct<S>().Field("defaultRollout", &S::default_rollout, "");
  return d;
}

const Struct<DeployConfig>& DeployConfig::Describe() {
  using S = DeployConfig;
  static const auto d =
      Struct<S>()
          .Field("defaultDeploymentMode", &S::default_deployment_mode, "")
          .Field("deploymentRolloutStrategy", &S::deployment_rollout_strategy, "");
  return d;
}

const Struct<ServiceConfig>& ServiceConfig::Describe() {
  using S = ServiceConfig;
  static const auto d = Struct<S>().Field("serviceClusterIPNone", &S::service_cluster_ip_none, "");
  return d;
}

const Struct<MetricsAggregatorConfig>& MetricsAggregatorConfig::Describe() {
  using S = MetricsAggregatorConfig;
  static const auto d = Struct<S>()
                            .Field("enableMetricAggregation", &S::enable_metric_aggregation, "")
                            .Field("enablePrometheusScraping", &S::enable_prometheus_scraping, "");
  return d;
}

const Struct<LocalModelConfig>& LocalModelConfig::Describe() {
  using S = LocalModelConfig;
  static const auto d =
      Struct<S>()
          .Field("enabled", &S::enabled, "")
          .Field("disableVolumeManagement", &S::disable_volume_management, "")
          .Field("jobNamespace", &S::job_namespace, "")
          .Field("defaultJobImage", &S::default_job_image, "")
          .Field("fsGroup", &S::fs_group, "")
          .Field("jobTTLSecondsAfterFinished", &S::job_ttl_seconds_after_finished, "")
          .Field("reconcilationFrequencyInSecs", &S::reconcilation_frequency_in_secs, "");
  return d;
}

const Struct<SecurityConfig>& SecurityConfig::Describe() {
  using S = SecurityConfig;
  static const auto d =
      Struct<S>().Field("autoMountServiceAccountToken", &S::auto_mount_service_account_token, "");
  return d;
}

const Struct<ResourceDefaults>& ResourceDefaults::Describe() {
  using S = ResourceDefaults;
  static const auto d = Struct<S>()
                            .Field("cpuLimit", &S::cpu_limit, "")
                            .Field("memoryLimit", &S::memory_limit, "")
                            .Field("cpuRequest", &S::cpu_request, "")
                            .Field("memoryRequest", &S::memory_request, "");
  return d;
}

const Struct<InferenceServiceConfig>& InferenceServiceConfig::Describe() {
  using S = InferenceServiceConfig;
  static const auto d =
      Struct<S>()
          .Field("resource", &S::resource, "")
          .Field("serviceAnnotationDisallowedList", &S::service_annotation_disallowed_list, "")
          .Field("serviceLabelDisallowedList", &S::service_label_disallowed_list, "")
          .Field("explainers", &S::explainers, "");
  return d;
}

const Struct<ExplainerConfig>& ExplainerConfig::Describe() {
  using S = ExplainerConfig;
  static const auto d = Struct<S>()
                            .Field("image", &S::image, "")
                            .Field("defaultImageVersion", &S::default_image_version, "");
  return d;
}

const Struct<ExplainersConfig>& ExplainersConfig::Describe() {
  static const auto d = Struct<ExplainersConfig>().Field("art", &ExplainersConfig::art, "");
  return d;
}

const Struct<MultiNodeConfig>& MultiNodeConfig::Describe() {
  using S = MultiNodeConfig;
  static const auto d =
      Struct<S>().Field("customGPUResourceTypeList", &S::custom_gpu_resource_type_list, "");
  return d;
}

const Struct<OpenTelemetryConfig>& OpenTelemetryConfig::Describe() {
  using S = OpenTelemetryConfig;
  static const auto d = Struct<S>()
                            .Field("scrapeInterval", &S::scrape_interval, "")
                            .Field("metricReceiverEndpoint", &S::metric_receiver_endpoint, "")
                            .Field("metricScalerEndpoint", &S::metric_scaler_endpoint, "")
                            .Field("resource", &S::resource, "");
  return d;
}

const Struct<AutoscalerConfig>& AutoscalerConfig::Describe() {
  using S = AutoscalerConfig;
  static const auto d =
      Struct<S>()
          .Field("scaleUpStabilizationWindowSeconds", &S::scale_up_stabilization_window_seconds, "")
          .Field("scaleDownStabilizationWindowSeconds", &S::scale_down_stabilization_window_seconds,
                 "");
  return d;
}

}  // namespace kinglet::api
