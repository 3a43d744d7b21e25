// Models that span nodes: what an InferenceService may say about its workers.
#include <algorithm>

#include "admission/inference_service.h"
#include "api/constants.h"

namespace kinglet::admission {

bool HasUnknownGpu(const Json& resources, const std::vector<std::string>& known) {
  static constexpr std::string_view kPlain[] = {"cpu", "memory", "storage", "ephemeral-storage"};
  for (auto list : {"limits", "requests"}) {
    for (const auto& [name, amount] : resources[list].AsObject()) {
      if (std::ranges::find(kPlain, name) != std::end(kPlain)) continue;
      if (std::ranges::find(known, name) == known.end()) return true;
    }
  }
  return false;
}

Result<std::vector<std::string>> CustomGpuTypes(const Json& annotations) {
  const Json* text = annotations.Find(api::annotation::kGpuResourceTypes);
  if (!text || text->AsString().empty()) return std::vector<std::string>();
  std::vector<std::string> types;
  auto parsed = Json::Parse(text->AsString());
  bool good = parsed && parsed->IsArray() && !parsed->empty();
  if (good) {
    for (const Json& type : parsed->AsArray()) {
      good = good && !type.AsString().empty();
      types.push_back(type.AsString());
    }
  }
  if (!good) {
    return Fail(Code::kInvalidArgument,
                "invalid GPU format({}) for {} annotation: must be a valid JSON array",
                text->AsString(), api::annotation::kGpuResourceTypes);
  }
  return types;
}

Status ValidateMultiNode(const api::InferenceService& isvc, const api::Config& config) {
  const auto& predictor = isvc.spec.predictor;
  if (!predictor.worker_spec) return {};
  auto invalid = [&](std::string what) -> Status {
    return Fail(Code::kInvalidArgument, "the InferenceService \"{}\" is invalid: {}", isvc.name(),
                what);
  };
  constexpr std::string_view kUnknownGpu =
      "Unknown GPU resource type. Set 'serving.kserve.io/gpu-resource-types' annotation to use "
      "custom gpu resource type";
  auto check_gpus = [&](const Json& resources) -> Status {
    KINGLET_TRY(auto custom, CustomGpuTypes(isvc.metadata["annotations"]));
    auto known = api::GpuResourceTypes(config);
    known.insert(known.end(), custom.begin(), custom.end());
    if (HasUnknownGpu(resources, known)) return invalid(std::string(kUnknownGpu));
    return {};
  };

  const auto& worker = *predictor.worker_spec;
  const std::string& autoscaler = isvc.Annotation(api::annotation::kAutoscalerClass);
  // 0.15 asks for external; later releases, which allow more, for none.
  const bool later_rules = autoscaler == "none" || config.latest;
  if (worker.pod["containers"].size() > 1) {
    return invalid("setting multiple containers in workerSpec is not allowed");
  }
  if (predictor.model) {
    const auto& model = *predictor.model;
    for (auto name : {"PIPELINE_PARALLEL_SIZE", "TENSOR_PARALLEL_SIZE"}) {
      if (api::FindEnv(model.container, name)) {
        return invalid(fmt::format("setting {} in environment variables is not allowed", name));
      }
    }
    KINGLET_RETURN_IF_ERROR(check_gpus(model.container["resources"]));
    if (!model.storage_uri) return invalid("StorageURI must be set for multinode enabled");
    // What is before "://", all of a URI without it.
    const std::string scheme = model.storage_uri->substr(0, model.storage_uri->find("://"));
    if (scheme != "pvc" && !(later_rules && scheme == "oci")) {
      return invalid(fmt::format("Multinode only supports 'pvc' Storage Protocol({})", scheme));
    }
    if (autoscaler != "external" && autoscaler != "none") {
      return invalid(fmt::format("Multinode only supports 'external' autoscaler({})", autoscaler));
    }
  }
  const int fewest_stages = later_rules ? 1 : 2;
  if (worker.pipeline_parallel_size && *worker.pipeline_parallel_size < fewest_stages) {
    return invalid(fmt::format("WorkerSpec.PipelineParallelSize cannot be less than {}({})",
                               fewest_stages, *worker.pipeline_parallel_size));
  }
  if (worker.tensor_parallel_size && *worker.tensor_parallel_size < 1) {
    return invalid(fmt::format("WorkerSpec.TensorParallelSize cannot be less than 1({})",
                               *worker.tensor_parallel_size));
  }
  for (const Json& container : worker.pod["containers"].AsArray()) {
    KINGLET_RETURN_IF_ERROR(check_gpus(container["resources"]));
  }
  return {};
}

}  // namespace kinglet::admission
