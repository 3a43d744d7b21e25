#include "admission/pod/pod.h"

#include <algorithm>

#include "api/constants.h"
#include "api/containers.h"
#include "api/v1beta1/inference_service.h"
#include "kube/object.h"

namespace kinglet::admission {
namespace {

Json* FindIn(Json& spec, std::string_view list, std::string_view name) {
  Json* containers = spec.Find(list);
  return containers ? api::FindContainer(*containers, name) : nullptr;
}

}  // namespace

const Json* Pod::Annotation(std::string_view key) const {
  return metadata()["annotations"].Find(key);
}

std::string Pod::AnnotationOr(std::string_view key, std::string_view fallback) const {
  return metadata()["annotations"][key].StringOr(fallback);
}

const std::string& Pod::Label(std::string_view key) const { return kube::Label(object, key); }

void Pod::SetAnnotation(std::string_view key, std::string_view value) {
  kube::SetAnnotation(object, key, value);
}

Json* Pod::Container(std::string_view name) { return FindIn(mutable_spec(), "containers", name); }

Json* Pod::InitContainer(std::string_view name) {
  return FindIn(mutable_spec(), "initContainers", name);
}

void Pod::AddContainer(Json container) {
  mutable_spec().Ref("containers").Push(std::move(container));
}

void Pod::AddInitContainer(Json container) {
  mutable_spec().Ref("initContainers").Push(std::move(container));
}

void Pod::AddVolume(Json volume) { api::AddVolume(mutable_spec(), std::move(volume)); }

void Pod::AppendVolume(Json volume) { mutable_spec().Ref("volumes").Push(std::move(volume)); }

Status InjectGkeAccelerator(Pod& pod) {
  const Json* accelerator = pod.Annotation(api::annotation::kGkeAccelerator);
  bool gpu = std::ranges::any_of(pod.spec()["containers"].AsArray(), [](const Json& container) {
    return container["resources"]["limits"].Has("nvidia.com/gpu");
  });
  if (!accelerator || !gpu) return {};
  pod.mutable_spec().Path({"nodeSelector", "cloud.google.com/gke-accelerator"}) = *accelerator;
  return {};
}

Result<Json> MutatePod(const Json& object, const std::string& ns, const api::Config& config,
                       kube::Client& client, const std::string& controller_ns) {
  Pod pod{object, ns, config, client, controller_ns};
  pod.object.Ref("metadata").Set("namespace", ns);
  const auto& initializer = config.storage_initializer;
  if (!initializer) return Unexpected(initializer.error());
  KINGLET_RETURN_IF_ERROR(InjectGkeAccelerator(pod));
  KINGLET_RETURN_IF_ERROR(InjectStorageInitializer(pod));
  KINGLET_RETURN_IF_ERROR(SetIstioCniSecurityContext(pod));
  KINGLET_RETURN_IF_ERROR(InjectAgent(pod));
  KINGLET_RETURN_IF_ERROR(InjectMetricsAggregator(pod));
  if (initializer->enable_modelcar) KINGLET_RETURN_IF_ERROR(InjectModelcar(pod));
  return std::move(pod.object);
}

}  // namespace kinglet::admission
