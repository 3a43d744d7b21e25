// What the controller sees of the cluster: watched collections, and writes that happen only where
// something differs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/config.h"
#include "api/storage_uri.h"
#include "api/v1alpha1/serving_runtime.h"
#include "base/guarded.h"
#include "control/inferenceservice/plan.h"
#include "kube/apply.h"
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
  // Of a kind that need not be there: not waited for.
  kube::Informer& http_routes() { return http_routes_; }
  kube::Informer& pods() { return pods_; }
  kube::Informer& runtimes() { return runtimes_; }
  kube::Informer& cluster_runtimes() { return cluster_runtimes_; }
  kube::Informer& storage_containers() { return storage_containers_; }
  kube::Informer& config() { return config_; }
  kube::Client& client() { return client_; }

  void Start(std::stop_token stop);
  bool WaitForSync(Deadline deadline, std::stop_token stop);

  // The configuration as last seen. Warnings are logged once for each version.
  std::shared_ptr<const api::Config> ReadConfig();
  // Those of the namespace, then the cluster's. Ones that cannot be read are left out (logged).
  std::vector<api::ServingRuntime> Runtimes(std::string_view ns);
  std::vector<api::ClusterStorageContainer> StorageContainers();
  std::vector<std::string> LegacyServices(std::string_view ns);
  // Pods with the label app=isvc.<component>.
  std::vector<kube::ObjectPtr> PodsOf(std::string_view ns, std::string_view component);

  // Brings one child to its desired state. Asks the server only where the child or the wish
  // differs from when it was last brought there.
  Status Apply(const Json& owner, const DesiredObject& desired);
  // Drops what is remembered of the children of an InferenceService that is gone.
  void Forget(const kube::ObjectKey& owner);
  // Deletes children of the owner that are not among `wanted`.
  Status DeleteOthers(const Json& owner, const std::vector<DesiredObject>& wanted);

 private:
  // Of a child that was applied: the wish, and what the server made of it.
  struct AppliedState {
    kube::ObjectKey owner;
    std::string wish, result;
  };
  struct ParsedConfig {
    std::string version = "-";
    std::shared_ptr<const api::Config> config;
  };
  kube::Informer* InformerOf(const kube::ResourceType& type);

  kube::Client& client_;
  const std::string config_namespace_;
  kube::Informer inference_services_, deployments_, services_, autoscalers_, ingresses_,
      http_routes_, pods_, runtimes_, cluster_runtimes_, storage_containers_, config_;
  Guarded<std::map<std::string, AppliedState>> applied_;
  Guarded<ParsedConfig> parsed_config_;
};

}  // namespace kinglet::control
