#include "api/config.h"

#include <algorithm>

#include "api/constants.h"

namespace kinglet::api {

std::optional<Mode> ParseMode(std::string_view text) {
  if (text == "RawDeployment" || text == "Standard") return Mode::kRawDeployment;
  if (text == "Serverless" || text == "Knative") return Mode::kServerless;
  if (text == "ModelMesh") return Mode::kModelMesh;
  return std::nullopt;
}

std::string_view LaterModeName(Mode mode) {
  switch (mode) {
    case Mode::kRawDeployment:
      return kModeStandard;
    case Mode::kServerless:
      return kModeKnative;
    case Mode::kModelMesh:
      return kModeModelMesh;
  }
  return "";
}

Json ContainerConfig::Resources() const {
  return Json::MakeObject(
      {{"limits", Json::MakeObject({{"cpu", cpu_limit}, {"memory", memory_limit}})},
       {"requests", Json::MakeObject({{"cpu", cpu_request}, {"memory", memory_request}})}});
}

std::string IngressConfig::IngressHost() const {
  // A host of an Ingress rule has no port.
  size_t colon = ingress_domain.find(':');
  return ingress_domain.substr(0, colon);
}

namespace {

// Reads the sections of one ConfigMap.
class Reader {
 public:
  Reader(const Json& data, std::vector<std::string>& warnings) : data_(data), warnings_(warnings) {
    for (const auto& [key, value] : data.AsObject()) unread_.push_back(key);
  }

  ~Reader() {
    for (const auto& key : unread_) {
      if (key != "_example") warnings_.push_back(fmt::format("key {} is not known", key));
    }
  }

  bool Has(std::string_view key) const { return data_.Has(key); }

  template <class S>
  Result<S> Section(std::string_view key) {
    std::erase(unread_, key);
    const Json* text = data_.Find(key);
    if (!text) return S();
    auto value = Json::Parse(text->AsString());
    if (!value) return Unexpected(value.error().WithContext(Where(key)));
    // A section of null is an empty one, as for Go's decoder.
    const Json object = value->IsNull() ? Json::MakeObject() : std::move(*value);
    auto section = Decode<S>(object, Checks::kTypes, Names::kAnyCase);
    if (!section) return Unexpected(section.error().WithContext(Where(key)));
    Decoder strict(Checks::kStrict, Names::kAnyCase);
    S scratch;
    S::Describe().Decode(object, scratch, strict);
    for (const auto& finding : strict.errors()) {
      warnings_.push_back(fmt::format("key {}: {}", key, finding));
    }
    return section;
  }

  // A key that holds a word.
  std::string Word(std::string_view key) {
    std::erase(unread_, key);
    return data_[key].AsString();
  }

  // One whose four quantities must be there.
  template <class S>
  Result<S> WithResources(std::string_view key) {
    KINGLET_TRY(S section, Section<S>(key));
    const std::string* quantities[] = {&section.memory_request, &section.memory_limit,
                                       &section.cpu_request, &section.cpu_limit};
    for (const std::string* quantity : quantities) {
      if (IsQuantity(*quantity)) continue;
      return Fail(Code::kInvalidArgument,
                  "Failed to parse resource configuration for \"{}\": quantities must match the "
                  "regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
                  key);
    }
    return section;
  }

 private:
  static std::string Where(std::string_view key) {
    return fmt::format("unable to parse {} config json", key);
  }

