#include "control/inferenceservice/multi_node.h"

#include <algorithm>
#include <charconv>

#include "api/constants.h"
#include "api/storage_uri.h"
#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kDefaultGpu = "nvidia.com/gpu";
constexpr std::string_view kMigPrefix = "nvidia.com/mig";

std::unexpected<ModelFailure> NotReady(std::string reason, std::string message) {
  return std::unexpected(
      ModelFailure{"", message, Error(Code::kFailedPrecondition, message), std::move(reason)});
}

std::unexpected<ModelFailure> InvalidSpec(std::string message) {
  return std::unexpected(
      ModelFailure{"InvalidPredictorSpec", message, Error(Code::kFailedPrecondition, message), ""});
}

void PutAll(Json& into, const Json& from) {
  for (const auto& [key, value] : from.AsObject()) into.Set(key, value);
}

// Overwrites or appends.
void SetEnv(Json& container, std::string_view name, std::string value) {
  Json& list = container.Ref("env");
  if (!list.IsArray()) list = Json::MakeArray();
  for (Json& env : list.MutableArray()) {
    if (env["name"].AsString() != name) continue;
    env.Set("value", std::move(value));
    return;
  }
  list.Push(Json::MakeObject({{"name", name}, {"value", std::move(value)}}));
}

// The label isvc.generation of a Service; 0 where it is not a number.
int64_t GenerationOf(const Json& service) {
  const std::string& text = kube::Label(service, api::label::kIsvcGeneration);
  int64_t generation = 0;
  std::from_chars(text.data(), text.data() + text.size(), generation);
  return generation;
}

// How a group is spread: the same numbers in environment, replicas and resources.
struct Group {
  int64_t pipeline = 1, tensor = 1;
  int64_t replicas = 0;  // of workers
  int64_t head_gpus = 1, worker_gpus = 1;
  bool later = false;  // reckoned as after 0.15.0: more environment, and a Service for workers
};

// The names of annotation gpu-resource-types: a JSON list, or names with commas between.
std::vector<std::string> AnnotatedGpuTypes(const Json& annotations) {
  const std::string& text = annotations[api::annotation::kGpuResourceTypes].AsString();
  std::vector<std::string> types;
  if (text.empty()) return types;
  if (auto list = Json::Parse(text); list && list->IsArray()) {
    for (const Json& type : list->AsArray()) types.push_back(type.AsString());
    return types;
  }
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find(',', start), text.size());
    types.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return types;
}

int64_t AmountOf(const Json& resources, std::string_view list, std::string_view type) {
  auto amount = kube::Quantity::FromJson(resources[list][type]);
  return amount ? amount->Value() : 0;
}

// Which of the known kinds of GPUs the container names, with an amount that is not 0.
std::string GpuTypeOf(const Json& resources, const std::vector<std::string>& known) {
  for (const auto& type : known) {
    if (AmountOf(resources, "limits", type) || AmountOf(resources, "requests", type)) return type;
  }
  for (auto list : {"limits", "requests"}) {
    for (const auto& [type, amount] : resources[list].AsObject()) {
      if (type.starts_with(kMigPrefix)) return type;
    }
  }
  return std::string(kDefaultGpu);
}

void SetGpus(Json& container, int64_t amount, const std::vector<std::string>& known) {
  const std::string type = GpuTypeOf(container["resources"], known);
  for (auto list : {"limits", "requests"}) {
    container.Path({"resources", list, type}) = std::to_string(amount);
  }
}

int64_t RequestedGpus(const Json& container, const std::vector<std::string>& known) {
  const Json& resources = container["resources"];
  return AmountOf(resources, "requests", GpuTypeOf(resources, known));
}

struct Containers {
  Json& head;
  Json& worker;
};

