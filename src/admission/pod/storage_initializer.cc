#include <algorithm>
#include <filesystem>

#include "admission/pod/credentials.h"
#include "admission/pod/pod.h"
#include "api/constants.h"
#include "api/containers.h"
#include "api/core_types.h"
#include "api/storage_uri.h"
#include "api/v1alpha1/others.h"
#include "api/v1beta1/inference_service.h"
#include "kube/object.h"
#include "kube/strategic_merge.h"

namespace kinglet::admission {
namespace {

constexpr std::string_view kPvcScheme = "pvc://";
constexpr std::string_view kPvcVolume = "kserve-pvc-source";
constexpr std::string_view kPvcMountPath = "/mnt/pvc";
constexpr std::string_view kModelVolume = "kserve-provision-location";
constexpr std::string_view kCaVolume = "cabundle-cert";
constexpr std::string_view kGlobalCaConfigMap = "global-ca-bundle";
constexpr std::string_view kDefaultCaPath = "/etc/ssl/custom-certs";

// Whether the claim of a cached model shows that model's folder only, for reading, as our
// controller makes them. Claims that others manage show all models of the node group, as KServe's
// do.
bool HasClaimOfItsOwn(const Pod& pod) {
  const auto& config = pod.config.local_model;
  return kube::Labels(pod.object).Has(api::label::kLocalModel) && config && config->enabled &&
         !config->disable_volume_management;
}

// The URI of the cached copy if the InferenceService uses a cached model.
Result<std::string> LocalModelUri(const Pod& pod, const std::string& uri) {
  if (!kube::Labels(pod.object).Has(api::label::kLocalModel)) return uri;
  const std::string& model = pod.Label(api::label::kLocalModel);
  const Json* claim = pod.Annotation(api::annotation::kLocalModelPvcName);
  if (!claim) {
    return Fail(Code::kInternal, "Annotation {} not found", api::annotation::kLocalModelPvcName);
  }
  std::string_view rest = uri;
  const std::string source = pod.AnnotationOr(api::annotation::kLocalModelSourceUri, "");
  if (rest.starts_with(source)) rest.remove_prefix(source.size());
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (HasClaimOfItsOwn(pod)) return fmt::format("{}{}/{}", kPvcScheme, claim->AsString(), rest);
  const std::string& ns = pod.Label(api::label::kLocalModelNamespace);
  // As the agents of the nodes name its folder.
  const std::string folder = ns.empty() ? model : fmt::format("{}_{}", ns, model);
  return fmt::format("{}{}/models/{}/{}", kPvcScheme, claim->AsString(), folder, rest);
}

struct PvcUri {
  std::string claim, path;
};

PvcUri ParsePvc(std::string_view uri) {
  uri.remove_prefix(kPvcScheme.size());
  size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return {std::string(uri), ""};
  return {std::string(uri.substr(0, slash)), std::string(uri.substr(slash + 1))};
}

// The containers that read the model.
std::vector<std::string_view> Readers(std::string_view server) {
  return {server, api::kTransformerContainer};
}

void PointAtModel(Json& server) {
  for (Json& env : api::EnvsOf(server)) {
    if (env["name"].AsString() != "STORAGE_URI" || env["value"].AsString().empty()) continue;
    env.Set("value", api::kModelMountPath);
  }
}

void MountForReaders(Pod& pod, std::string_view server, const Json& mount) {
  for (std::string_view name : Readers(server)) {
    if (Json* container = pod.Container(name)) api::AddVolumeMount(*container, mount);
  }
}

// With `read_only`, kubelet mounts it read-only in every container, whatever their mounts say.
Json PvcVolume(const PvcUri& uri, bool read_only) {
  Json claim = Json::MakeObject({{"claimName", uri.claim}});
  if (read_only) claim.Set("readOnly", true);
  return Json::MakeObject({{"name", kPvcVolume}, {"persistentVolumeClaim", std::move(claim)}});
}

// A claim is mounted where the model is expected: nothing is copied.
void MountPvc(Pod& pod, std::string_view server, const PvcUri& uri, bool read_only, bool cached) {
  Json mount = api::VolumeMount(kPvcVolume, api::kModelMountPath, read_only);
  if (!uri.path.empty()) mount.Set("subPath", uri.path);
  for (std::string_view name : Readers(server)) {
    Json* container = pod.Container(name);
    if (!container) continue;
    // Mounted before, where the pod comes a second time.
    if (api::HasVolumeMount(*container, kPvcVolume)) return;
    api::AddVolumeMount(*container, mount);
  }
  PointAtModel(*pod.Container(server));
  pod.AppendVolume(PvcVolume(uri, cached));
}

// The folder of a file, without "." and ".." in it.
std::string FolderOf(const std::string& file) {
  auto folder = std::filesystem::path(file).parent_path().lexically_normal().string();
  if (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return folder.empty() ? "." : folder;
}

void AddCaBundle(Pod& pod, Json& init) {
  const auto& config = *pod.config.storage_initializer;
  const Json* chosen = api::FindEnv(init, "AWS_CA_BUNDLE_CONFIGMAP");
  const Json* file = api::FindEnv(init, "AWS_CA_BUNDLE");
  if (config.ca_bundle_config_map_name.empty() && !chosen) return;
  // Outside of KServe's own namespace its bundle is copied under this name.
  std::string config_map(pod.ns == pod.controller_ns ? config.ca_bundle_config_map_name
                                                     : std::string(kGlobalCaConfigMap));
  if (chosen) config_map = (*chosen)["value"].AsString();
  std::string path(config.ca_bundle_volume_mount_path.empty() ? std::string(kDefaultCaPath)
                                                              : config.ca_bundle_volume_mount_path);
  if (file) path = FolderOf((*file)["value"].AsString());
  api::SetEnv(init, "CA_BUNDLE_CONFIGMAP_NAME", config_map);
  api::SetEnv(init, "CA_BUNDLE_VOLUME_MOUNT_POINT", path);
  api::AddVolumeMount(init, api::VolumeMount(kCaVolume, path, true));
  pod.AppendVolume(Json::MakeObject(
      {{"name", kCaVolume}, {"configMap", Json::MakeObject({{"name", config_map}})}}));
}

// The first enabled ClusterStorageContainer for the URI is laid over the container.
Status MergeStorageContainer(Pod& pod, std::string_view uri, Json& init) {
  auto list = pod.client.ListAll(kube::kClusterStorageContainer, "");
  if (!list) {
    if (list.error().code() == Code::kNotFound) return {};
    return Unexpected(list.error());
  }
  for (const Json& object : *list) {
    KINGLET_TRY(auto container, api::DecodeObject<api::ClusterStorageContainer>(
                                    kube::kClusterStorageContainer.kind, object));
    if (container.disabled || !container.spec.IsInitContainer()) continue;
    auto supports = container.spec.Supports(uri);
    if (!supports) {
      return Fail(Code::kInternal, "error checking storage container {}: {}", kube::Name(object),
                  supports.error().message());
    }
    if (!*supports) continue;
    Json name = init["name"];
    Json changes = Json::MakeObject();
    for (const auto& [member, value] : container.spec.container.AsObject()) {
      if (!value.IsNull() && value != Json("") && value != Json::MakeArray()) {
        changes.Set(member, value);
      }
    }
    KINGLET_TRY(init, kube::MergeContainer(std::move(init), changes));
    if (init["name"].AsString().empty()) init.Set("name", name);
    return {};
  }
  return {};
}

Json MakeInitContainer(const api::StorageInitializerConfig& config, std::string_view source) {
  return Json::MakeObject({{"name", api::kStorageInitializer},
                           {"image", config.image},
                           {"args", Json::MakeArray({source, api::kModelMountPath})},
                           {"terminationMessagePolicy", "FallbackToLogsOnError"},
                           {"resources", config.Resources()},
                           {"volumeMounts", Json::MakeArray()}});
}

// Takes off what was added at the end of a list when all of it had been in the list before.
void DropRepeats(Json& container, std::string_view list, const Json& before) {
  Json* found = container.Find(list);
  if (!found) return;
  const auto& had = before[list].AsArray();
  auto& has = found->MutableArray();
  const auto added = has.begin() + static_cast<ptrdiff_t>(had.size());
  const bool repeats = std::all_of(added, has.end(), [&](const Json& item) {
    return std::find(had.begin(), had.end(), item) != had.end();
  });
  if (repeats) has.erase(added, has.end());
}

// The controller made the init container (storageUris); what only a pod's account tells is added.
Status CompleteStorageInitializer(Pod& pod) {
  Json* own = pod.InitContainer(api::kStorageInitializer);
  if (!own) return {};  // claims only
  const Json before = *own;
  Json init = before;
  KINGLET_RETURN_IF_ERROR(AddServiceAccountCredentials(pod, init));
  // A webhook of others may have the pod come a second time.
  for (std::string_view list : {"env", "volumeMounts"}) DropRepeats(init, list, before);
  if (!api::HasVolumeMount(init, kCaVolume)) AddCaBundle(pod, init);
  *pod.InitContainer(api::kStorageInitializer) = std::move(init);
  return {};
}

}  // namespace

Status InjectStorageInitializer(Pod& pod) {
  const auto& config = *pod.config.storage_initializer;
  if (pod.Annotation(api::annotation::kStorageUris)) return CompleteStorageInitializer(pod);
  const Json* annotation = pod.Annotation(api::annotation::kStorageSourceUri);
  if (!annotation || pod.Annotation(api::annotation::kAgent)) return {};
  std::string uri = annotation->AsString();
  if (config.enable_modelcar && uri.starts_with("oci://")) return {};
  if (pod.InitContainer(api::kStorageInitializer)) return {};
  std::string_view server = api::kKserveContainer;
  if (!pod.Container(server)) server = api::kWorkerContainer;
  if (!pod.Container(server)) {
    return Fail(Code::kInternal, "Invalid configuration: cannot find container: {}",
                api::kKserveContainer);
  }
  const bool cached = HasClaimOfItsOwn(pod);
  const bool read_only =
      cached || pod.AnnotationOr(api::annotation::kStorageReadonly, "") != "false";
  KINGLET_TRY(uri, LocalModelUri(pod, uri));

  std::string source = uri;
  const bool from_pvc = uri.starts_with(kPvcScheme);
  if (from_pvc) {
    PvcUri pvc = ParsePvc(uri);
    if (config.enable_direct_pvc_volume_mount) {
      MountPvc(pod, server, pvc, read_only, cached);
      return {};
    }
    pod.AppendVolume(PvcVolume(pvc, cached));
    source = fmt::format("{}/{}", kPvcMountPath, pvc.path);
    MountForReaders(pod, server, api::VolumeMount(kPvcVolume, kPvcMountPath, read_only));
  }

  Json init = MakeInitContainer(config, source);
  if (from_pvc) {
    api::AddVolumeMount(init, api::VolumeMount(kPvcVolume, kPvcMountPath, read_only));
  }
  api::AddVolumeMount(init, api::VolumeMount(kModelVolume, api::kModelMountPath));
  MountForReaders(pod, server, api::VolumeMount(kModelVolume, api::kModelMountPath, read_only));
  pod.AppendVolume(api::EmptyDirVolume(kModelVolume));
  PointAtModel(*pod.Container(server));

  if (pod.AnnotationOr(api::annotation::kStorageSpec, "") == "true") {
    KINGLET_RETURN_IF_ERROR(AddStorageSpecCredentials(pod, init));
  } else {
    KINGLET_RETURN_IF_ERROR(AddServiceAccountCredentials(pod, init));
  }
  AddCaBundle(pod, init);
  const std::string final_source = init["args"][0].AsString();
  KINGLET_RETURN_IF_ERROR(MergeStorageContainer(pod, final_source, init));
  pod.AddInitContainer(std::move(init));
  return {};
}

}  // namespace kinglet::admission
