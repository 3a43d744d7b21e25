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

constexpr std::string_view kRevision = "serving.knative.dev/revision";

}  // namespace

Cluster::Cluster(kube::Client& client, std::string config_namespace, const Clock& clock)
    : client_(client),
      inference_services_(client, kube::kInferenceService, Slim(), clock),
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
  for (auto label : {api::label::kApp, kRevision}) {
    pods_.AddIndex(std::string(label), kube::IndexByLabel(std::string(label)));
  }
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

Result<Cluster::Pods> Cluster::FindPods(std::string_view ns, std::string_view label,
                                        std::string_view value, bool ask) {
  Pods pods = pods_.ByIndex(std::string(label), value);
  std::erase_if(pods, [&](const auto& pod) { return kube::Namespace(*pod) != ns; });
  if (!pods.empty() || !ask) return pods;
  kube::ListOptions options;
  options.label_selector = fmt::format("{}={}", label, value);
  auto found = client_.ListAll(kube::kPod, ns, options);
  if (!found) {
    return Unexpected(found.error().WithContext("fails to list inferenceservice pods by label"));
  }
  for (Json& pod : *found) pods.push_back(std::make_shared<const Json>(std::move(pod)));
  return pods;
}

Result<Cluster::Pods> Cluster::PodsOf(std::string_view ns, std::string_view component, bool ask) {
  return FindPods(ns, api::label::kApp, fmt::format("isvc.{}", component), ask);
}

Result<Cluster::Pods> Cluster::PodsOfRevision(std::string_view ns, std::string_view revision,
                                              bool ask) {
  if (revision.empty()) return Pods();
  return FindPods(ns, kRevision, revision, ask);
}

}  // namespace kinglet::control
