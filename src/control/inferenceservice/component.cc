#include "control/inferenceservice/component.h"

#include <algorithm>

#include "api/constants.h"
#include "control/inferenceservice/storage_uris.h"

namespace kinglet::control {
namespace {

// A failure that says nothing about the model.
std::unexpected<ModelFailure> Fault(Error error) {
  return std::unexpected(ModelFailure{"", "", std::move(error), ""});
}

std::unexpected<ModelFailure> InvalidSpec(std::string message) {
  return std::unexpected(
      ModelFailure{"InvalidPredictorSpec", message, Error(Code::kFailedPrecondition, message), ""});
}

using Texts = std::map<std::string, std::string>;

void PutAll(Json& into, const Json& from) {
  for (const auto& [key, value] : from.AsObject()) into.Set(key, value);
}

void PutAll(Json& into, const Texts& from) {
  for (const auto& [key, value] : from) into.Set(key, value);
}

Json Without(Json map, const std::vector<std::string>& keys) {
  if (!map.IsObject()) return Json::MakeObject();
  for (const auto& key : keys) map.Erase(key);
  return map;
}

void AddLogger(const api::ComponentExtension& extension, Json& annotations) {
  if (!extension.logger) return;
  const auto& logger = *extension.logger;
  annotations.Set(api::annotation::kLogger, "true");
  if (logger.url) annotations.Set(api::annotation::kLoggerSinkUrl, *logger.url);
  annotations.Set(api::annotation::kLoggerMode, logger.mode);
  if (!logger.metadata_headers.empty()) {
    annotations.Set(api::annotation::kLoggerMetadataHeaders,
                    fmt::format("{}", fmt::join(logger.metadata_headers, ",")));
  }
}

void AddBatcher(const api::ComponentExtension& extension, Json& annotations) {
  if (!extension.batcher) return;
  const auto& batcher = *extension.batcher;
  annotations.Set(api::annotation::kBatcher, "true");
  if (batcher.max_batch_size) {
    annotations.Set(api::annotation::kBatcherMaxBatchSize, std::to_string(*batcher.max_batch_size));
  }
  if (batcher.max_latency) {
    annotations.Set(api::annotation::kBatcherMaxLatency, std::to_string(*batcher.max_latency));
  }
}

void AddStorageSpec(const api::StorageSpec& storage, Json& annotations) {
  annotations.Set(api::annotation::kStorageSpec, "true");
  if (!storage.parameters.empty()) {
    Json parameters = Json::MakeObject();
    PutAll(parameters, storage.parameters);
    annotations.Set(api::annotation::kStorageSpecParam, parameters.Dump());
  }
  if (storage.key) annotations.Set(api::annotation::kStorageSpecKey, *storage.key);
  if (storage.path) {
    std::string_view path = *storage.path;
    if (path.starts_with('/')) path.remove_prefix(1);
    // The storage initializer's caller puts the scheme of the secret's entry in its place.
    annotations.Set(api::annotation::kStorageSourceUri,
                    fmt::format("<scheme-placeholder>://{}", path));
  }
}

Status AddStorage(const std::optional<std::string>& uri,
                  const std::optional<api::StorageSpec>& storage, const ComponentInput& input,
                  Json& annotations) {
  if (storage) AddStorageSpec(*storage, annotations);
  if (!uri) return {};
  if (storage && storage->path) {
    return Fail(Code::kInvalidArgument, "must provide only one of storageUri and storage.path");
  }
  if (auto status = api::CheckStorageUri(*uri, input.storage_containers); !status) {
    return Unexpected(status.error().WithContext("StorageURI not supported"));
  }
  annotations.Set(api::annotation::kStorageSourceUri, *uri);
  return {};
}

void AddMultiModel(const api::InferenceService& isvc, Json& annotations) {
  if (!api::IsMultiModel(isvc.spec.predictor)) return;
  annotations.Set(api::annotation::kAgent, "true");
  annotations.Set(api::annotation::kConfigVolumeName, fmt::format("modelconfig-{}-0", isvc.name()));
  annotations.Set(api::annotation::kConfigMountPath, api::kConfigMountPath);
  annotations.Set(api::annotation::kModelDir, api::kModelMountPath);
}

// The labels and annotations that every object and pod of the component gets.
void FillMetadata(const api::InferenceService& isvc, const api::ComponentExtension& extension,
                  const std::vector<std::string>& disallowed, Json own_annotations,
                  const Json& runtime_pod, ComponentPlan& plan) {
  plan.labels = Json::MakeObject();
  PutAll(plan.labels, runtime_pod["labels"]);
  PutAll(plan.labels, isvc.metadata["labels"]);
  PutAll(plan.labels, extension.labels);
  plan.labels.Set(api::label::kInferenceService, isvc.name());
  plan.labels.Set(api::label::kComponent, ComponentName(plan.kind));

  plan.annotations = Without(runtime_pod["annotations"], disallowed);
  PutAll(plan.annotations, own_annotations);
  Json component = Json::MakeObject();
  PutAll(component, extension.annotations);
  PutAll(plan.annotations, Without(std::move(component), disallowed));
  plan.extension = &extension;
}

// storageUris: the pod brings its files itself.
Status PlaceFiles(const api::ComponentExtension& extension, const ComponentInput& input,
                  ComponentPlan& plan) {
  if (extension.storage_uris.empty()) return {};
  KINGLET_RETURN_IF_ERROR(AddStorageUris(extension.storage_uris, plan.annotations, input.config,
                                         input.storage_containers, plan.pod));
  plan.annotations.Set(api::annotation::kStorageUris, "true");
  return {};
}

Result<std::vector<std::string>> DisallowedAnnotations(const ComponentInput& input) {
  const auto& config = input.config.inference_service;
  if (!config) return Unexpected(config.error());
  return config->service_annotation_disallowed_list;
}

// The containers of a pod whose model a runtime serves, in KServe's order.
ModelResult<Json> RuntimeContainers(const api::InferenceService& isvc,
                                    const api::ServingRuntime& runtime) {
  const api::ModelSpec& model = *isvc.spec.predictor.model;
  const Json& runtime_containers = runtime.spec.pod["containers"];
  const Json& own_containers = isvc.spec.predictor.pod["containers"];
  if (runtime_containers.empty()) {
    return InvalidSpec("no container configuration found in selected serving runtime");
  }
  const Json* base = api::FindContainer(runtime_containers, api::kKserveContainer);
  if (!base) return InvalidSpec("failed to find kserve-container in ServingRuntime containers");
  auto rendered = [&](const Json& container) -> ModelResult<Json> {
    auto out = ReplacePlaceholders(container, isvc.metadata);
    if (!out) {
      return InvalidSpec(
          fmt::format("failed to replace placeholders in serving runtime {} Container {}",
                      runtime.name(), container["name"].AsString()));
    }
    return *std::move(out);
  };

  auto merged = MergeContainers(*base, model.container);
  if (!merged) return InvalidSpec("failed to get runtime container");
  auto main = rendered(*merged);
  if (!main) return main;
  UpdateImageTag(*main, model.runtime_version, runtime.name());
  Json containers = Json::MakeArray({*std::move(main)});

  const Json* runtime_transformer =
      api::FindContainer(runtime_containers, api::kTransformerContainer);
  const Json* own_transformer = api::FindContainer(own_containers, api::kTransformerContainer);
  if (runtime_transformer || own_transformer) {
    Json transformer = runtime_transformer ? *runtime_transformer : *own_transformer;
    if (runtime_transformer && own_transformer) {
      auto both = MergeContainers(*runtime_transformer, *own_transformer);
      if (!both) return InvalidSpec("failed to get runtime container");
      transformer = *std::move(both);
    }
    auto ready = rendered(transformer);
    if (!ready) return ready;
    containers.Push(*std::move(ready));
  }
  for (const Json& container : runtime_containers.AsArray()) {
    const auto& name = container["name"].AsString();
    if (name != api::kKserveContainer && name != api::kTransformerContainer) {
      containers.Push(container);
    }
  }
  for (const Json& container : own_containers.AsArray()) {
    if (container["name"].AsString() != api::kTransformerContainer) containers.Push(container);
  }
  return containers;
}

}  // namespace

std::string_view ComponentName(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kPredictor:
      return "predictor";
    case ComponentKind::kTransformer:
      return "transformer";
    case ComponentKind::kExplainer:
      return "explainer";
  }
  return "";
}

