#include "control/inferenceservice/runtime.h"

#include <algorithm>

#include "api/constants.h"
#include "control/template.h"
#include "kube/object.h"
#include "kube/strategic_merge.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kMlServer = "kserve-mlserver";
constexpr std::string_view kTorchServe = "kserve-torchserve";
constexpr std::string_view kTriton = "kserve-tritonserver";

std::unexpected<ModelFailure> Reject(std::string reason, std::string message, std::string error) {
  return std::unexpected(ModelFailure{std::move(reason), std::move(message),
                                      Error(Code::kFailedPrecondition, std::move(error)), ""});
}

void AddEnv(Json& container, std::string_view name, std::string_view value) {
  if (api::FindEnv(container, name)) return;
  container.Ref("env").Push(Json::MakeObject({{"name", name}, {"value", value}}));
}

std::string_view MlServerClass(std::string_view format) {
  if (format == "xgboost") return "mlserver_xgboost.XGBoostModel";
  if (format == "lightgbm") return "mlserver_lightgbm.LightGBMModel";
  if (format == "mlflow") return "mlserver_mlflow.MLflowRuntime";
  return "mlserver_sklearn.SKLearnModel";
}

// What KServe knows about three of its runtimes by their names.
void ApplyRuntimeDefaults(api::InferenceService& isvc) {
  api::ModelSpec& model = *isvc.spec.predictor.model;
  const std::string runtime = model.runtime.value_or("");
  const bool has_storage = model.storage_uri || model.storage;
  if (model.container.IsNull()) model.container = Json::MakeObject();
  if (runtime == kMlServer) {
    if (!model.protocol_version) model.protocol_version = "v2";
    if (has_storage) {
      AddEnv(model.container, "MLSERVER_MODEL_NAME", isvc.name());
      AddEnv(model.container, "MLSERVER_MODEL_URI", api::kModelMountPath);
    } else {
      AddEnv(model.container, "MLSERVER_LOAD_MODELS_AT_STARTUP", "false");
    }
    isvc.metadata.Path({"labels", api::label::kModelClass}) =
        MlServerClass(model.model_format.name);
  } else if (runtime == kTorchServe) {
    if (!model.protocol_version) model.protocol_version = "v1";
    const std::string& protocol = *model.protocol_version;
    bool v2 = protocol == "v2" || protocol == "grpc-v2";
    isvc.metadata.Path({"labels", api::label::kServiceEnvelope}) = v2 ? "kservev2" : "kserve";
    model.container.Ref("env").Push(
        Json::MakeObject({{"name", "PROTOCOL_VERSION"}, {"value", protocol}}));
  } else if (runtime == kTriton) {
    if (!model.protocol_version) model.protocol_version = "v2";
    if (!has_storage) model.container.Ref("args").Push("--model-control-mode=explicit");
  }
}

int LowestProtocolRank(const api::ServingRuntimeSpec& runtime) {
  int rank = api::ProtocolRank("");
  for (const auto& protocol : runtime.protocol_versions) {
    rank = std::min(rank, api::ProtocolRank(protocol));
  }
  return rank;
}

std::string LowestProtocol(const api::ServingRuntimeSpec& runtime) {
  if (runtime.protocol_versions.empty()) return "";
  return *std::ranges::min_element(runtime.protocol_versions, {}, api::ProtocolRank);
}

// The order in which runtimes of one scope are tried.
void SortCandidates(std::vector<const api::ServingRuntime*>& candidates, std::string_view format) {
  std::ranges::sort(candidates, [&](const auto* a, const auto* b) {
    // A priority that is set is 1 or more.
    int priority_a = a->spec.PriorityOf(format).value_or(0);
    int priority_b = b->spec.PriorityOf(format).value_or(0);
    if (priority_a != priority_b) return priority_a > priority_b;
    int rank_a = LowestProtocolRank(a->spec), rank_b = LowestProtocolRank(b->spec);
    if (rank_a != rank_b) return rank_a < rank_b;
    // RFC 3339 in UTC sorts as text.
    const auto& time_a = a->metadata["creationTimestamp"].AsString();
    const auto& time_b = b->metadata["creationTimestamp"].AsString();
    if (time_a != time_b) return time_a > time_b;
    return a->name() < b->name();
  });
}

const api::ServingRuntime* SelectRuntime(const api::InferenceService& isvc,
                                         const std::vector<api::ServingRuntime>& runtimes) {
  const api::ModelSpec& model = *isvc.spec.predictor.model;
  const std::string protocol = model.protocol_version.value_or("v1");
  const bool multi_node = isvc.spec.predictor.worker_spec.has_value();
  for (bool cluster : {false, true}) {
    std::vector<const api::ServingRuntime*> candidates;
    for (const auto& runtime : runtimes) {
      const auto& spec = runtime.spec;
      if (runtime.ns().empty() != cluster || spec.IsDisabled() || spec.IsMultiModel()) continue;
      if (!SupportsModel(spec, model.model_format, true)) continue;
      if (!spec.SupportsProtocol(protocol)) continue;
      if (spec.worker_spec.has_value() != multi_node) continue;
      candidates.push_back(&runtime);
    }
    if (candidates.empty()) continue;
    SortCandidates(candidates, model.model_format.name);
    return candidates[0];
  }
  return nullptr;
}

}  // namespace

bool SupportsModel(const api::ServingRuntimeSpec& runtime, const api::ModelFormat& format,
                   bool automatic) {
  return std::ranges::any_of(runtime.supported_model_formats, [&](const auto& supported) {
    if (automatic && !supported.AutoSelects()) return false;
    if (supported.name != format.name) return false;
    return !format.version || supported.version == format.version;
  });
}

