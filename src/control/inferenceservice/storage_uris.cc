#include "control/inferenceservice/storage_uris.h"

#include <algorithm>

#include "api/constants.h"
#include "kube/strategic_merge.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kClaim = "pvc://";

// "mnt-models" for /mnt/models.
std::string VolumeName(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  std::string name(path);
  std::ranges::replace(name, '/', '-');
  return name;
}

Json Mount(const std::string& volume, const std::string& path, bool read_only) {
  Json mount = Json::MakeObject({{"name", volume}, {"mountPath", path}});
  if (read_only) mount.Set("readOnly", true);
  return mount;
}

void AddVolume(Json& pod, const std::string& name, Json source) {
  Json& volumes = pod.Ref("volumes");
  if (!volumes.IsArray()) volumes = Json::MakeArray();
  const bool there = std::ranges::any_of(
      volumes.AsArray(), [&](const Json& volume) { return volume["name"].AsString() == name; });
  if (there) return;
  source.Set("name", name);
  volumes.Push(std::move(source));
}

// In the containers that read the files.
void MountForReaders(Json& pod, const Json& mount) {
  Json& containers = pod.Ref("containers");
  const std::string_view server = api::FindContainer(containers, api::kKserveContainer)
                                      ? api::kKserveContainer
                                      : api::kWorkerContainer;
  // Only the first of a name: a pod has no two, and many places in many containers would take the
  // product of both in memory before the API server says so.
  for (std::string_view reader : {server, api::kTransformerContainer}) {
    auto found = std::ranges::find_if(containers.MutableArray(), [&](const Json& container) {
      return container["name"].AsString() == reader;
    });
    if (found != containers.MutableArray().end()) found->Ref("volumeMounts").Push(mount);
  }
}

void MountClaim(const api::StorageUri& place, bool read_only, Json& pod) {
  std::string_view rest = std::string_view(place.uri).substr(kClaim.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string path = api::MountPathOf(place);
  Json mount = Mount(VolumeName(path), path, read_only);
  if (slash + 1 < rest.size()) mount.Set("subPath", rest.substr(slash + 1));
  AddVolume(pod, VolumeName(path),
            Json::MakeObject({{"persistentVolumeClaim",
                               Json::MakeObject({{"claimName", rest.substr(0, slash)}})}}));
  MountForReaders(pod, mount);
}

// The enabled storage container for the URI over the init container.
Status MergeStorageContainer(std::string_view uri,
                             std::span<const api::ClusterStorageContainer> containers, Json& init) {
  for (const auto& container : containers) {
    if (container.disabled || !container.spec.IsInitContainer()) continue;
    KINGLET_TRY(bool supports, container.spec.Supports(uri));
    if (!supports) continue;
    if (!container.spec.supports_multi_model_download) {
      return Fail(Code::kInvalidArgument,
                  "storage container \"{}\" does not support multi-model download; use the default "
                  "kserve storage initializer or a compatible storage container",
                  container.spec.container["name"].AsString());
    }
    const Json name = init["name"];
    KINGLET_TRY(init, kube::MergeContainer(std::move(init), container.spec.container));
    init.Set("name", name);
    return {};
  }
  return {};
}

}  // namespace

Status AddStorageUris(const std::vector<api::StorageUri>& places, const Json& annotations,
                      const api::Config& config,
                      std::span<const api::ClusterStorageContainer> containers, Json& pod) {
  if (places.empty()) return {};
  if (!config.storage_initializer) return Unexpected(config.storage_initializer.error());
  const bool read_only = annotations[api::annotation::kStorageReadonly].AsString() != "false";
  Json arguments = Json::MakeArray();
  std::vector<std::string> paths;
  for (const auto& place : places) {
    if (place.uri.starts_with(kClaim)) {
      MountClaim(place, read_only, pod);
      continue;
    }
    KINGLET_RETURN_IF_ERROR(api::CheckStorageUri(place.uri, containers));
    if (place.uri.starts_with("oci://")) {
      return Fail(Code::kInvalidArgument,
                  "storageUris: {} is an image; images are only served by storageUri", place.uri);
    }
    arguments.Push(place.uri);
    paths.push_back(api::MountPathOf(place));
    arguments.Push(paths.back());
  }
  if (paths.empty()) return {};
  const std::string parent = api::CommonParent(paths);
  const std::string volume = VolumeName(parent);
  const auto& settings = *config.storage_initializer;
  Json init = Json::MakeObject({{"name", api::kStorageInitializer},
                                {"image", settings.image},
                                {"args", std::move(arguments)},
                                {"terminationMessagePolicy", "FallbackToLogsOnError"},
                                {"resources", settings.Resources()},
                                {"volumeMounts", Json::MakeArray({Mount(volume, parent, false)})}});
  const std::string first = init["args"][0].AsString();
  KINGLET_RETURN_IF_ERROR(MergeStorageContainer(first, containers, init));
  AddVolume(pod, volume, Json::MakeObject({{"emptyDir", Json::MakeObject()}}));
  MountForReaders(pod, Mount(volume, parent, read_only));
  Json& list = pod.Ref("initContainers");
  if (!list.IsArray()) list = Json::MakeArray();
  list.Push(std::move(init));
  return {};
}

}  // namespace kinglet::control
