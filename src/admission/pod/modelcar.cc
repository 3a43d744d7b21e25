// Models in OCI images: the image runs beside the server, which reads its files through the shared
// process namespace.
#include "admission/pod/pod.h"
#include "api/constants.h"
#include "api/containers.h"
#include "api/v1beta1/inference_service.h"

namespace kinglet::admission {
namespace {

constexpr std::string_view kScheme = "oci://";
constexpr std::string_view kVolume = "kserve-provision-location";
constexpr std::string_view kMountPath = "/mnt";  // the folder of /mnt/models

Json Shell(std::string_view image, std::string_view name, std::string_view script) {
  return Json::MakeObject({{"name", name},
                           {"image", image},
                           {"args", Json::MakeArray({"sh", "-c", script})},
                           {"terminationMessagePolicy", "FallbackToLogsOnError"}});
}

Json Resources(const api::StorageInitializerConfig& config) {
  auto or_else = [](const std::string& value, std::string_view fallback) {
    return value.empty() ? Json(fallback) : Json(value);
  };
  Json amounts = Json::MakeObject({{"cpu", or_else(config.cpu_modelcar, "10m")},
                                   {"memory", or_else(config.memory_modelcar, "15Mi")}});
  return Json::MakeObject({{"limits", amounts}, {"requests", amounts}});
}

void RunAs(Json& container, const std::optional<int64_t>& uid) {
  if (uid) container.Set("securityContext", Json::MakeObject({{"runAsUser", *uid}}));
}

void Mount(Json& container) {
  if (!api::HasVolumeMount(container, kVolume)) {
    api::AddVolumeMount(container, api::VolumeMount(kVolume, kMountPath));
  }
}

}  // namespace

Status InjectModelcar(Pod& pod) {
  const auto& config = *pod.config.storage_initializer;
  const std::string uri = pod.AnnotationOr(api::annotation::kStorageSourceUri, "");
  if (!uri.starts_with(kScheme)) return {};
  const std::string image = uri.substr(kScheme.size());

  Json* server = pod.Container(api::kKserveContainer);
  if (!server) {
    return Fail(Code::kInternal, "no container found with name {}", api::kKserveContainer);
  }
  Mount(*server);
  api::SetEnv(*server, "MODEL_INIT_MODE", "async");
  RunAs(*server, config.uid_modelcar);
  if (Json* transformer = pod.Container(api::kTransformerContainer)) Mount(*transformer);
  pod.AddVolume(api::EmptyDirVolume(kVolume));
  pod.mutable_spec().Set("shareProcessNamespace", true);

  if (!pod.Container(api::kModelcar)) {
    // $$ is the shell's process; Kubernetes reads $$ as an escaped $.
    Json modelcar = Shell(
        image, api::kModelcar,
        fmt::format("ln -sf /proc/$$$$/root/models {} && sleep infinity", api::kModelMountPath));
    modelcar.Set("resources", Resources(config));
    RunAs(modelcar, config.uid_modelcar);
    Mount(modelcar);
    pod.AddContainer(std::move(modelcar));
    // Pulls the image before the server starts, and fails early where it holds no model. The words
    // are KServe's, so that a pod is the same whoever changed it.
    Json init =
        Shell(image, api::kModelcarInit,
              fmt::format(
                  "echo 'Pre-fetching modelcar {}: ' && [ -d /models ] && [ \"$$(ls -A /models)\" "
                  "] && echo 'OK ... Prefetched and valid (/models exists)' || (echo 'NOK ... "
                  "Prefetched but modelcar is invalid (/models does not exist or is empty)' && "
                  "exit 1)",
                  image));
    init.Set("resources", Resources(config));
    pod.AddInitContainer(std::move(init));
  }
  return {};
}

}  // namespace kinglet::admission