ModelResult<const api::ServingRuntime*> ResolveRuntime(
    api::InferenceService& isvc, const std::vector<api::ServingRuntime>& runtimes) {
  api::ModelSpec& model = *isvc.spec.predictor.model;
  if (!model.runtime) {
    const api::ServingRuntime* chosen = SelectRuntime(isvc, runtimes);
    if (!chosen) {
      const auto& format = model.model_format;
      std::string type = format.version ? format.name + " " + *format.version : format.name;
      return Reject(
          "NoSupportingRuntime", "No runtime found to support specified framework/version",
          fmt::format("no runtime found to support predictor with model type: {{{}}}", type));
    }
    model.runtime = chosen->name();
    ApplyRuntimeDefaults(isvc);
    if (!model.protocol_version) model.protocol_version = LowestProtocol(chosen->spec);
    return chosen;
  }

  ApplyRuntimeDefaults(isvc);
  const std::string& name = *model.runtime;
  auto found = std::ranges::find(runtimes, name, &api::ServingRuntime::name);
  if (found == runtimes.end()) {
    return Reject("RuntimeNotRecognized", "Waiting for runtime to become available",
                  "No ServingRuntimes or ClusterServingRuntimes with the name: " + name);
  }
  const auto& spec = found->spec;
  if (spec.IsDisabled()) {
    return Reject("RuntimeDisabled", "Specified runtime is disabled",
                  fmt::format("specified runtime {} is disabled", name));
  }
  if (model.protocol_version && !spec.SupportsProtocol(*model.protocol_version)) {
    return Reject(
        "NoSupportingRuntime", "Specified runtime does not support specified protocol version",
        fmt::format("specified runtime {} does not support specified protocol version", name));
  }
  if (!SupportsModel(spec, model.model_format, false)) {
    return Reject(
        "NoSupportingRuntime", "Specified runtime does not support specified framework/version",
        fmt::format("specified runtime {} does not support specified framework/version", name));
  }
  if (!model.protocol_version) model.protocol_version = LowestProtocol(spec);
  return &*found;
}

Result<Json> MergeContainers(const Json& base, const Json& over) {
  KINGLET_TRY(Json merged, kube::MergeContainer(base, over.IsNull() ? Json::MakeObject() : over));
  if (merged["name"].AsString().empty()) merged.Set("name", base["name"]);
  // A probe has one handler: that of `over` takes the place of the runtime's.
  for (const char* probe : {"readinessProbe", "livenessProbe", "startupProbe"}) {
    for (const char* handler : {"httpGet", "tcpSocket", "exec", "grpc"}) {
      if (over[probe].Has(handler)) {
        for (const char* other : {"httpGet", "tcpSocket", "exec", "grpc"}) {
          if (!over[probe].Has(other)) merged.Ref(probe).Erase(other);
        }
      }
    }
  }
  Json args = Json::MakeArray();
  for (const Json* side : {&base, &over}) {
    for (const Json& argument : (*side)["args"].AsArray()) args.Push(argument);
  }
  if (args.empty()) {
    merged.Erase("args");
  } else {
    merged.Set("args", std::move(args));
  }
  return merged;
}

Result<Json> MergePodSpecs(const Json& runtime_pod, const Json& predictor_pod) {
  Json base = Json::MakeObject();
  for (auto field : {"nodeSelector", "affinity", "tolerations", "volumes", "imagePullSecrets"}) {
    if (const Json* value = runtime_pod.Find(field)) base.Set(field, *value);
  }
  Json over = predictor_pod.IsNull() ? Json::MakeObject() : predictor_pod;
  over.Erase("containers");
  return kube::MergePodSpec(std::move(base), over);
}

namespace {

// `room`: how many bytes all texts with placeholders may still have.
Status ReplaceInTexts(Json& value, const Json& dot, size_t& room) {
  if (value.IsString()) {
    if (value.AsString().find("{{") == std::string::npos) return {};
    // KServe renders containers as HTML, in which a key that is missing is nothing.
    KINGLET_TRY(std::string text, RenderTemplate(value.AsString(), dot, "", room));
    room -= text.size();
    value = std::move(text);
  } else if (value.IsArray()) {
    for (Json& item : value.MutableArray()) {
      KINGLET_RETURN_IF_ERROR(ReplaceInTexts(item, dot, room));
    }
  } else if (value.IsObject()) {
    for (auto& [key, item] : value.MutableObject()) {
      KINGLET_RETURN_IF_ERROR(ReplaceInTexts(item, dot, room));
    }
  }
  return {};
}

}  // namespace

Result<Json> ReplacePlaceholders(const Json& container, const Json& metadata) {
  Json out = container;
  size_t room = kMaxRenderedBytes;
  KINGLET_RETURN_IF_ERROR(ReplaceInTexts(out, TemplateMetadata(metadata), room));
  return out;
}

void UpdateImageTag(Json& container, const std::optional<std::string>& runtime_version,
                    std::string_view runtime_name) {
  const std::string image = container["image"].AsString();
  // The tag is what follows the last colon, unless that is a registry's port.
  size_t colon = image.rfind(':');
  bool has_tag = colon != std::string::npos && image.find('/', colon) == std::string::npos;
  if (runtime_version) {
    container.Set("image",
                  fmt::format("{}:{}", has_tag ? image.substr(0, colon) : image, *runtime_version));
    return;
  }
  const bool gpu = container["resources"]["limits"].Has("nvidia.com/gpu");
  const bool has_gpu_image = runtime_name == "kserve-tensorflow-serving" ||
                             runtime_name == kTorchServe ||
                             runtime_name == "kserve-huggingfaceserver";
  if (gpu && has_tag && has_gpu_image && !image.ends_with("-gpu")) {
    container.Set("image", image + "-gpu");
  }
}

}  // namespace kinglet::control
