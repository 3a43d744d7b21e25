// What the controller sees of the cluster: watched collections, and the children it writes.
#pragma once

#include <string>
#include <vector>

#include "api/storage_uri.h"
#include "api/v1alpha1/serving_runtime.h"
#include "control/child_applier.h"
#include "control/decoded.h"
#include "control/watched_config.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace kinglet::control {

// Thread-safe.
class Cluster {
 public:
  Cluster(kube::Client& client, std::string config_namespace, const Clock& clock);

  kube::Informer& services_of_kserve() { return inference_services_; }
  kube::Informer& deployments() { return deployments_; }
  kube::Informer& services() { return services_; }
  kube::Informer& autoscalers() { return autoscalers_; }
  kube::Informer& ingresses() { return ingresses_; }
  // Of kinds that need not be there: not waited for.
  kube::Informer& http_routes() { return http_routes_; }
  kube::Informer& knative_services() { return knative_services_; }
  kube::Informer& virtual_services() { return virtual_services_; }
  kube::Informer& scaled_objects() { return scaled_objects_; }
  kube::Informer& collectors() { return collectors_; }
  kube::Informer& pods() { return pods_; }
  kube::Informer& runtimes() { return runtimes_; }
  kube::Informer& cluster_runtimes() { return cluster_runtimes_; }
  kube::Informer& storage_containers() { return storage_containers_; }
  WatchedConfig& config() { return config_; }
  ChildApplier& children() { return children_; }

  void Start(std::stop_token stop);
  bool WaitForSync(Deadline deadline, std::stop_token stop);

  // Those of the namespace, then the cluster's.
  Decoded<api::ServingRuntime>::Values Runtimes(std::string_view ns) {
    return decoded_runtimes_.In(ns);
  }
  Decoded<api::ClusterStorageContainer>::Values StorageContainers() {
    return decoded_storage_containers_.In("");
  }
  // Services, or Knative Services, of an InferenceService under KServe's old names
  // "<name>-<component>-default".
  std::vector<std::string> LegacyServices(const kube::ObjectKey& owner);
  std::vector<std::string> LegacyKnativeServices(const kube::ObjectKey& owner);
  using Pods = std::vector<kube::ObjectPtr>;
  // Pods with the label app=isvc.<component>. Watched are those with the label of their
  // InferenceService, which all have that KServe's templates make; with `ask`, where there is none
  // of them, the server is asked for others.
  Result<Pods> PodsOf(std::string_view ns, std::string_view component, bool ask);
  // Pods of a revision of a Knative Service. None where there is no name.
  Result<Pods> PodsOfRevision(std::string_view ns, std::string_view revision, bool ask);

 private:
  Result<Pods> FindPods(std::string_view ns, std::string_view label, std::string_view value,
                        bool ask);

  kube::Client& client_;
  kube::Informer inference_services_, deployments_, services_, autoscalers_, ingresses_,
      http_routes_, knative_services_, virtual_services_, scaled_objects_, collectors_, pods_,
      runtimes_, cluster_runtimes_, storage_containers_;
  WatchedConfig config_;
  Decoded<api::ServingRuntime> decoded_runtimes_;
  Decoded<api::ClusterStorageContainer> decoded_storage_containers_;
  ChildApplier children_;
};

}  // namespace kinglet::control
