#include "control/localmodelnode/download_job.h"

#include <algorithm>

#include "api/containers.h"
#include "api/core_types.h"
#include "api/storage_uri.h"
#include "kube/conditions.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kDownloadWorkload = "localModelDownloadJob";
constexpr std::string_view kContainerName = "kserve-localmodel-download";
// KServe's default for a configuration that names none. The one that is shipped names a version.
constexpr std::string_view kDefaultImage = "kserve/storage-initializer:latest";
constexpr std::string_view kVolume = "kserve-pvc-source";
constexpr std::string_view kMountPath = "/mnt/models";
constexpr std::string_view kMaxBytes = "STORAGE_MAX_BYTES";
constexpr std::string_view kHostname = "kubernetes.io/hostname";
constexpr int64_t kDefaultTtl = 3600;

}  // namespace

Result<Json> DownloadContainer(const std::vector<Json>& storage_containers, const std::string& uri,
                               const api::LocalModelConfig& config) {
  for (const Json& object : storage_containers) {
    auto container = api::DecodeObject<api::ClusterStorageContainer>(
        kube::kClusterStorageContainer.kind, object);
    if (!container || container->disabled || container->spec.workload_type != kDownloadWorkload) {
      continue;
    }
    auto supported = container->spec.Supports(uri);
    if (!supported) {
      return Unexpected(supported.error().WithContext(
          fmt::format("error checking storage container {}", kube::Name(object))));
    }
    if (*supported) return container->spec.container;
  }
  return Json::MakeObject({{"name", kContainerName},
                           {"image", config.default_job_image.empty() ? std::string(kDefaultImage)
                                                                      : config.default_job_image},
                           {"terminationMessagePolicy", "FallbackToLogsOnError"}});
}

Status CheckSource(const kube::ObjectKey& model, const std::string& uri) {
  if (model.ns.empty() || !api::NamesLocalFiles(uri)) return {};
  return Fail(Code::kPermissionDenied,
              "a LocalModelNamespaceCache cannot come from {}: it names files where downloads "
              "run, not those of namespace {}",
              uri, model.ns);
}

Json MakeDownloadJob(const DownloadJob& wish, Json container, const api::LocalModelConfig& config) {
  container.Set("args", Json::MakeArray({wish.uri, kMountPath}));
  container.Set("volumeMounts",
                Json::MakeArray({Json::MakeObject(
                    {{"name", kVolume},
                     {"mountPath", kMountPath},
                     {"subPath", fmt::format("models/{}", ModelFolderName(wish.model))}})}));
  if (wish.max_bytes > 0 && !api::FindEnv(container, kMaxBytes)) {
    api::SetEnv(container, kMaxBytes, std::to_string(wish.max_bytes));
  }
  Json security = Json::MakeObject();
  if (config.fs_group) security.Set("fsGroup", *config.fs_group);
  Json volume =
      Json::MakeObject({{"name", kVolume},
                        {"persistentVolumeClaim", Json::MakeObject({{"claimName", wish.claim}})}});
  Json pod = Json::MakeObject({{"containers", Json::MakeArray({std::move(container)})},
                               {"restartPolicy", "Never"},
                               {"volumes", Json::MakeArray({std::move(volume)})},
                               {"securityContext", std::move(security)}});
  if (wish.scheduled) {
    pod.Set("nodeSelector", Json::MakeObject({{kHostname, wish.node}}));
    // The agent runs there in spite of taints, and so do its downloads.
    pod.Set("tolerations", Json::MakeArray({Json::MakeObject({{"operator", "Exists"}})}));
  } else {
    pod.Set("nodeName", wish.node);
  }
  if (!wish.service_account.empty()) {
    pod.Set("serviceAccountName", wish.service_account);
  } else if (!wish.model.ns.empty()) {
    // Downloads of a namespace do not need the API as the account of the jobs' namespace.
    pod.Set("automountServiceAccountToken", false);
  }

  Json job = Json::MakeObject({{"apiVersion", kube::kJob.ApiVersion()}, {"kind", kube::kJob.kind}});
  Json labels = Json::MakeObject({{kJobModelLabel, wish.model.name}, {kJobNodeLabel, wish.node}});
  if (!wish.model.ns.empty()) labels.Set(kJobModelNamespaceLabel, wish.model.ns);
  job.Set("metadata",
          Json::MakeObject({{"generateName", fmt::format("{}-{}", wish.model.name, wish.node)},
                            {"namespace", config.job_namespace},
                            {"labels", std::move(labels)}}));
  job.Set("spec", Json::MakeObject({{"ttlSecondsAfterFinished",
                                     config.job_ttl_seconds_after_finished.value_or(kDefaultTtl)},
                                    {"template", Json::MakeObject({{"spec", std::move(pod)}})}}));
  return job;
}

kube::ObjectKey ModelOfJob(const Json& job) {
  return {.ns = kube::Label(job, kJobModelNamespaceLabel),
          .name = kube::Label(job, kJobModelLabel)};
}

std::string ModelStateOfJob(const Json& job) {
  const Json& status = job["status"];
  if (status["succeeded"].AsInt() > 0) return "ModelDownloaded";
  if (status["failed"].AsInt() > 0) return "ModelDownloadError";
  if (status["ready"].AsInt() > 0) return "ModelDownloading";
  return "ModelDownloadPending";
}

bool IsJobOver(const Json& job) {
  return job["status"]["succeeded"].AsInt() > 0 || kube::IsConditionTrue(job, "Failed") ||
         kube::IsConditionTrue(job, "Complete");
}

const Json* LatestJob(const std::vector<const Json*>& jobs) {
  auto latest = std::ranges::max_element(jobs, {}, [](const Json* job) {
    return std::pair(kube::CreationTimestamp(*job), !IsJobOver(*job));
  });
  return latest == jobs.end() ? nullptr : *latest;
}

}  // namespace kinglet::control