std::string_view ComponentTitle(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kPredictor:
      return "Predictor";
    case ComponentKind::kTransformer:
      return "Transformer";
    case ComponentKind::kExplainer:
      return "Explainer";
  }
  return "";
}

std::string ComponentObjectName(std::string_view isvc, ComponentKind kind,
                                const std::vector<std::string>& legacy_services) {
  std::string name = fmt::format("{}-{}", isvc, ComponentName(kind));
  if (std::ranges::find(legacy_services, name + "-default") != legacy_services.end()) {
    name += "-default";
  }
  return name;
}

namespace {

std::string PredictorObjectName(const api::InferenceService& isvc,
                                const std::vector<std::string>& legacy_services) {
  const auto& name = isvc.spec.predictor.name;
  if (name && !name->empty()) return fmt::format("{}-{}-predictor", isvc.name(), *name);
  return ComponentObjectName(isvc.name(), ComponentKind::kPredictor, legacy_services);
}

}  // namespace

ModelResult<ComponentPlan> PlanPredictor(api::InferenceService& isvc, const ComponentInput& input) {
  api::PredictorSpec& spec = isvc.spec.predictor;
  ComponentPlan plan;
  plan.kind = ComponentKind::kPredictor;
  plan.name = PredictorObjectName(isvc, input.legacy_services);
  plan.public_name = ComponentObjectName(isvc.name(), plan.kind, input.legacy_services);

  auto implementations = api::Implementations(spec);
  if (implementations.empty()) {
    return Fault(Error(Code::kInvalidArgument, "the predictor has neither a model nor containers"));
  }
  auto disallowed = DisallowedAnnotations(input);
  if (!disallowed) return Fault(disallowed.error());
  Json annotations = Without(isvc.metadata["annotations"], *disallowed);
  AddLogger(spec, annotations);
  AddBatcher(spec, annotations);
  const api::PredictorExtension* extension = implementations[0].extension;
  auto stored = AddStorage(api::StorageUriOf(spec),
                           extension ? extension->storage : std::optional<api::StorageSpec>(),
                           input, annotations);
  if (!stored) return Fault(stored.error());
  AddMultiModel(isvc, annotations);

  Json runtime_pod;
  const api::ServingRuntime* used = nullptr;
  if (spec.model) {
    auto runtime = ResolveRuntime(isvc, input.runtimes);
    if (!runtime) return std::unexpected(runtime.error());
    used = *runtime;
    plan.runtime = used->name();
    plan.cluster_runtime = used->ns().empty();
    runtime_pod = used->spec.pod;
    auto containers = RuntimeContainers(isvc, **runtime);
    if (!containers) return std::unexpected(containers.error());
    auto pod = MergePodSpecs(runtime_pod, spec.pod);
    if (!pod) {
      return InvalidSpec("failed to consolidate serving runtime PodSpecs");
    }
    plan.pod = *std::move(pod);
    plan.pod.Set("containers", *std::move(containers));
  } else {
    plan.pod = spec.pod.IsNull() ? Json::MakeObject() : spec.pod;
    Json& containers = plan.pod.Ref("containers");
    Json container;
    if (extension) {
      container = extension->container.IsNull() ? Json::MakeObject() : extension->container;
    } else {
      const Json* custom = api::FindContainer(spec.pod["containers"], api::kKserveContainer);
      container = custom ? *custom : spec.pod["containers"][0];
    }
    if (containers.empty()) {
      containers.Push(std::move(container));
    } else {
      containers.MutableArray()[0] = std::move(container);
    }
  }
  if (spec.worker_spec) {
    Json own = Json::MakeObject();
    PutAll(own, spec.annotations);
    auto workers = PlanWorkers(isvc, used, annotations, Without(std::move(own), *disallowed),
                               input.config, plan.pod);
    if (!workers) return std::unexpected(workers.error());
    plan.worker = *std::move(workers);
  }
  FillMetadata(isvc, spec, *disallowed, std::move(annotations), runtime_pod, plan);
  if (auto placed = PlaceFiles(spec, input, plan); !placed) return Fault(placed.error());
  if (spec.worker_spec) plan.labels.Set(api::label::kIsvcGeneration, GenerationLabel(isvc));
  return plan;
}

