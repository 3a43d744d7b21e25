// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Cluster() {
  return R"(
networking.v1.Ingress apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:networking.v1.IngressSpec status:networking.v1.IngressStatus
coordination.v1.Lease apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:coordination.v1.LeaseSpec
events.v1.Event action:string apiVersion:string deprecatedCount:int deprecatedFirstTimestamp:time
  deprecatedLastTimestamp:time deprecatedSource:core.v1.EventSource eventTime:microtime!
  kind:string metadata:meta.v1.ObjectMeta note:string reason:string
  regarding:core.v1.ObjectReference related:core.v1.ObjectReference reportingController:string
  reportingInstance:string series:events.v1.EventSeries type:string
rbac.v1.Role apiVersion:string kind:string metadata:meta.v1.ObjectMeta rules:[rbac.v1.PolicyRule]
rbac.v1.RoleBinding apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  roleRef:rbac.v1.RoleRef! subjects:[rbac.v1.Subject]
rbac.v1.ClusterRole aggregationRule:rbac.v1.AggregationRule apiVersion:string kind:string
  metadata:meta.v1.ObjectMeta rules:[rbac.v1.PolicyRule]
rbac.v1.ClusterRoleBinding apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  roleRef:rbac.v1.RoleRef! subjects:[rbac.v1.Subject]
discovery.v1.EndpointSlice addressType:string! apiVersion:string endpoints:[discovery.v1.Endpoint]!
  kind:string metadata:meta.v1.ObjectMeta ports:[discovery.v1.EndpointPort]
authorization.v1.SelfSubjectAccessReview apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:authorization.v1.SelfSubjectAccessReviewSpec!
  status:authorization.v1.SubjectAccessReviewStatus
authorization.v1.SelfSubjectRulesReview apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:authorization.v1.SelfSubjectRulesReviewSpec!
  status:authorization.v1.SubjectRulesReviewStatus
apiextensions.v1.CustomResourceDefinition apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:apiextensions.v1.CustomResourceDefinitionSpec!
  status:apiextensions.v1.CustomResourceDefinitionStatus
networking.v1.IngressSpec defaultBackend:networking.v1.IngressBackend ingressClassName:string
  rules:[networking.v1.IngressRule] tls:[networking.v1.IngressTLS]
networking.v1.IngressStatus loadBalancer:networking.v1.IngressLoadBalancerStatus
coordination.v1.LeaseSpec acquireTime:microtime holderIdentity:string leaseDurationSeconds:int
  leaseTransitions:int preferredHolder:string renewTime:microtime strategy:string
events.v1.EventSeries count:int! lastObservedTime:microtime!
rbac.v1.PolicyRule apiGroups:[string] nonResourceURLs:[string] resourceNames:[string]
  resources:[string] verbs:[string]!
rbac.v1.RoleRef @atomic apiGroup:string! kind:string! name:string!
rbac.v1.Subject @atomic apiGroup:string kind:string! name:string! namespace:string
rbac.v1.AggregationRule clusterRoleSelectors:[meta.v1.LabelSelector]
discovery.v1.Endpoint addresses:[string]@set! conditions:discovery.v1.EndpointConditions
  deprecatedTopology:{string} hints:discovery.v1.EndpointHints hostname:string nodeName:string
  targetRef:core.v1.ObjectReference zone:string
discovery.v1.EndpointPort @atomic appProtocol:string name:string port:int protocol:string
authorization.v1.SelfSubjectAccessReviewSpec
  nonResourceAttributes:authorization.v1.NonResourceAttributes
  resourceAttributes:authorization.v1.ResourceAttributes
authorization.v1.SubjectAccessReviewStatus allowed:bool! denied:bool evaluationError:string
  reason:string
authorization.v1.SelfSubjectRulesReviewSpec namespace:string
authorization.v1.SubjectRulesReviewStatus evaluationError:string incomplete:bool!
  nonResourceRules:[authorization.v1.NonResourceRule]!
  resourceRules:[authorization.v1.ResourceRule]!
apiextensions.v1.CustomResourceDefinitionSpec conversion:apiextensions.v1.CustomResourceConversion
  group:string! names:apiextensions.v1.CustomResourceDefinitionNames! preserveUnknownFields:bool
  scope:string! versions:[apiextensions.v1.CustomResourceDefinitionVersion]!
