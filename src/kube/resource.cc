#include "kube/resource.h"

#include <array>

#include "base/encoding.h"

namespace kinglet::kube {

std::string ResourceType::Path(std::string_view ns, std::string_view name,
                               std::string_view subresource) const {
  std::string path = ApiPath();
  if (namespaced && !ns.empty()) path += "/namespaces/" + UrlEncode(ns);
  path += "/" + plural;
  // "::" occurs in names of RBAC objects and is kept readable, as other clients do.
  if (!name.empty()) path += "/" + UrlEncode(name, ":");
  if (!subresource.empty()) path += "/" + UrlEncode(subresource, "/");
  return path;
}

std::span<const ResourceType* const> KnownResources() {
  static const std::array kAll = {&kPod,
                                  &kService,
                                  &kConfigMap,
                                  &kSecret,
                                  &kServiceAccount,
                                  &kNamespace,
                                  &kEvent,
                                  &kEndpoints,
                                  &kNode,
                                  &kPersistentVolume,
                                  &kPersistentVolumeClaim,
                                  &kDeployment,
                                  &kReplicaSet,
                                  &kStatefulSet,
                                  &kDaemonSet,
                                  &kJob,
                                  &kHorizontalPodAutoscaler,
                                  &kPodDisruptionBudget,
                                  &kIngress,
                                  &kIngressClass,
                                  &kEndpointSlice,
                                  &kLease,
                                  &kEventsV1Event,
                                  &kStorageClass,
                                  &kRole,
                                  &kRoleBinding,
                                  &kClusterRole,
                                  &kClusterRoleBinding,
                                  &kCustomResourceDefinition,
                                  &kMutatingWebhookConfiguration,
                                  &kValidatingWebhookConfiguration,
                                  &kInferenceService,
                                  &kServingRuntime,
                                  &kClusterServingRuntime,
                                  &kInferenceGraph,
                                  &kTrainedModel,
                                  &kClusterStorageContainer,
                                  &kLocalModelCache,
                                  &kLocalModelNamespaceCache,
                                  &kLocalModelNode,
                                  &kLocalModelNodeGroup,
                                  &kLlmInferenceService,
                                  &kLlmInferenceServiceConfig,
                                  &kKnativeService,
                                  &kKnativeRevision,
                                  &kVirtualService,
                                  &kDestinationRule,
                                  &kScaledObject,
                                  &kOpenTelemetryCollector,
                                  &kGateway,
                                  &kHttpRoute,
                                  &kServiceMonitor};
  return kAll;
}

const ResourceType* FindKnownResource(std::string_view api_version, std::string_view kind) {
  for (const ResourceType* type : KnownResources()) {
    if (type->kind == kind && type->ApiVersion() == api_version) return type;
  }
  return nullptr;
}

}  // namespace kinglet::kube
