#include "admission/runtime.h"
#include "admission/invalid.h"

#include <algorithm>
#include <map>

#include "admission/inference_service.h"
#include "api/constants.h"

namespace kinglet::admission {
namespace {

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

// "servingruntime" or "clusterservingruntime".
std::string_view KindWord(const api::ServingRuntime& runtime) {
  return runtime.ns().empty() ? "clusterservingruntime" : "servingruntime";
}

// One format has one priority: that of its first entry.
Status CheckOwnPriorities(const api::ServingRuntime& runtime) {
  std::map<std::string, std::optional<int32_t>> priorities;
  for (const auto& format : runtime.spec.supported_model_formats) {
    if (!format.AutoSelects()) continue;
    auto [entry, added] = priorities.emplace(format.name, format.priority);
    if (!added && entry->second && format.priority && *entry->second != *format.priority) {
      return Invalid("different priorities assigned for the model format {} under the {} {}",
                     format.name, KindWord(runtime), runtime.name());
    }
  }
  return {};
}

bool ShareProtocol(const api::ServingRuntimeSpec& a, const api::ServingRuntimeSpec& b) {
  return std::ranges::any_of(a.protocol_versions, [&](const auto& protocol) {
    return std::ranges::find(b.protocol_versions, protocol) != b.protocol_versions.end();
  });
}

// Which of two runtimes would be chosen must not be left to chance.
Status CheckAgainst(const api::ServingRuntime& runtime, const api::ServingRuntime& other) {
  if (runtime.spec.IsMultiModel() != other.spec.IsMultiModel()) return {};
  if (!ShareProtocol(runtime.spec, other.spec)) return {};
  for (const auto& theirs : other.spec.supported_model_formats) {
    for (const auto& mine : runtime.spec.supported_model_formats) {
      if (!mine.AutoSelects() || !mine.priority) continue;
      if (!theirs.AutoSelects() || !EqualIgnoringCase(mine.name, theirs.name) ||
          mine.version != theirs.version || mine.priority != theirs.priority) {
        continue;
      }
      if (runtime.ns().empty()) {
        return Invalid(
            "same priority assigned for the model format {} in the clusterservingruntimes {} and "
            "{}",
            mine.name, other.name(), runtime.name());
      }
      return Invalid(
          "same priority assigned for the model format {} in the servingruntimes {} and {} in "
          "namespace {}",
          mine.name, other.name(), runtime.name(), runtime.ns());
    }
  }
  return {};
}

// Those of the configuration and of the annotation on the runtime's pods.
Result<std::vector<std::string>> KnownGpus(const api::ServingRuntime& runtime,
                                           const api::Config& config) {
  KINGLET_TRY(auto custom, CustomGpuTypes(runtime.spec.pod["annotations"]));
  auto gpus = api::GpuResourceTypes(config);
  gpus.insert(gpus.end(), custom.begin(), custom.end());
  return gpus;
}

Status CheckWorkers(const api::ServingRuntime& runtime, bool had_workers,
                    const api::Config& config) {
  auto invalid = [&](std::string what) -> Status {
    return Invalid("the {} {} is invalid: {}",
                   runtime.ns().empty() ? "ClusterServingRuntime" : "ServingRuntime",
                   runtime.name(), what);
  };
  if (!runtime.spec.worker_spec) {
    if (had_workers) return invalid("removing workerSpec where it already exists is not allowed");
    return {};
  }
  const auto& worker = *runtime.spec.worker_spec;
  if (worker.pod["containers"].size() > 1) {
    return invalid("setting multiple containers in workerSpec is not allowed");
  }
  auto gpus = KnownGpus(runtime, config);
  for (const Json& server : runtime.spec.pod["containers"].AsArray()) {
    if (server["name"].AsString() != api::kKserveContainer) continue;
    for (auto name : {"PIPELINE_PARALLEL_SIZE", "TENSOR_PARALLEL_SIZE"}) {
      if (api::FindEnv(server, name)) {
        return invalid(fmt::format("setting {} in environment variables is not allowed", name));
      }
    }
    if (!gpus) return invalid(gpus.error().message());
    if (HasUnknownGpu(server["resources"], *gpus)) {
      return invalid("unknown GPU resource type in a container(kserve-container)");
    }
  }
  const Json& container = worker.pod["containers"][0];
  if (container["name"].AsString() == api::kWorkerContainer) {
    if (!gpus) return invalid(gpus.error().message());
    if (HasUnknownGpu(container["resources"], *gpus)) {
      return invalid("unknown GPU resource type in a container(worker-container)");
    }
  }
  if (!worker.pipeline_parallel_size) {
    return invalid("pipelineParallelSize must be set when WorkerSpec is set");
  }
  if (!worker.tensor_parallel_size) {
    return invalid("tensorParallelSize must be set when WorkerSpec is set");
  }
  if (*worker.pipeline_parallel_size < 2 &&
      !(config.latest && *worker.pipeline_parallel_size == 1)) {
    return invalid(fmt::format(
        "the WorkerSpec.PipelineParallelSize cannot be less than 2 ({}) because "
        "WorkerSpec.PipelineParallelSize should include at least 1 head node and 1 worker node",
        *worker.pipeline_parallel_size));
  }
  if (*worker.tensor_parallel_size < 1) {
    return invalid(fmt::format("the WorkerSpec.TensorParallelSize cannot be less than 1({})",
                               *worker.tensor_parallel_size));
  }
  return {};
}

}  // namespace

Status ValidateServingRuntime(const api::ServingRuntime& runtime,
                              const std::vector<api::ServingRuntime>& existing,
                              const api::Config& config) {
  if (runtime.spec.IsDisabled()) return {};
  bool had_workers = false;
  for (const auto& other : existing) {
    const bool itself = other.name() == runtime.name();
    KINGLET_RETURN_IF_ERROR(CheckOwnPriorities(runtime));
    if (!itself && !other.spec.IsDisabled()) {
      KINGLET_RETURN_IF_ERROR(CheckAgainst(runtime, other));
    }
    if (itself) had_workers = other.spec.worker_spec.has_value();
  }
  return CheckWorkers(runtime, had_workers, config);
}

}  // namespace kinglet::admission