apiextensions.v1.CustomResourceDefinitionStatus
  acceptedNames:apiextensions.v1.CustomResourceDefinitionNames
  conditions:[apiextensions.v1.CustomResourceDefinitionCondition]@map(type) storedVersions:[string]
networking.v1.IngressBackend resource:core.v1.TypedLocalObjectReference
  service:networking.v1.IngressServiceBackend
networking.v1.IngressRule host:string http:networking.v1.HTTPIngressRuleValue
networking.v1.IngressTLS hosts:[string] secretName:string
networking.v1.IngressLoadBalancerStatus ingress:[networking.v1.IngressLoadBalancerIngress]
discovery.v1.EndpointConditions ready:bool serving:bool terminating:bool
discovery.v1.EndpointHints forNodes:[discovery.v1.ForNode] forZones:[discovery.v1.ForZone]
authorization.v1.NonResourceAttributes path:string verb:string
authorization.v1.ResourceAttributes fieldSelector:authorization.v1.FieldSelectorAttributes
  group:string labelSelector:authorization.v1.LabelSelectorAttributes name:string namespace:string
  resource:string subresource:string verb:string version:string
authorization.v1.NonResourceRule nonResourceURLs:[string] verbs:[string]!
authorization.v1.ResourceRule apiGroups:[string] resourceNames:[string] resources:[string]
  verbs:[string]!
apiextensions.v1.CustomResourceConversion strategy:string!
  webhook:apiextensions.v1.WebhookConversion
apiextensions.v1.CustomResourceDefinitionNames categories:[string] kind:string! listKind:string
  plural:string! shortNames:[string] singular:string
apiextensions.v1.CustomResourceDefinitionVersion
  additionalPrinterColumns:[apiextensions.v1.CustomResourceColumnDefinition] deprecated:bool
  deprecationWarning:string name:string! schema:apiextensions.v1.CustomResourceValidation
  selectableFields:[apiextensions.v1.SelectableField] served:bool! storage:bool!
  subresources:apiextensions.v1.CustomResourceSubresources
apiextensions.v1.CustomResourceDefinitionCondition lastTransitionTime:time message:string
  reason:string status:string! type:string!
networking.v1.IngressServiceBackend name:string! port:networking.v1.ServiceBackendPort
networking.v1.HTTPIngressRuleValue paths:[networking.v1.HTTPIngressPath]!
networking.v1.IngressLoadBalancerIngress hostname:string ip:string
  ports:[networking.v1.IngressPortStatus]
discovery.v1.ForNode name:string!
discovery.v1.ForZone name:string!
authorization.v1.FieldSelectorAttributes rawSelector:string
  requirements:[meta.v1.FieldSelectorRequirement]
authorization.v1.LabelSelectorAttributes rawSelector:string
  requirements:[meta.v1.LabelSelectorRequirement]
apiextensions.v1.WebhookConversion clientConfig:apiextensions.v1.WebhookClientConfig
  conversionReviewVersions:[string]!
apiextensions.v1.CustomResourceColumnDefinition description:string format:string jsonPath:string!
  name:string! priority:int type:string!
apiextensions.v1.CustomResourceValidation openAPIV3Schema:object
apiextensions.v1.SelectableField jsonPath:string!
apiextensions.v1.CustomResourceSubresources scale:apiextensions.v1.CustomResourceSubresourceScale
  status:apiextensions.v1.CustomResourceSubresourceStatus
networking.v1.ServiceBackendPort @atomic name:string number:int
networking.v1.HTTPIngressPath backend:networking.v1.IngressBackend! path:string pathType:string!
networking.v1.IngressPortStatus error:string port:int! protocol:string!
meta.v1.FieldSelectorRequirement key:string! operator:string! values:[string]
apiextensions.v1.WebhookClientConfig caBundle:bytes service:apiextensions.v1.ServiceReference
  url:string
apiextensions.v1.CustomResourceSubresourceScale labelSelectorPath:string specReplicasPath:string!
  statusReplicasPath:string!
apiextensions.v1.CustomResourceSubresourceStatus
apiextensions.v1.ServiceReference name:string! namespace:string! path:string port:int
)";
}

}  // namespace kinglet::local::schemas