namespace {

bool HasArgument(const Json& container, std::string_view prefix) {
  return std::ranges::any_of(container["args"].AsArray(), [&](const Json& argument) {
    return argument.AsString().starts_with(prefix);
  });
}

void AddArgument(Json& container, std::string_view name, std::string value) {
  if (HasArgument(container, name)) return;
  Json& args = container.Ref("args");
  args.Push(name);
  args.Push(std::move(value));
}

// Under the old name where the component that asks has one itself, and only there.
std::string PredictorHost(const api::InferenceService& isvc, ComponentKind asking,
                          const ComponentInput& input) {
  const bool legacy =
      ComponentObjectName(isvc.name(), asking, input.legacy_services).ends_with("-default");
  if (legacy) return fmt::format("{}-predictor-default.{}", isvc.name(), isvc.ns());
  return fmt::format("{}.{}", PredictorObjectName(isvc, {}), isvc.ns());
}

void AddWorkers(const api::ComponentExtension& extension, Json& container) {
  if (!extension.container_concurrency) return;
  AddArgument(container, "--workers", std::to_string(*extension.container_concurrency));
}

// What a custom transformer is told.
void AddTransformerArguments(const api::InferenceService& isvc, const ComponentInput& input,
                             Json& container) {
  std::string host = PredictorHost(isvc, ComponentKind::kTransformer, input);
  if (input.mesh_predictor &&
      isvc.Annotation(api::annotation::kDeploymentMode) == api::kModeModelMesh) {
    host = input.mesh_predictor->host;
    AddArgument(container, "--protocol", input.mesh_predictor->protocol);
  }
  AddArgument(container, "--model_name", isvc.name());
  AddArgument(container, "--predictor_host", std::move(host));
  AddArgument(container, "--http_port", std::to_string(api::kHttpPort));
  AddWorkers(*isvc.spec.transformer, container);
}

// What a custom explainer is told: the port in any case, the last one given counts.
void AddExplainerArguments(const api::InferenceService& isvc, const ComponentInput& input,
                           Json& container) {
  AddArgument(container, "--model_name", isvc.name());
  AddArgument(container, "--predictor_host", PredictorHost(isvc, ComponentKind::kExplainer, input));
  Json& args = container.Ref("args");
  args.Push("--http_port");
  args.Push(std::to_string(api::kHttpPort));
  AddWorkers(*isvc.spec.explainer, container);
}

std::optional<std::string> EnvStorageUri(const Json& container) {
  const Json* env = api::FindEnv(container, "STORAGE_URI");
  return env ? std::optional((*env)["value"].AsString()) : std::nullopt;
}

Json ArtContainer(const api::InferenceService& isvc, const ComponentInput& input) {
  const api::ArtExplainer& art = *isvc.spec.explainer->art;
  Json container = art.container.IsNull() ? Json::MakeObject() : art.container;
  Json args =
      Json::MakeArray({"--model_name", isvc.name(), "--http_port", std::to_string(api::kHttpPort)});
  auto put = [&](std::string_view name, std::string value) {
    args.Push(name);
    args.Push(std::move(value));
  };
  if (!HasArgument(container, "--predictor_host")) {
    put("--predictor_host", PredictorHost(isvc, ComponentKind::kExplainer, input));
  }
  if (isvc.spec.explainer->container_concurrency && !HasArgument(container, "--workers")) {
    put("--workers", std::to_string(*isvc.spec.explainer->container_concurrency));
  }
  if (!art.storage_uri.value_or("").empty())
    put("--storage_uri", std::string(api::kModelMountPath));
  put("--adversary_type", art.type);
  for (const auto& [name, value] : art.config) put("--" + name, value);
  // KServe 0.15 gives the user's arguments twice, which says the same as once.
  for (int time = 0; time < 2; ++time) {
    for (const Json& argument : container["args"].AsArray()) args.Push(argument);
  }
  container.Set("args", std::move(args));
  if (container["image"].AsString().empty() && input.config.explainers) {
    const auto& config = input.config.explainers->art;
    container.Set("image", fmt::format("{}:{}", config.image,
                                       art.runtime_version.value_or(config.default_image_version)));
  }
  container.Set("name", api::kKserveContainer);
  return container;
}

}  // namespace

