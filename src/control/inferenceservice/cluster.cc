#include "control/inferenceservice/cluster.h"

#include <algorithm>

#include "api/constants.h"
#include "base/log.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

kube::InformerOptions OfInferenceServices() {
  return {.label_selector = std::string(api::label::kInferenceService),
          .transform = [](Json& object) { object.Ref("metadata").Erase("managedFields"); }};
}

kube::InformerOptions Slim() {
  return {.transform = [](Json& object) { object.Ref("metadata").Erase("managedFields"); }};
}

}  // namespace

Cluster::Cluster(kube::Client& client, std::string config_namespace, const Clock& clock)
    : inference_services_(client, kube::kInferenceService, Slim(), clock),
      deployments_(client, kube::kDeployment, OfInferenceServices(), clock),
      services_(client, kube::kService, OfInferenceServices(), clock),
      autoscalers_(client, kube::kHorizontalPodAutoscaler, OfInferenceServices(), clock),
      ingresses_(client, kube::kIngress, Slim(), clock),
      http_routes_(client, kube::kHttpRoute, Slim(), clock),
      pods_(client, kube::kPod, OfInferenceServices(), clock),
      runtimes_(client, kube::kServingRuntime, Slim(), clock),
      cluster_runtimes_(client, kube::kClusterServingRuntime, Slim(), clock),
      storage_containers_(client, kube::kClusterStorageContainer, Slim(), clock),
      config_(client, std::move(config_namespace), clock),
      children_(client, {&deployments_, &services_, &autoscalers_, &ingresses_, &http_routes_}) {
  pods_.AddIndex("app", kube::IndexByLabel(std::string(api::label::kApp)));
}

void Cluster::Start(std::stop_token stop) {
  for (auto* informer :
       {&inference_services_, &deployments_, &services_, &autoscalers_, &ingresses_, &pods_,
        &runtimes_, &cluster_runtimes_, &storage_containers_, &config_.informer()}) {
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

std::vector<api::ServingRuntime> Cluster::Runtimes(std::string_view ns) {
  std::vector<api::ServingRuntime> out;
  auto add = [&](const std::vector<kube::ObjectPtr>& objects) {
    for (const auto& object : objects) {
      auto runtime = api::Decode<api::ServingRuntime>(*object);
      if (runtime) {
        out.push_back(*std::move(runtime));
      } else {
        LogWarning("a serving runtime is left out", {{"name", kube::KeyOf(*object).ToString()},
                                                     {"error", runtime.error().message()}});
      }
    }
  };
  add(runtimes_.List(ns));
  add(cluster_runtimes_.List());
  return out;
}

std::vector<api::ClusterStorageContainer> Cluster::StorageContainers() {
  std::vector<api::ClusterStorageContainer> out;
  for (const auto& object : storage_containers_.List()) {
    auto container = api::Decode<api::ClusterStorageContainer>(*object);
    if (container) out.push_back(*std::move(container));
  }
  return out;
}

std::vector<std::string> Cluster::LegacyServices(std::string_view ns) {
  std::vector<std::string> out;
  for (const auto& service : services_.List(ns)) {
    if (kube::Name(*service).ends_with("-default")) out.push_back(kube::Name(*service));
  }
  return out;
}

std::vector<kube::ObjectPtr> Cluster::PodsOf(std::string_view ns, std::string_view component) {
  auto pods = pods_.ByIndex("app", fmt::format("isvc.{}", component));
  std::erase_if(pods, [&](const auto& pod) { return kube::Namespace(*pod) != ns; });
  return pods;
}

}  // namespace kinglet::control
