#include "api/v1beta1/inference_service.h"

#include <algorithm>

#include "api/constants.h"
#include "api/pod_fields.h"
#include "api/v1beta1/inference_service_status.h"

namespace kinglet::api {

const Struct<LoggerSpec>& LoggerSpec::Describe() {
  static const auto d = Struct<LoggerSpec>("Logging of payloads as CloudEvents.")
                            .Field("url", &LoggerSpec::url, "Where the events are sent.")
                            .Field("mode", &LoggerSpec::mode, "Which payloads are logged.",
                                   {.one_of = {"all", "request", "response"}})
                            .Field("metadataHeaders", &LoggerSpec::metadata_headers,
                                   "HTTP headers that are added to the events.");
  return d;
}

const Struct<Batcher>& Batcher::Describe() {
  static const auto d =
      Struct<Batcher>("Requests are joined into batches.")
          .Field("maxBatchSize", &Batcher::max_batch_size, "Most instances in a batch.")
          .Field("maxLatency", &Batcher::max_latency, "Longest wait for a batch, milliseconds.")
          .Field("timeout", &Batcher::timeout, "Kept for compatibility; has no effect.");
  return d;
}

const Struct<MetricTarget>& MetricTarget::Describe() {
  static const auto d =
      Struct<MetricTarget>("The value to keep a metric at.")
          .Field("type", &MetricTarget::type, "How the value is read.",
                 {.one_of = {"Utilization", "Value", "AverageValue"}})
          .Field("value", &MetricTarget::value, "Of the metric itself.")
          .Field("averageValue", &MetricTarget::average_value, "Of the mean over the pods.")
          .Field("averageUtilization", &MetricTarget::average_utilization,
                 "Of the mean over the pods, in percent of what they request.");
  return d;
}

const Struct<ResourceMetric>& ResourceMetric::Describe() {
  static const auto d =
      Struct<ResourceMetric>("A resource of the pods.")
          .Field("name", &ResourceMetric::name, "The resource.",
                 {.required = true, .one_of = {"cpu", "memory"}})
          .Field("target", &ResourceMetric::target, "Its target.", {.required = true});
  return d;
}

const Struct<ExternalMetricSource>& ExternalMetricSource::Describe() {
  static const auto d =
      Struct<ExternalMetricSource>("A query to a metrics server.")
          .Field("backend", &ExternalMetricSource::backend, "The kind of server.",
                 {.one_of = {"prometheus", "graphite"}})
          .Field("serverAddress", &ExternalMetricSource::server_address, "Where it is.")
          .Field("query", &ExternalMetricSource::query, "What is asked.")
          .Field("namespace", &ExternalMetricSource::ns, "For namespaced queries.");
  return d;
}

const Struct<AuthenticationReference>& AuthenticationReference::Describe() {
  static const auto d =
      Struct<AuthenticationReference>("A TriggerAuthentication of KEDA.")
          .Field("name", &AuthenticationReference::name, "Its name.", {.required = true});
  return d;
}

const Struct<ExternalAuthentication>& ExternalAuthentication::Describe() {
  static const auto d =
      Struct<ExternalAuthentication>("How to sign in to the metrics server.")
          .Field("authenticationRef", &ExternalAuthentication::reference, "Where the secrets are.",
                 {.required = true})
          .Field("authModes", &ExternalAuthentication::auth_modes, "bearer, basic or tls.");
  return d;
}

const Struct<ExternalMetric>& ExternalMetric::Describe() {
  static const auto d =
      Struct<ExternalMetric>("A metric from outside the cluster.")
          .Field("metric", &ExternalMetric::metric, "The metric.", {.required = true})
          .Field("authenticationRef", &ExternalMetric::authentication, "How to sign in.")
          .Field("target", &ExternalMetric::target, "Its target.", {.required = true});
  return d;
}

const Struct<PodMetricSource>& PodMetricSource::Describe() {
  static const auto d =
      Struct<PodMetricSource>("A metric that the pods expose.")
          .Field("backend", &PodMetricSource::backend, "Who collects it.",
                 {.one_of = {"opentelemetry"}})
          .Field("serverAddress", &PodMetricSource::server_address, "The scaler's address.")
          .Field("metricNames", &PodMetricSource::metric_names, "Metrics to keep.")
          .Field("query", &PodMetricSource::query, "What is asked.")
          .Field("operationOverTime", &PodMetricSource::operation_over_time,
                 "How values are joined: last_one, avg, max, min, rate, count.");
  return d;
}

const Struct<PodMetric>& PodMetric::Describe() {
  static const auto d = Struct<PodMetric>("A metric of the pods.")
                            .Field("metric", &PodMetric::metric, "The metric.", {.required = true})
                            .Field("target", &PodMetric::target, "Its target.", {.required = true});
  return d;
}

const Struct<MetricsSpec>& MetricsSpec::Describe() {
  static const auto d = Struct<MetricsSpec>("One metric that scales the component.")
                            .Field("type", &MetricsSpec::type, "Which of the fields below is set.",
                                   {.one_of = {"Resource", "External", "PodMetric"}})
                            .Field("resource", &MetricsSpec::resource, "For Resource.")
                            .Field("external", &MetricsSpec::external, "For External.")
                            .Field("podmetric", &MetricsSpec::pod_metric, "For PodMetric.");
  return d;
}

const Struct<AutoScaling>& AutoScaling::Describe() {
  static const auto d = Struct<AutoScaling>("Scaling by several metrics.")
                            .Field("metrics", &AutoScaling::metrics, "The metrics.")
                            .Field("behavior", &AutoScaling::behavior,
                                   "How fast to scale; KEDA's stabilization windows.");
  return d;
}

const Struct<StorageUri>& StorageUri::Describe() {
  static const auto d =
      Struct<StorageUri>("A place that files come from.")
          .Field("uri", &StorageUri::uri, "Where they are.", {.required = true})
          .Field(
              "mountPath", &StorageUri::mount_path, "Where the containers see them.",
              {.default_value = "/mnt/models", .schema = Json::MakeObject({{"pattern", "^/.*"}})});
  return d;
}

namespace {

template <class S>
Struct<S> Component(std::string_view doc) {
  return Struct<S>(doc)
      .Rest(&S::pod, PodSpecFields())
      .Field("minReplicas", &S::min_replicas, "Fewest replicas; 0 scales to zero.")
      .Field("maxReplicas", &S::max_replicas, "Most replicas; 0 sets no limit.")
      .Field("scaleTarget", &S::scale_target, "The value of the metric to keep.")
      .Field("scaleMetric", &S::scale_metric, "The metric to scale by.",
             {.one_of = {"cpu", "memory", "concurrency", "rps"}})
      .Field("scaleMetricType", &S::scale_metric_type, "How scaleTarget is read.",
             {.one_of = {"Utilization", "Value", "AverageValue"}})
      .Field("autoScaling", &S::auto_scaling, "Scaling by several metrics.")
      .Field("containerConcurrency", &S::container_concurrency,
             "Most requests a replica answers at once.")
      .Field("timeout", &S::timeout, "Seconds in which a request must be answered.")
      .Field("canaryTrafficPercent", &S::canary_traffic_percent,
             "Share of traffic of the latest revision.")
      .Field("logger", &S::logger, "Payload logging.")
      .Field("batcher", &S::batcher, "Request batching.")
      .Field("labels", &S::labels, "Added to the component's objects and pods.")
      .Field("annotations", &S::annotations, "Added to the component's objects and pods.")
      .Field("deploymentStrategy", &S::deployment_strategy, "Of the Deployment.")
      .Field("storageUris", &S::storage_uris, "Where files come from; excludes storageUri.");
}

template <class S>
Struct<S> Extension(std::string_view doc) {
  return Struct<S>(doc)
      .Rest(&S::container, ContainerFields())
      .Field("storageUri", &S::storage_uri, "Where the model is.")
      .Field("runtimeVersion", &S::runtime_version, "The tag of the image.")
      .Field("protocolVersion", &S::protocol_version, "v1, v2, grpc-v1 or grpc-v2.")
      .Field("storage", &S::storage, "Where the model is, by a secret.");
}

}  // namespace

const Struct<StorageSpec>& StorageSpec::Describe() {
  static const auto d =
      Struct<StorageSpec>("A model's place by a storage secret.")
          .Field("path", &StorageSpec::path, "Path in the storage.")
          .Field("schemaPath", &StorageSpec::schema_path, "Path of a schema.")
          .Field("parameters", &StorageSpec::parameters, "Override the secret's entry.")
          .Field("key", &StorageSpec::key, "Key in the storage secret.");
  return d;
}

const Struct<PredictorExtension>& PredictorExtension::Describe() {
  static const auto d = Extension<PredictorExtension>("A model of a framework.");
  return d;
}

const Struct<ModelFormat>& ModelFormat::Describe() {
  static const auto d =
      Struct<ModelFormat>("The format of a model.")
          .Field("name", &ModelFormat::name, "Such as sklearn.", {.always_encode = true})
          .Field("version", &ModelFormat::version, "Of the format.");
  return d;
}

const Struct<ModelSpec>& ModelSpec::Describe() {
  static const auto d =
      Extension<ModelSpec>("A model of any format.")
          .Field("modelFormat", &ModelSpec::model_format, "The format.", {.always_encode = true})
          .Field("runtime", &ModelSpec::runtime, "The serving runtime; chosen where absent.");
  return d;
}

namespace {

// A serving runtime's workers have labels and annotations of their own.
std::span<const PassedField> WorkerFields() {
  static const std::vector<PassedField> fields = [] {
    std::vector<PassedField> all(PodSpecFields().begin(), PodSpecFields().end());
    all.push_back({"labels", "object"});
    all.push_back({"annotations", "object"});
    return all;
  }();
  return fields;
}

}  // namespace

const Struct<WorkerSpec>& WorkerSpec::Describe() {
  static const auto d =
      Struct<WorkerSpec>("Workers of a model that spans nodes.")
          .Rest(&WorkerSpec::pod, WorkerFields())
          .Field("pipelineParallelSize", &WorkerSpec::pipeline_parallel_size, "Nodes in all.")
          .Field("tensorParallelSize", &WorkerSpec::tensor_parallel_size, "GPUs a node.");
  return d;
}

const Struct<PredictorSpec>& PredictorSpec::Describe() {
  static const auto d =
      Component<PredictorSpec>("What predicts.")
          .Field("sklearn", &PredictorSpec::sklearn, "A scikit-learn model.")
          .Field("xgboost", &PredictorSpec::xgboost, "An XGBoost model.")
          .Field("tensorflow", &PredictorSpec::tensorflow, "A TensorFlow model.")
          .Field("pytorch", &PredictorSpec::pytorch, "A PyTorch model.")
          .Field("triton", &PredictorSpec::triton, "A Triton model repository.")
          .Field("onnx", &PredictorSpec::onnx, "An ONNX model.")
          .Field("huggingface", &PredictorSpec::huggingface, "A Hugging Face model.")
          .Field("pmml", &PredictorSpec::pmml, "A PMML model.")
          .Field("lightgbm", &PredictorSpec::lightgbm, "A LightGBM model.")
          .Field("paddle", &PredictorSpec::paddle, "A Paddle model.")
          .Field("model", &PredictorSpec::model, "A model of any format.")
          .Field("workerSpec", &PredictorSpec::worker_spec, "Workers on other nodes.")
          .Field("name", &PredictorSpec::name, "Part of its objects' names.");
  return d;
}

const Struct<TransformerSpec>& TransformerSpec::Describe() {
  static const auto d = Component<TransformerSpec>("What works on requests before and after.");
  return d;
}

const Struct<ArtExplainer>& ArtExplainer::Describe() {
  static const auto d =
      Struct<ArtExplainer>("An explainer of the Adversarial Robustness Toolbox.")
          .Rest(&ArtExplainer::container, ContainerFields())
          .Field("type", &ArtExplainer::type, "SquareAttack.")
          .Field("storageUri", &ArtExplainer::storage_uri, "Where its model is.")
          .Field("runtimeVersion", &ArtExplainer::runtime_version, "The tag of the image.")
          .Field("config", &ArtExplainer::config, "Its arguments.")
          .Field("storage", &ArtExplainer::storage, "Where its model is, by a secret.");
  return d;
}

const Struct<ExplainerSpec>& ExplainerSpec::Describe() {
  static const auto d = Component<ExplainerSpec>("What explains predictions.")
                            .Field("art", &ExplainerSpec::art, "An ART explainer.");
  return d;
}

const Struct<CanarySpec>& CanarySpec::Describe() {
  static const auto d =
      Struct<CanarySpec>("A predictor that is tried with a share of the traffic.")
          .Field("predictor", &CanarySpec::predictor,
                 "What differs from the stable predictor: the same fields.", {.required = true})
          .Field("trafficPercent", &CanarySpec::traffic_percent, "Its share.",
                 {.minimum = 0, .schema = Json::MakeObject({{"maximum", 100}})});
  return d;
}

const Struct<InferenceServiceSpec>& InferenceServiceSpec::Describe() {
  static const auto d =
      Struct<InferenceServiceSpec>("What is served.")
          .Field("predictor", &InferenceServiceSpec::predictor, "What predicts.",
                 {.required = true, .always_encode = true})
          .Field("canary", &InferenceServiceSpec::canary, "Predictors on trial, in Standard mode.",
                 {.schema = Json::MakeObject({{"x-kubernetes-list-type", "atomic"}})})
          .Field("explainer", &InferenceServiceSpec::explainer, "What explains.")
          .Field("transformer", &InferenceServiceSpec::transformer, "What transforms.");
  return d;
}

const Struct<InferenceService>& InferenceService::Describe() {
  static const auto d = Struct<InferenceService>("A served model with its helpers.")
                            .Field("metadata", &InferenceService::metadata, "")
                            .Field("spec", &InferenceService::spec, "What is served.")
                            .Field("status", &InferenceService::status, "What is seen of it.",
                                   {.schema = InferenceServiceStatusSchema()})
                            .PreserveUnknown();
  return d;
}

std::span<const Framework> Frameworks() {
  static constexpr Framework kFrameworks[] = {
      {"sklearn", &PredictorSpec::sklearn},         {"tensorflow", &PredictorSpec::tensorflow},
      {"xgboost", &PredictorSpec::xgboost},         {"pytorch", &PredictorSpec::pytorch},
      {"triton", &PredictorSpec::triton},           {"onnx", &PredictorSpec::onnx},
      {"huggingface", &PredictorSpec::huggingface}, {"pmml", &PredictorSpec::pmml},
      {"lightgbm", &PredictorSpec::lightgbm},       {"paddle", &PredictorSpec::paddle},
  };
  return kFrameworks;
}

std::vector<Implementation> Implementations(const PredictorSpec& spec) {
  using Kind = Implementation::Kind;
  static constexpr std::string_view kOrder[] = {"xgboost",    "pytorch",    "triton", "sklearn",
                                                "tensorflow", "onnx",       "pmml",   "lightgbm",
                                                "paddle",     "huggingface"};
  std::vector<Implementation> out;
  for (std::string_view name : kOrder) {
    auto framework = std::ranges::find(Frameworks(), name, &Framework::name);
    const auto& extension = spec.*framework->member;
    if (extension) out.push_back({Kind::kFramework, framework->name, &*extension});
  }
  if (spec.model) out.push_back({Kind::kModel, "model", &*spec.model});
  for (const Json& container : spec.pod["containers"].AsArray()) {
    if (container["name"].AsString() == kKserveContainer)
      out.push_back({Kind::kCustom, "", nullptr});
  }
  if (out.empty() && !spec.pod["containers"].empty()) out.push_back({Kind::kCustom, "", nullptr});
  return out;
}

std::vector<Implementation> Implementations(const TransformerSpec& spec) {
  if (spec.pod["containers"].empty()) return {};
  return {{Implementation::Kind::kCustom, "", nullptr}};
}

std::vector<Implementation> Implementations(const ExplainerSpec& spec) {
  std::vector<Implementation> out;
  if (spec.art) out.push_back({Implementation::Kind::kArt, "art", nullptr});
  if (!spec.pod["containers"].empty()) out.push_back({Implementation::Kind::kCustom, "", nullptr});
  return out;
}

const Json* FindEnv(const Json& container, std::string_view name) {
  for (const Json& env : container["env"].AsArray()) {
    if (env["name"].AsString() == name) return &env;
  }
  return nullptr;
}

const Json* FindContainer(const Json& containers, std::string_view name) {
  for (const Json& container : containers.AsArray()) {
    if (container["name"].AsString() == name) return &container;
  }
  return nullptr;
}

Json* FindContainer(Json& containers, std::string_view name) {
  return const_cast<Json*>(FindContainer(std::as_const(containers), name));
}

namespace {

std::string EnvProtocol(const Json& container) {
  const Json* env = FindEnv(container, "PROTOCOL");
  return env && !(*env)["value"].AsString().empty() ? (*env)["value"].AsString() : "v1";
}

}  // namespace

std::string ProtocolOf(const PredictorSpec& spec) {
  auto implementations = Implementations(spec);
  if (implementations.empty()) return "v1";
  const Implementation& first = implementations[0];
  if (first.extension) {
    if (first.extension->protocol_version) return *first.extension->protocol_version;
    return first.name == "triton" || first.name == "huggingface" ? "v2" : "v1";
  }
  const Json* transformer = FindContainer(spec.pod["containers"], kTransformerContainer);
  return EnvProtocol(transformer ? *transformer : spec.pod["containers"][0]);
}

std::string ProtocolOf(const TransformerSpec& spec) {
  return EnvProtocol(spec.pod["containers"][0]);
}

std::optional<std::string> StorageUriOf(const PredictorSpec& spec) {
  auto implementations = Implementations(spec);
  if (implementations.empty()) return std::nullopt;
  if (implementations[0].extension) return implementations[0].extension->storage_uri;
  for (const Json& container : spec.pod["containers"].AsArray()) {
    if (container["name"].AsString() != kKserveContainer) continue;
    const Json* env = FindEnv(container, "STORAGE_URI");
    if (env) return (*env)["value"].AsString();
  }
  return std::nullopt;
}

bool IsMultiModel(const PredictorSpec& spec) {
  const Json& containers = spec.pod["containers"];
  if (!containers.empty()) {
    const Json* env = FindEnv(containers[0], "MULTI_MODEL_SERVER");
    return env && (*env)["value"].AsString() == "true";
  }
  auto implementations = Implementations(spec);
  if (implementations.empty() || !implementations[0].extension) return false;
  const Implementation& first = implementations[0];
  if (first.name == "huggingface") return false;
  if (spec.model && spec.model->model_format.name == "huggingface") return false;
  return !first.extension->storage_uri && !first.extension->storage;
}

}  // namespace kinglet::api
