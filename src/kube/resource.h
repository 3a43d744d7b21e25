// The kinds we talk about: group, version, plural, kind, scope.
#pragma once

#include <compare>
#include <span>
#include <string>
#include <string_view>

namespace kinglet::kube {

struct ResourceType {
  std::string group;  // "" for core
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;

  auto operator<=>(const ResourceType&) const = default;
  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  // "pods", "deployments.apps": how error messages name it.
  std::string GroupResource() const { return group.empty() ? plural : plural + "." + group; }
  // "/api/v1", "/apis/apps/v1".
  std::string ApiPath() const {
    return group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
  }
  // The collection's or the object's path; ns is ignored for cluster-scoped kinds, and a namespaced
  // kind without ns is the collection over all namespaces. Parts are percent-encoded.
  std::string Path(std::string_view ns = "", std::string_view name = "",
                   std::string_view subresource = "") const;
};

// Core.
inline const ResourceType kPod{"", "v1", "pods", "Pod"};
inline const ResourceType kService{"", "v1", "services", "Service"};
inline const ResourceType kConfigMap{"", "v1", "configmaps", "ConfigMap"};
inline const ResourceType kSecret{"", "v1", "secrets", "Secret"};
inline const ResourceType kServiceAccount{"", "v1", "serviceaccounts", "ServiceAccount"};
inline const ResourceType kNamespace{"", "v1", "namespaces", "Namespace", false};
inline const ResourceType kEvent{"", "v1", "events", "Event"};
inline const ResourceType kEndpoints{"", "v1", "endpoints", "Endpoints"};
inline const ResourceType kNode{"", "v1", "nodes", "Node", false};
inline const ResourceType kPersistentVolume{"", "v1", "persistentvolumes", "PersistentVolume",
                                            false};
inline const ResourceType kPersistentVolumeClaim{"", "v1", "persistentvolumeclaims",
                                                 "PersistentVolumeClaim"};

inline const ResourceType kDeployment{"apps", "v1", "deployments", "Deployment"};
inline const ResourceType kReplicaSet{"apps", "v1", "replicasets", "ReplicaSet"};
inline const ResourceType kStatefulSet{"apps", "v1", "statefulsets", "StatefulSet"};
inline const ResourceType kDaemonSet{"apps", "v1", "daemonsets", "DaemonSet"};
inline const ResourceType kJob{"batch", "v1", "jobs", "Job"};
inline const ResourceType kHorizontalPodAutoscaler{"autoscaling", "v2", "horizontalpodautoscalers",
                                                   "HorizontalPodAutoscaler"};
inline const ResourceType kPodDisruptionBudget{"policy", "v1", "poddisruptionbudgets",
                                               "PodDisruptionBudget"};
inline const ResourceType kIngress{"networking.k8s.io", "v1", "ingresses", "Ingress"};
inline const ResourceType kIngressClass{"networking.k8s.io", "v1", "ingressclasses", "IngressClass",
                                        false};
inline const ResourceType kEndpointSlice{"discovery.k8s.io", "v1", "endpointslices",
                                         "EndpointSlice"};
inline const ResourceType kLease{"coordination.k8s.io", "v1", "leases", "Lease"};
inline const ResourceType kEventsV1Event{"events.k8s.io", "v1", "events", "Event"};
inline const ResourceType kStorageClass{"storage.k8s.io", "v1", "storageclasses", "StorageClass",
                                        false};
inline const ResourceType kRole{"rbac.authorization.k8s.io", "v1", "roles", "Role"};
inline const ResourceType kRoleBinding{"rbac.authorization.k8s.io", "v1", "rolebindings",
                                       "RoleBinding"};
inline const ResourceType kClusterRole{"rbac.authorization.k8s.io", "v1", "clusterroles",
                                       "ClusterRole", false};
inline const ResourceType kClusterRoleBinding{"rbac.authorization.k8s.io", "v1",
                                              "clusterrolebindings", "ClusterRoleBinding", false};
inline const ResourceType kCustomResourceDefinition{
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false};
inline const ResourceType kMutatingWebhookConfiguration{"admissionregistration.k8s.io", "v1",
                                                        "mutatingwebhookconfigurations",
                                                        "MutatingWebhookConfiguration", false};
inline const ResourceType kValidatingWebhookConfiguration{"admissionregistration.k8s.io", "v1",
                                                          "validatingwebhookconfigurations",
                                                          "ValidatingWebhookConfiguration", false};

// KServe.
inline const ResourceType kInferenceService{"serving.kserve.io", "v1beta1", "inferenceservices",
                                            "InferenceService"};
inline const ResourceType kServingRuntime{"serving.kserve.io", "v1alpha1", "servingruntimes",
                                          "ServingRuntime"};
inline const ResourceType kClusterServingRuntime{
    "serving.kserve.io", "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", false};
inline const ResourceType kInferenceGraph{"serving.kserve.io", "v1alpha1", "inferencegraphs",
                                          "InferenceGraph"};
inline const ResourceType kTrainedModel{"serving.kserve.io", "v1alpha1", "trainedmodels",
                                        "TrainedModel"};
inline const ResourceType kClusterStorageContainer{
    "serving.kserve.io", "v1alpha1", "clusterstoragecontainers", "ClusterStorageContainer", false};
inline const ResourceType kLocalModelCache{"serving.kserve.io", "v1alpha1", "localmodelcaches",
                                           "LocalModelCache", false};
inline const ResourceType kLocalModelNamespaceCache{
    "serving.kserve.io", "v1alpha1", "localmodelnamespacecaches", "LocalModelNamespaceCache"};
inline const ResourceType kLocalModelNode{"serving.kserve.io", "v1alpha1", "localmodelnodes",
                                          "LocalModelNode", false};
inline const ResourceType kLocalModelNodeGroup{
    "serving.kserve.io", "v1alpha1", "localmodelnodegroups", "LocalModelNodeGroup", false};
inline const ResourceType kLlmInferenceService{"serving.kserve.io", "v1alpha2",
                                               "llminferenceservices", "LLMInferenceService"};
inline const ResourceType kLlmInferenceServiceConfig{
    "serving.kserve.io", "v1alpha1", "llminferenceserviceconfigs", "LLMInferenceServiceConfig"};

// Optional neighbours.
inline const ResourceType kKnativeService{"serving.knative.dev", "v1", "services", "Service"};
inline const ResourceType kKnativeRevision{"serving.knative.dev", "v1", "revisions", "Revision"};
inline const ResourceType kVirtualService{"networking.istio.io", "v1beta1", "virtualservices",
                                          "VirtualService"};
inline const ResourceType kDestinationRule{"networking.istio.io", "v1beta1", "destinationrules",
                                           "DestinationRule"};
inline const ResourceType kScaledObject{"keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"};
inline const ResourceType kOpenTelemetryCollector{
    "opentelemetry.io", "v1beta1", "opentelemetrycollectors", "OpenTelemetryCollector"};
inline const ResourceType kGateway{"gateway.networking.k8s.io", "v1", "gateways", "Gateway"};
inline const ResourceType kHttpRoute{"gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"};
inline const ResourceType kServiceMonitor{"monitoring.coreos.com", "v1", "servicemonitors",
                                          "ServiceMonitor"};

// All of the above.
std::span<const ResourceType* const> KnownResources();
// By apiVersion and kind; null where unknown (ask discovery then).
const ResourceType* FindKnownResource(std::string_view api_version, std::string_view kind);

}  // namespace kinglet::kube