ModelResult<ComponentPlan> PlanComponent(ComponentKind kind, api::InferenceService& isvc,
                                         const ComponentInput& input) {
  switch (kind) {
    case ComponentKind::kPredictor:
      return PlanPredictor(isvc, input);
    case ComponentKind::kTransformer:
      return PlanTransformer(isvc, input);
    case ComponentKind::kExplainer:
      return PlanExplainer(isvc, input);
  }
  return Fault(Error(Code::kInternal, "no such component"));
}

ModelResult<ComponentPlan> PlanTransformer(const api::InferenceService& isvc,
                                           const ComponentInput& input) {
  const api::TransformerSpec& spec = *isvc.spec.transformer;
  ComponentPlan plan;
  plan.kind = ComponentKind::kTransformer;
  plan.name = plan.public_name = ComponentObjectName(isvc.name(), plan.kind, input.legacy_services);
  if (spec.pod["containers"].empty()) {
    return Fault(Error(Code::kInvalidArgument, "the transformer has no containers"));
  }
  auto disallowed = DisallowedAnnotations(input);
  if (!disallowed) return Fault(disallowed.error());
  Json annotations = Without(isvc.metadata["annotations"], *disallowed);
  auto stored =
      AddStorage(EnvStorageUri(spec.pod["containers"][0]), std::nullopt, input, annotations);
  if (!stored) return Fault(stored.error());
  AddLogger(spec, annotations);
  AddBatcher(spec, annotations);
  plan.pod = spec.pod;
  AddTransformerArguments(isvc, input, plan.pod.Ref("containers").MutableArray()[0]);
  FillMetadata(isvc, spec, *disallowed, std::move(annotations), Json(), plan);
  if (auto placed = PlaceFiles(spec, input, plan); !placed) return Fault(placed.error());
  return plan;
}

