#include "control/inferenceservice/cluster.h"

#include <algorithm>

#include "api/constants.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

kube::InformerOptions OfInferenceServices() {
  return {.label_selector = std::string(api::label::kInferenceService),
          .transform = kube::DropManagedFields};
}

// Of pods, which are many, only who they are and how they do.
kube::InformerOptions StatesOfPods() {
  return {.label_selector = std::string(api::label::kInferenceService), .transform = [](Json& pod) {
            pod.Erase("spec");
            kube::DropManagedFields(pod);
            pod.Ref("metadata").Erase("annotations");
          }};
}

// Of kinds of which a cluster has many that are not ours. No label tells ours: KServe gives
// Ingresses none, nor the Services in front of Knative's. One that is somebody else's and has a
// child's name is met when the child is created.
kube::InformerOptions OnlyChildren() {
  return {.transform = [](Json& object) {
    const Json* owner = kube::ControllerOf(object);
    const bool ours = owner && (*owner)["kind"].AsString() == kube::kInferenceService.kind;
    const bool labelled = !kube::Label(object, api::label::kInferenceService).empty();
    if (ours || labelled || kube::Name(object).ends_with("-default")) {
      kube::DropManagedFields(object);
    } else {
      object = Json();
    }
  }};
}

kube::InformerOptions Slim() { return {.transform = kube::DropManagedFields}; }

std::vector<std::string> LegacyNames(const kube::Informer& services, const kube::ObjectKey& owner) {
  std::vector<std::string> out;
  for (auto component : {"predictor", "transformer", "explainer"}) {
    std::string name = fmt::format("{}-{}-default", owner.name, component);
    if (services.Get({.ns = owner.ns, .name = name})) out.push_back(std::move(name));
  }
  return out;
}

std::vector<kube::ObjectPtr> InNamespace(std::vector<kube::ObjectPtr> pods, std::string_view ns) {
  std::erase_if(pods, [&](const auto& pod) { return kube::Namespace(*pod) != ns; });
  return pods;
}

}  // namespace

Cluster::Cluster(kube::Client& client, std::string config_namespace, const Clock& clock)
    : inference_services_(client, kube::kInferenceService, Slim(), clock),
      deployments_(client, kube::kDeployment, OfInferenceServices(), clock),
      services_(client, kube::kService, OnlyChildren(), clock),
      autoscalers_(client, kube::kHorizontalPodAutoscaler, OfInferenceServices(), clock),
      ingresses_(client, kube::kIngress, OnlyChildren(), clock),
      http_routes_(client, kube::kHttpRoute, Slim(), clock),
      knative_services_(client, kube::kKnativeService, Slim(), clock),
      virtual_services_(client, kube::kVirtualService, Slim(), clock),
      scaled_objects_(client, kube::kScaledObject, OfInferenceServices(), clock),
      // Collectors have no labels of ours.
      collectors_(client, kube::kOpenTelemetryCollector, Slim(), clock),
      pods_(client, kube::kPod, StatesOfPods(), clock),
      runtimes_(client, kube::kServingRuntime, Slim(), clock),
      cluster_runtimes_(client, kube::kClusterServingRuntime, Slim(), clock),
      storage_containers_(client, kube::kClusterStorageContainer, Slim(), clock),
      config_(client, std::move(config_namespace), clock),
      decoded_runtimes_({&runtimes_, &cluster_runtimes_}),
      decoded_storage_containers_({&storage_containers_}),
      children_(client, {&deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_,
                         &knative_services_, &virtual_services_, &scaled_objects_, &collectors_}) {
  pods_.AddIndex("app", kube::IndexByLabel(std::string(api::label::kApp)));
  pods_.AddIndex("revision", kube::IndexByLabel("serving.knative.dev/revision"));
}

void Cluster::Start(std::stop_token stop) {
  for (auto* informer :
       {&inference_services_, &deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_,
        &knative_services_, &virtual_services_, &scaled_objects_, &collectors_, &pods_, &runtimes_,
        &cluster_runtimes_, &storage_containers_, &config_.informer()}) {
    informer->Start(stop);
  }
}

bool Cluster::WaitForSync(Deadline deadline, std::stop_token stop) {
  return std::ranges::all_of(
      std::vector{&inference_services_, &deployments_, &services_, &autoscalers_, &ingresses_,
                  &pods_, &runtimes_, &cluster_runtimes_, &storage_containers_,
                  &config_.informer()},
      [&](kube::Informer* informer) { return informer->WaitForSync(deadline, stop); });
}

std::vector<std::string> Cluster::LegacyServices(const kube::ObjectKey& owner) {
  return LegacyNames(services_, owner);
}

std::vector<std::string> Cluster::LegacyKnativeServices(const kube::ObjectKey& owner) {
  return LegacyNames(knative_services_, owner);
}

std::vector<kube::ObjectPtr> Cluster::PodsOf(std::string_view ns, std::string_view component) {
  return InNamespace(pods_.ByIndex("app", fmt::format("isvc.{}", component)), ns);
}

std::vector<kube::ObjectPtr> Cluster::PodsOfRevision(std::string_view ns,
                                                     std::string_view revision) {
  if (revision.empty()) return {};
  return InNamespace(pods_.ByIndex("revision", revision), ns);
}

}  // namespace kinglet::control
