// serving.kserve.io/v1beta1 InferenceService: pure values. Pod-spec and container parts stay Json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/descriptor.h"

namespace kinglet::api {

struct LoggerSpec {
  std::optional<std::string> url;
  std::string mode;
  std::vector<std::string> metadata_headers;
  bool operator==(const LoggerSpec&) const = default;
  static const Struct<LoggerSpec>& Describe();
};

struct Batcher {
  std::optional<int32_t> max_batch_size;
  std::optional<int32_t> max_latency;  // ms
  std::optional<int32_t> timeout;
  bool operator==(const Batcher&) const = default;
  static const Struct<Batcher>& Describe();
};

struct MetricTarget {
  std::string type;
  std::optional<Quantity> value;
  std::optional<Quantity> average_value;
  std::optional<int32_t> average_utilization;
  bool operator==(const MetricTarget&) const = default;
  static const Struct<MetricTarget>& Describe();
};

struct ResourceMetric {
  std::string name;
  MetricTarget target;
  bool operator==(const ResourceMetric&) const = default;
  static const Struct<ResourceMetric>& Describe();
};

struct ExternalMetricSource {
  std::string backend, server_address, query, ns;
  bool operator==(const ExternalMetricSource&) const = default;
  static const Struct<ExternalMetricSource>& Describe();
};

// How KEDA signs in to a metrics server.
struct AuthenticationReference {
  std::string name;  // of a TriggerAuthentication
  bool operator==(const AuthenticationReference&) const = default;
  static const Struct<AuthenticationReference>& Describe();
};

struct ExternalAuthentication {
  AuthenticationReference reference;
  std::string auth_modes;
  bool operator==(const ExternalAuthentication&) const = default;
  static const Struct<ExternalAuthentication>& Describe();
};

struct ExternalMetric {
  ExternalMetricSource metric;
  std::optional<ExternalAuthentication> authentication;
  MetricTarget target;
  bool operator==(const ExternalMetric&) const = default;
  static const Struct<ExternalMetric>& Describe();
};

struct PodMetricSource {
  std::string backend, server_address, query, operation_over_time;
  std::vector<std::string> metric_names;
  bool operator==(const PodMetricSource&) const = default;
  static const Struct<PodMetricSource>& Describe();
};

struct PodMetric {
  PodMetricSource metric;
  MetricTarget target;
  bool operator==(const PodMetric&) const = default;
  static const Struct<PodMetric>& Describe();
};

struct MetricsSpec {
  std::string type;
  std::optional<ResourceMetric> resource;
  std::optional<ExternalMetric> external;
  std::optional<PodMetric> pod_metric;
  bool operator==(const MetricsSpec&) const = default;
  static const Struct<MetricsSpec>& Describe();
};

struct AutoScaling {
  std::vector<MetricsSpec> metrics;
  Json behavior;  // autoscaling/v2 HorizontalPodAutoscalerBehavior
  bool operator==(const AutoScaling&) const = default;
  static const Struct<AutoScaling>& Describe();
};

// One of several places that a component's files come from.
struct StorageUri {
  std::string uri;
  std::string mount_path;  // "": /mnt/models
  bool operator==(const StorageUri&) const = default;
  static const Struct<StorageUri>& Describe();
};

// What predictor, transformer and explainer have in common.
struct ComponentExtension {
  std::optional<int32_t> min_replicas;
  int32_t max_replicas = 0;
  std::optional<int32_t> scale_target;
  std::optional<std::string> scale_metric;
  std::optional<std::string> scale_metric_type;
  std::optional<AutoScaling> auto_scaling;
  std::optional<int64_t> container_concurrency;
  std::optional<int64_t> timeout;
  std::optional<int64_t> canary_traffic_percent;
  std::optional<LoggerSpec> logger;
  std::optional<Batcher> batcher;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  Json deployment_strategy;
  std::vector<StorageUri> storage_uris;
  Json pod;  // the pod-spec fields
  bool operator==(const ComponentExtension&) const = default;
};

struct StorageSpec {
  std::optional<std::string> path, schema_path, key;
  std::map<std::string, std::string> parameters;
  bool operator==(const StorageSpec&) const = default;
  static const Struct<StorageSpec>& Describe();
};

// A framework field such as `sklearn`; also the base of `model`.
struct PredictorExtension {
  std::optional<std::string> storage_uri, runtime_version, protocol_version;
  std::optional<StorageSpec> storage;
  Json container;  // the container fields
  bool operator==(const PredictorExtension&) const = default;
  static const Struct<PredictorExtension>& Describe();
};

struct ModelFormat {
  std::string name;
  std::optional<std::string> version;
  bool operator==(const ModelFormat&) const = default;
  static const Struct<ModelFormat>& Describe();
};

struct ModelSpec : PredictorExtension {
  ModelFormat model_format;
  std::optional<std::string> runtime;
  bool operator==(const ModelSpec&) const = default;
  static const Struct<ModelSpec>& Describe();
};

struct WorkerSpec {
  std::optional<int32_t> pipeline_parallel_size, tensor_parallel_size;
  Json pod;
  bool operator==(const WorkerSpec&) const = default;
  static const Struct<WorkerSpec>& Describe();
};

struct PredictorSpec : ComponentExtension {
  std::optional<PredictorExtension> sklearn, xgboost, tensorflow, pytorch, triton, onnx,
      huggingface, pmml, lightgbm, paddle;
  std::optional<ModelSpec> model;
  std::optional<WorkerSpec> worker_spec;
  std::optional<std::string> name;  // part of its objects' names, where canaries are used
  bool operator==(const PredictorSpec&) const = default;
  static const Struct<PredictorSpec>& Describe();
};

struct TransformerSpec : ComponentExtension {
  bool operator==(const TransformerSpec&) const = default;
  static const Struct<TransformerSpec>& Describe();
};

struct ArtExplainer {
  std::string type;
  std::optional<std::string> storage_uri, runtime_version;
  std::map<std::string, std::string> config;
  std::optional<StorageSpec> storage;
  Json container;
  bool operator==(const ArtExplainer&) const = default;
  static const Struct<ArtExplainer>& Describe();
};

struct ExplainerSpec : ComponentExtension {
  std::optional<ArtExplainer> art;
  bool operator==(const ExplainerSpec&) const = default;
  static const Struct<ExplainerSpec>& Describe();
};

// Each canary is a Deployment with all that its runtime says.
inline constexpr size_t kMaxCanaries = 16;

// A predictor that is tried with a share of the traffic, in Standard mode.
struct CanarySpec {
  // What differs from the stable predictor: a PredictorSpec that is merged over it.
  Json predictor;
  int32_t traffic_percent = 0;
  bool operator==(const CanarySpec&) const = default;
  static const Struct<CanarySpec>& Describe();
};

struct InferenceServiceSpec {
  PredictorSpec predictor;
  std::vector<CanarySpec> canary;
  std::optional<ExplainerSpec> explainer;
  std::optional<TransformerSpec> transformer;
  bool operator==(const InferenceServiceSpec&) const = default;
  static const Struct<InferenceServiceSpec>& Describe();
};

struct InferenceService {
  Json metadata;
  InferenceServiceSpec spec;
  Json status;
  bool operator==(const InferenceService&) const = default;
  static const Struct<InferenceService>& Describe();