ModelResult<ComponentPlan> PlanExplainer(const api::InferenceService& isvc,
                                         const ComponentInput& input) {
  const api::ExplainerSpec& spec = *isvc.spec.explainer;
  ComponentPlan plan;
  plan.kind = ComponentKind::kExplainer;
  plan.name = plan.public_name = ComponentObjectName(isvc.name(), plan.kind, input.legacy_services);
  auto implementations = api::Implementations(spec);
  if (implementations.empty()) {
    return Fault(Error(Code::kInvalidArgument, "the explainer has neither art nor containers"));
  }
  auto disallowed = DisallowedAnnotations(input);
  if (!disallowed) return Fault(disallowed.error());
  Json annotations = Without(isvc.metadata["annotations"], *disallowed);
  const bool is_art = implementations[0].kind == api::Implementation::Kind::kArt;
  std::optional<std::string> uri =
      is_art ? spec.art->storage_uri : EnvStorageUri(spec.pod["containers"][0]);
  if (is_art && uri && uri->empty()) uri.reset();
  auto stored = AddStorage(uri, std::nullopt, input, annotations);
  if (!stored) return Fault(stored.error());
  AddLogger(spec, annotations);
  plan.pod = spec.pod.IsNull() ? Json::MakeObject() : spec.pod;
  Json container;
  if (is_art) {
    container = ArtContainer(isvc, input);
  } else {
    container = spec.pod["containers"][0];
    AddExplainerArguments(isvc, input, container);
  }
  Json& containers = plan.pod.Ref("containers");
  if (containers.empty()) {
    containers.Push(std::move(container));
  } else {
    containers.MutableArray()[0] = std::move(container);
  }
  FillMetadata(isvc, spec, *disallowed, std::move(annotations), Json(), plan);
  if (auto placed = PlaceFiles(spec, input, plan); !placed) return Fault(placed.error());
  return plan;
}

}  // namespace kinglet::control