Result<Group> MakeGroup(const api::InferenceService& isvc, const api::ServingRuntime& runtime,
                        const Containers& containers, const std::vector<std::string>& gpu_types,
                        const api::Config& config) {
  const api::WorkerSpec& own = *isvc.spec.predictor.worker_spec;
  const api::WorkerSpec& base = *runtime.spec.worker_spec;
  Group group;
  group.pipeline = own.pipeline_parallel_size.value_or(base.pipeline_parallel_size.value_or(1));
  group.tensor = own.tensor_parallel_size.value_or(base.tensor_parallel_size.value_or(1));
  const bool message_passing =
      runtime.spec.pod["annotations"][api::annotation::kExecutorBackend].AsString() == "mp";
  // 0.15.0 refuses this class for multi-node, later releases ask for it.
  const bool later_class = isvc.Annotation(api::annotation::kAutoscalerClass) == "none";
  group.later = config.latest || message_passing || later_class;
  if (!group.later || message_passing) {
    group.replicas = group.pipeline - 1;
    group.head_gpus = group.worker_gpus = group.tensor;
    return group;
  }
  KINGLET_TRY(RayGroup ray, ComputeRayGroup(group.tensor * group.pipeline,
                                            RequestedGpus(containers.head, gpu_types),
                                            RequestedGpus(containers.worker, gpu_types)));
  group.replicas = ray.nodes - 1;
  group.head_gpus = ray.head_gpus;
  group.worker_gpus = ray.worker_gpus;
  return group;
}

void SetEnvironment(const api::InferenceService& isvc, const Json& annotations, const Group& group,
                    const WorkerPlan& plan, const Containers& containers) {
  auto put = [](Json& container, std::string_view name, int64_t value) {
    SetEnv(container, name, std::to_string(value));
  };
  put(containers.head, "PIPELINE_PARALLEL_SIZE", group.pipeline);
  put(containers.head, "TENSOR_PARALLEL_SIZE", group.tensor);
  if (group.later) {
    put(containers.head, "RAY_NODE_COUNT", group.replicas + 1);
    put(containers.head, "REQUEST_GPU_COUNT", group.head_gpus);
  }
  SetEnv(containers.head, "MODEL_NAME", isvc.name());
  const auto scheme = api::SchemeOf(annotations[api::annotation::kStorageSourceUri].AsString());
  if (scheme == "pvc" || scheme == "oci") {
    SetEnv(containers.head, "MODEL_DIR", std::string(api::kModelMountPath));
  }

  if (group.later) {
    put(containers.worker, "RAY_NODE_COUNT", group.replicas + 1);
    put(containers.worker, "REQUEST_GPU_COUNT", group.worker_gpus);
  }
  put(containers.worker, "PIPELINE_PARALLEL_SIZE", group.pipeline);
  if (group.later) put(containers.worker, "TENSOR_PARALLEL_SIZE", group.tensor);
  SetEnv(containers.worker, "ISVC_NAME", isvc.name());
  SetEnv(containers.worker, "HEAD_SVC", plan.head_service);
  if (group.later) SetEnv(containers.worker, "WORKER_SVC", plan.worker_service);
}

// The worker's pod before head and workers agree on anything.
ModelResult<Json> MergeWorkerPod(const api::WorkerSpec& base, const api::WorkerSpec& own) {
  const Json& containers = base.pod["containers"];
  if (containers.empty()) {
    return InvalidSpec("No workerSpec container configuration found in selected serving runtime");
  }
  const Json* worker = api::FindContainer(containers, api::kWorkerContainer);
  if (!worker) return InvalidSpec("failed to find worker-container in ServingRuntime containers");
  const Json& over = own.pod["containers"][0];
  auto container = MergeContainers(*worker, over);
  if (!container) {
    return InvalidSpec("failed to merge container. Detail: " + container.error().message());
  }
  auto pod = MergePodSpecs(base.pod, own.pod);
  if (!pod) {
    return InvalidSpec("failed to consolidate serving runtime PodSpecs. Detail: " +
                       pod.error().message());
  }
  pod->Erase("labels");
  pod->Erase("annotations");
  pod->Set("containers", Json::MakeArray({*std::move(container)}));
  return *std::move(pod);
}

}  // namespace

Result<RayGroup> ComputeRayGroup(int64_t total, int64_t head, int64_t worker) {
  RayGroup group{total, 1, 1};
  if (worker > 0) {
    group.nodes = (total + worker - 1) / worker;
    group.worker_gpus = worker;
    group.head_gpus = head > 0 ? head : total - worker * (group.nodes - 1);
    if (head >= total || group.nodes == 1) group = {1, total, 0};
  } else if (head > 0) {
    group.nodes = std::max<int64_t>(total - head, 0) + 1;
    group.head_gpus = head;
  }
  const int64_t workers = group.worker_gpus * (group.nodes - 1);
  if (total > group.head_gpus + workers) {
    return Fail(Code::kInvalidArgument,
                "the total required number of GPUs({}) is less than the number of GPUs assigned to "
                "the head node({}) + worker node({})",
                total, group.head_gpus, workers);
  }
  return group;
}