  const Json& data_;
  std::vector<std::string>& warnings_;
  std::vector<std::string> unread_;
};

bool IsDnsLabel(std::string_view text) {
  constexpr size_t kMaxLabel = 63;
  auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= kMaxLabel && std::ranges::all_of(text, inner) &&
         text.front() != '-' && text.back() != '-';
}

Status CheckGateway(const IngressConfig& config) {
  if (config.enable_gateway_api) {
    const std::string& gateway = config.kserve_ingress_gateway;
    if (gateway.empty()) {
      return Fail(Code::kInvalidArgument,
                  "invalid ingress config - kserveIngressGateway is required");
    }
    size_t slash = gateway.find('/');
    if (slash == std::string::npos || gateway.find('/', slash + 1) != std::string::npos) {
      return Fail(Code::kInvalidArgument,
                  "invalid ingress config - kserveIngressGateway should be in the format "
                  "<namespace>/<name>");
    }
    if (!IsDnsLabel(std::string_view(gateway).substr(0, slash))) {
      return Fail(Code::kInvalidArgument,
                  "invalid ingress config - kserveIngressGateway gateway namespace is invalid");
    }
    if (!IsDnsLabel(std::string_view(gateway).substr(slash + 1))) {
      return Fail(Code::kInvalidArgument,
                  "invalid ingress config - kserveIngressGateway gateway name is invalid");
    }
  }
  if (config.ingress_gateway.empty()) {
    return Fail(Code::kInvalidArgument, "invalid ingress config - ingressGateway is required");
  }
  if (!config.path_template.empty() && config.ingress_domain.empty()) {
    return Fail(Code::kInvalidArgument,
                "invalid ingress config - ingressDomain is required if pathTemplate is given");
  }
  return {};
}

Result<IngressConfig> ReadIngress(Reader& reader) {
  KINGLET_TRY(auto config, reader.Section<IngressConfig>("ingress"));
  if (reader.Has("ingress")) KINGLET_RETURN_IF_ERROR(CheckGateway(config));
  if (config.domain_template.empty()) {
    config.domain_template = "{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}";
  }
  if (config.ingress_domain.empty()) config.ingress_domain = "example.com";
  if (config.url_scheme.empty()) config.url_scheme = "http";
  if (config.knative_local_gateway_service.empty()) {
    config.knative_local_gateway_service = config.local_gateway_service;
  }
  return config;
}

Result<DeployConfig> ReadDeploy(Reader& reader) {
  KINGLET_TRY(auto config, reader.Section<DeployConfig>("deploy"));
  if (!reader.Has("deploy")) return config;
  if (config.default_deployment_mode.empty()) {
    return Fail(Code::kInvalidArgument, "invalid deploy config, defaultDeploymentMode is required");
  }
  auto mode = ParseMode(config.default_deployment_mode);
  if (!mode) {
    return Fail(Code::kInvalidArgument,
                "invalid deployment mode. Supported modes are Serverless, RawDeployment and "
                "ModelMesh");
  }
  config.mode = *mode;
  return config;
}

Result<AutoscalerConfig> ReadAutoscaler(Reader& reader) {
  KINGLET_TRY(auto config, reader.Section<AutoscalerConfig>("autoscaler"));
  for (const std::string* seconds : {&config.scale_up_stabilization_window_seconds,
                                     &config.scale_down_stabilization_window_seconds}) {
    // Nine digits hold every window that Kubernetes accepts (an hour).
    if (seconds->find_first_not_of("0123456789") != std::string::npos || seconds->size() > 9) {
      return Fail(Code::kInvalidArgument,
                  "invalid autoscaler config, \"{}\" is not a number of seconds", *seconds);
    }
  }
  return config;
}

Result<InferenceServiceConfig> ReadInferenceService(Reader& reader) {
  KINGLET_TRY(auto config, reader.Section<InferenceServiceConfig>("inferenceService"));
  // KServe has its own entries only where the key is there.
  if (!reader.Has("inferenceService")) return config;
  auto& annotations = config.service_annotation_disallowed_list;
  for (auto name :
       {annotation::kKnativeMinScale, annotation::kKnativeMaxScale, annotation::kStorageSourceUri,
        std::string_view("kubectl.kubernetes.io/last-applied-configuration")}) {
    annotations.emplace_back(name);
  }
  config.service_label_disallowed_list.emplace_back(label::kKnativeVisibility);
  return config;
}

Result<CredentialsConfig> ReadCredentials(Reader& reader) {
  KINGLET_TRY(auto config, reader.Section<CredentialsConfig>("credentials"));
  auto set_default = [](std::string& value, std::string_view fallback) {
    if (value.empty()) value = fallback;
  };
  set_default(config.s3.access_key_id_name, "awsAccessKeyID");
  set_default(config.s3.secret_access_key_name, "awsSecretAccessKey");
  set_default(config.gcs.credential_file_name, "gcloud-application-credentials.json");
  set_default(config.storage_spec_secret_name, "storage-config");
  return config;
}

Result<StorageInitializerConfig> ReadStorageInitializer(Reader& reader) {
  KINGLET_TRY(auto config, reader.WithResources<StorageInitializerConfig>("storageInitializer"));
  // KServe's default for a configuration that names none. The one that is shipped names a version.
  if (config.image.empty()) config.image = "kserve/storage-initializer:latest";
  return config;
}

}  // namespace

Config ParseConfig(const Json& config_map) {
  std::vector<std::string> warnings;
  const Json& data = config_map["data"];
  auto config = [&] {
    Reader reader(data, warnings);
    return Config{
        .explainers = reader.Section<ExplainersConfig>("explainers"),
        .storage_initializer = ReadStorageInitializer(reader),
        .credentials = ReadCredentials(reader),
        .ingress = ReadIngress(reader),
        .logger = reader.WithResources<LoggerConfig>("logger"),
        .batcher = reader.WithResources<BatcherConfig>("batcher"),
        .agent = reader.WithResources<AgentConfig>("agent"),
        .router = reader.WithResources<RouterConfig>("router"),
        .deploy = ReadDeploy(reader),
        .service = reader.Section<ServiceConfig>("service"),
        .metrics_aggregator = reader.Section<MetricsAggregatorConfig>("metricsAggregator"),
        .local_model = reader.Section<LocalModelConfig>("localModel"),
        .security = reader.Section<SecurityConfig>("security"),
        .inference_service = ReadInferenceService(reader),
        .multi_node = reader.Section<MultiNodeConfig>("multiNode"),
        .open_telemetry = reader.Section<OpenTelemetryConfig>("opentelemetryCollector"),
        .autoscaler = ReadAutoscaler(reader),
        .latest = reader.Word("compatibility") == "latest",
        .warnings = {},
    };
  }();
  config.warnings = std::move(warnings);
  if (config.explainers && config.inference_service && config.inference_service->explainers) {
    config.explainers = *config.inference_service->explainers;
  }
  return config;
}

std::vector<std::string> GpuResourceTypes(const Config& config) {
  std::vector<std::string> types = {"nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu",
                                    "habana.ai/gaudi"};
  if (config.multi_node) {
    for (const auto& type : config.multi_node->custom_gpu_resource_type_list) {
      types.push_back(type);
    }
  }
  return types;
}

}  // namespace kinglet::api
