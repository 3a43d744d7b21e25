#include <algorithm>
#include <charconv>

#include <re2/re2.h>

#include "admission/inference_service.h"
#include "admission/invalid.h"
#include "api/constants.h"
#include "api/storage_uri.h"

namespace kinglet::admission {
namespace {

Status CheckName(const std::string& name) {
  static const RE2 kName("[a-z]([-a-z0-9]*[a-z0-9])?");
  if (RE2::FullMatch(name, kName)) return {};
  return Invalid(
      "the InferenceService \"{}\" is invalid: a InferenceService name must consist of lower case "
      "alphanumeric characters or '-', and must start with alphabetical character. (e.g. "
      "\"my-name\" or \"abc-123\", regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      name);
}

Status CheckAutoscalerClass(const api::InferenceService& isvc) {
  if (!isvc.HasAnnotation(api::annotation::kAutoscalerClass)) return {};
  const std::string& value = isvc.Annotation(api::annotation::kAutoscalerClass);
  if (value == "hpa" || value == "external" || value == "keda" || value == "none") return {};
  return Invalid("[{}] is not a supported autoscaler class type", value);
}

Status CheckCollocation(const api::PredictorSpec& predictor) {
  const Json* transformer =
      api::FindContainer(predictor.pod["containers"], api::kTransformerContainer);
  if (transformer && api::FindEnv(*transformer, "STORAGE_URI")) {
    return Invalid("storage uri should not be specified in transformer container");
  }
  return {};
}

Status CheckOneImplementation(size_t count, std::string_view fields, std::string_view type) {
  if (count == 1) return {};
  return Invalid("exactly one of [{}] must be specified in {}", fields, type);
}

bool WantsGpu(const Json& container) {
  return container["resources"]["limits"].Has("nvidia.com/gpu");
}

// tensorflow and pytorch: a tag for GPUs and GPUs go together.
Status CheckGpuVersion(const api::PredictorExtension& extension, std::string_view title,
                       std::string_view end) {
  if (!extension.runtime_version) return {};
  const bool gpu_version = extension.runtime_version->find("-gpu") != std::string::npos;
  const bool gpu = WantsGpu(extension.container);
  if (gpu && !gpu_version) {
    return Invalid("{} RuntimeVersion is not GPU enabled but GPU resources are requested{}", title,
                   end);
  }
  if (!gpu && gpu_version) {
    return Invalid("{} RuntimeVersion is GPU enabled but GPU resources are not requested{}", title,
                   end);
  }
  return {};
}

Status CheckStorageSpec(const std::optional<api::StorageSpec>& storage,
                        const std::optional<std::string>& uri) {
  if (!storage) return {};
  static constexpr std::string_view kSchemes[] = {"s3://", "hdfs://", "webhdfs://"};
  auto supported = [](std::string_view text) {
    return std::ranges::any_of(kSchemes, [&](auto scheme) { return text.starts_with(scheme); });
  };
  if (uri) {
    if (supported(*uri)) return {};
    return Invalid(
        "storageUri, must be one of: [{}] or match https://{{}}.blob.core.windows.net/{{}}/{{}} or "
        "be an absolute or relative local path. StorageUri [{}] is not supported",
        fmt::join(kSchemes, ", "), *uri);
  }
  auto type = storage->parameters.find("type");
  if (type != storage->parameters.end() && !supported(type->second + "://")) {
    return Invalid(
        "storage.spec.type, must be one of: [{}]. storage.spec.type [{}] is not supported",
        fmt::join(kSchemes, ", "), type->second);
  }
  return {};
}

Status CheckOnnxFile(const std::optional<std::string>& uri) {
  if (!uri) return {};
  // As Go's path.Ext: what follows the last dot of the last element.
  size_t slash = uri->rfind('/');
  size_t dot = uri->rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return {};
  std::string extension = uri->substr(dot);
  if (extension == ".onnx") return {};
  return Invalid("expected storageUri file extension: '.onnx' but got '{}'", extension);
}

Status CheckPredictor(const api::PredictorSpec& spec) {
  auto implementations = api::Implementations(spec);
  KINGLET_RETURN_IF_ERROR(CheckOneImplementation(
      implementations.size(),
      "SKLearn, XGBoost, Tensorflow, PyTorch, Triton, ONNX, HuggingFace, PMML, LightGBM, Paddle, "
      "Model, WorkerSpec, PodSpec",
      "PredictorSpec"));
  const auto& implementation = implementations[0];
  if (implementation.kind == api::Implementation::Kind::kCustom) {
    const Json* env = api::FindEnv(spec.pod["containers"][0], "PROTOCOL");
    if (!env) return {};
    const std::string& protocol = (*env)["value"].AsString();
    if (protocol == "v1" || protocol == "v2") return {};
    return Invalid("invalid protocol {}. Must be one of [{}]", "v1, v2", protocol);
  }
  const api::PredictorExtension& extension = *implementation.extension;
  const std::string_view name = implementation.name;
  if (name == "tensorflow") {
    KINGLET_RETURN_IF_ERROR(CheckGpuVersion(extension, "Tensorflow", ""));
  } else if (name == "pytorch") {
    KINGLET_RETURN_IF_ERROR(CheckGpuVersion(extension, "PyTorch", ". "));
  } else if (name == "onnx") {
    KINGLET_RETURN_IF_ERROR(CheckOnnxFile(extension.storage_uri));
  }
  if (name == "tensorflow" || name == "pytorch" || name == "onnx" || name == "pmml" ||
      name == "huggingface") {
    return CheckStorageSpec(extension.storage, extension.storage_uri);
  }
  return {};
}

Status CheckExtension(const api::ComponentExtension& extension) {
  if (extension.container_concurrency.value_or(0) < 0) {
    return Invalid("parallelism cannot be less than 0");
  }
  const int min_replicas = extension.min_replicas.value_or(1);
  if (min_replicas < 0) return Invalid("'MinReplicas' cannot be less than 0");
  if (extension.max_replicas < 0) return Invalid("'MaxReplicas' cannot be less than 0");
  if (min_replicas > extension.max_replicas && extension.max_replicas != 0) {
    return Invalid("'MinReplicas' cannot be greater than MaxReplicas");
  }
  if (extension.logger) {
    const std::string& mode = extension.logger->mode;
    if (mode != "all" && mode != "request" && mode != "response") {
      return Invalid("invalid logger type");
    }
  }
  return {};
}

}  // namespace

Status ValidatePredictor(const api::PredictorSpec& spec) {
  KINGLET_RETURN_IF_ERROR(CheckPredictor(spec));
  return CheckExtension(spec);
}

Status ValidateInferenceService(const api::InferenceService& isvc, const api::Config& config) {
  KINGLET_RETURN_IF_ERROR(CheckName(isvc.name()));
  KINGLET_RETURN_IF_ERROR(CheckAutoscalerClass(isvc));
  KINGLET_RETURN_IF_ERROR(ValidateMultiNode(isvc, config));
  KINGLET_RETURN_IF_ERROR(CheckCollocation(isvc.spec.predictor));

  KINGLET_RETURN_IF_ERROR(ValidateStorageUris(isvc));
  KINGLET_RETURN_IF_ERROR(ValidatePredictor(isvc.spec.predictor));
  KINGLET_RETURN_IF_ERROR(ValidateScaling(isvc, isvc.spec.predictor));
  if (isvc.spec.transformer) {
    const auto& transformer = *isvc.spec.transformer;
    KINGLET_RETURN_IF_ERROR(CheckOneImplementation(api::Implementations(transformer).size(),
                                                   "PodSpec", "TransformerSpec"));
    KINGLET_RETURN_IF_ERROR(CheckExtension(transformer));
    KINGLET_RETURN_IF_ERROR(ValidateScaling(isvc, transformer));
  }
  if (isvc.spec.explainer) {
    const auto& explainer = *isvc.spec.explainer;
    KINGLET_RETURN_IF_ERROR(CheckOneImplementation(api::Implementations(explainer).size(),
                                                   "ART, PodSpec", "ExplainerSpec"));
    if (explainer.art) {
      auto uri = explainer.art->storage_uri;
      if (uri && uri->empty()) uri.reset();
      KINGLET_RETURN_IF_ERROR(CheckStorageSpec(explainer.art->storage, uri));
    }
    KINGLET_RETURN_IF_ERROR(CheckExtension(explainer));
    KINGLET_RETURN_IF_ERROR(ValidateScaling(isvc, explainer));
  }
  return ValidateCanaries(isvc);
}

}  // namespace kinglet::admission
