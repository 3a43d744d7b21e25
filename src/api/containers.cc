#include "api/containers.h"

#include "api/v1beta1/inference_service.h"

namespace kinglet::api {

void SetEnv(Json& container, std::string_view name, std::string_view value) {
  MergeEnv(container, Json::MakeObject({{"name", name}, {"value", value}}));
}

std::span<Json> EnvsOf(Json& container) {
  Json* list = container.Find("env");
  if (!list || !list->IsArray()) return {};
  return list->MutableArray();
}

void MergeEnv(Json& container, const Json& env) {
  Json& list = container.Ref("env");
  if (Json* existing = FindContainer(list, env["name"].AsString())) {
    existing->Set("value", env["value"].AsString());
    return;
  }
  list.Push(env);
}

void AddVolumeMount(Json& container, Json mount) {
  container.Ref("volumeMounts").Push(std::move(mount));
}

bool HasVolumeMount(const Json& container, std::string_view volume) {
  return FindContainer(container["volumeMounts"], volume) != nullptr;
}

void AddVolume(Json& pod_spec, Json volume) {
  Json& volumes = pod_spec.Ref("volumes");
  if (FindContainer(volumes, volume["name"].AsString())) return;
  volumes.Push(std::move(volume));
}

Json VolumeMount(std::string_view name, std::string_view path, bool read_only) {
  Json mount = Json::MakeObject({{"name", name}, {"mountPath", path}});
  if (read_only) mount.Set("readOnly", true);
  return mount;
}

Json EmptyDirVolume(std::string_view name) {
  return Json::MakeObject({{"name", name}, {"emptyDir", Json::MakeObject()}});
}

}  // namespace kinglet::api