void KeepRecentGroupServices(const std::vector<kube::ObjectPtr>& services, const Json& owner,
                             std::vector<DesiredObject>& wanted) {
  constexpr size_t kKept = 3;
  for (std::string_view role : {"head", "worker"}) {
    auto has_role = [&](const Json& service) {
      return kube::Label(service, api::label::kMultiNodeRole) == role;
    };
    std::vector<Json> own;
    for (const auto& desired : wanted) {
      if (has_role(desired.object)) own.push_back(desired.object);
    }
    if (own.empty()) continue;
    const std::string current = kube::Name(own[0]);
    std::vector<kube::ObjectPtr> others;
    for (const auto& service : services) {
      if (has_role(*service) && kube::IsControlledBy(*service, owner) &&
          kube::Name(*service) != current) {
        others.push_back(service);
      }
    }
    std::ranges::sort(others, std::greater<>(), [](const kube::ObjectPtr& service) {
      return std::pair(kube::CreationTimestamp(*service), GenerationOf(*service));
    });
    if (others.size() > kKept - 1) others.resize(kKept - 1);
    for (const auto& service : others) wanted.push_back({&kube::kService, *service});
  }
}

std::string GenerationLabel(const api::InferenceService& isvc) {
  return std::to_string(isvc.metadata["generation"].AsInt());
}

ModelResult<WorkerPlan> PlanWorkers(const api::InferenceService& isvc,
                                    const api::ServingRuntime* runtime, const Json& annotations,
                                    const Json& own, const api::Config& config, Json& head_pod) {
  if (!runtime || !runtime->spec.worker_spec) {
    return NotReady("InvalidWorkerSpecNotSet",
                    "you cannot set WorkerSpec in the InferenceService if the ServingRuntime does "
                    "not have a WorkerSpec");
  }
  const api::WorkerSpec& base = *runtime->spec.worker_spec;
  auto pod = MergeWorkerPod(base, *isvc.spec.predictor.worker_spec);
  if (!pod) return std::unexpected(pod.error());

  WorkerPlan plan;
  const std::string generation = GenerationLabel(isvc);
  plan.name = fmt::format("{}-predictor-worker", isvc.name());
  plan.head_service = fmt::format("{}-head-{}", isvc.name(), generation);
  plan.pod = *std::move(pod);
  Json* head = api::FindContainer(head_pod.Ref("containers"), api::kKserveContainer);
  if (!head) return InvalidSpec("target container(kserve-container) does not exist");
  Containers containers{*head, plan.pod.Ref("containers").MutableArray()[0]};

  auto gpu_types = api::GpuResourceTypes(config);
  std::ranges::copy(AnnotatedGpuTypes(annotations), std::back_inserter(gpu_types));
  auto group = MakeGroup(isvc, *runtime, containers, gpu_types, config);
  if (!group) return NotReady("InvalidGPUAllocation", group.error().message());
  plan.replicas = group->replicas;
  if (group->later) plan.worker_service = fmt::format("{}-workers-{}", isvc.name(), generation);
  SetEnvironment(isvc, annotations, *group, plan, containers);
  SetGpus(containers.head, group->head_gpus, gpu_types);
  SetGpus(containers.worker, group->worker_gpus, gpu_types);

  plan.labels = Json::MakeObject();
  PutAll(plan.labels, base.pod["labels"]);
  PutAll(plan.labels, isvc.metadata["labels"]);
  for (const auto& [key, value] : isvc.spec.predictor.labels) plan.labels.Set(key, value);
  plan.labels.Set(api::label::kIsvcGeneration, generation);
  plan.labels.Set(api::label::kInferenceService, isvc.name());
  plan.labels.Set(api::label::kComponent, "predictor");
  plan.annotations = Json::MakeObject();
  PutAll(plan.annotations, base.pod["annotations"]);
  PutAll(plan.annotations, annotations);
  PutAll(plan.annotations, own);
  return plan;
}

}  // namespace kinglet::control