  const std::string& name() const { return metadata["name"].AsString(); }
  const std::string& ns() const { return metadata["namespace"].AsString(); }
  // "" where there is none.
  const std::string& Annotation(std::string_view key) const {
    return metadata["annotations"][key].AsString();
  }
  bool HasAnnotation(std::string_view key) const { return metadata["annotations"].Has(key); }
  const std::string& Label(std::string_view key) const {
    return metadata["labels"][key].AsString();
  }
};

// A framework field of the predictor by its JSON name.
struct Framework {
  std::string_view name;
  std::optional<PredictorExtension> PredictorSpec::* member;
};
// In the order in which the defaulter looks at them.
std::span<const Framework> Frameworks();

// What serves in a predictor: see Implementations.
struct Implementation {
  enum class Kind { kFramework, kModel, kArt, kCustom };
  Kind kind = Kind::kCustom;
  std::string_view name;                          // of the framework field; "model", "art", ""
  const PredictorExtension* extension = nullptr;  // framework and model
};

// In KServe's order; the first one serves, more than one is invalid. The pointers live as long as
// the spec.
std::vector<Implementation> Implementations(const PredictorSpec& spec);
std::vector<Implementation> Implementations(const TransformerSpec& spec);
std::vector<Implementation> Implementations(const ExplainerSpec& spec);

// v1, v2, grpc-v1 or grpc-v2 as the implementation speaks it.
std::string ProtocolOf(const PredictorSpec& spec);
std::string ProtocolOf(const TransformerSpec& spec);

// The storage of whatever serves: the URI of the model (a custom container's STORAGE_URI).
std::optional<std::string> StorageUriOf(const PredictorSpec& spec);

// Whether models are loaded into the predictor by TrainedModels.
bool IsMultiModel(const PredictorSpec& spec);

// The value of an environment variable of a container, or null.
const Json* FindEnv(const Json& container, std::string_view name);
// The container of that name among them, or null.
const Json* FindContainer(const Json& containers, std::string_view name);
Json* FindContainer(Json& containers, std::string_view name);

}  // namespace kinglet::api
