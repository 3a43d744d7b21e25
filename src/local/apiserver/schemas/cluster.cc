// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Cluster() {
  return R"(
networking.v1.Ingress apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:networking.v1.IngressSpec status#3:networking.v1.IngressStatus
coordination.v1.Lease apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:coordination.v1.LeaseSpec
events.v1.Event action#6:string apiVersion:string deprecatedCount#15:int
  deprecatedFirstTimestamp#13:time deprecatedLastTimestamp#14:time
  deprecatedSource#12:core.v1.EventSource eventTime#2:microtime! kind:string
  metadata#1:meta.v1.ObjectMeta note#10:string reason#7:string regarding#8:core.v1.ObjectReference
  related#9:core.v1.ObjectReference reportingController#4:string reportingInstance#5:string
  series#3:events.v1.EventSeries type#11:string
rbac.v1.Role apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  rules#2:[rbac.v1.PolicyRule]
rbac.v1.RoleBinding apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  roleRef#3:rbac.v1.RoleRef! subjects#2:[rbac.v1.Subject]
rbac.v1.ClusterRole aggregationRule#3:rbac.v1.AggregationRule apiVersion:string kind:string
  metadata#1:meta.v1.ObjectMeta rules#2:[rbac.v1.PolicyRule]
rbac.v1.ClusterRoleBinding apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  roleRef#3:rbac.v1.RoleRef! subjects#2:[rbac.v1.Subject]
discovery.v1.EndpointSlice addressType#4:string! apiVersion:string
  endpoints#2:[discovery.v1.Endpoint]! kind:string metadata#1:meta.v1.ObjectMeta
  ports#3:[discovery.v1.EndpointPort]
authorization.v1.SelfSubjectAccessReview apiVersion:string kind:string
  metadata#1:meta.v1.ObjectMeta spec#2:authorization.v1.SelfSubjectAccessReviewSpec!
  status#3:authorization.v1.SubjectAccessReviewStatus
authorization.v1.SelfSubjectRulesReview apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:authorization.v1.SelfSubjectRulesReviewSpec!
  status#3:authorization.v1.SubjectRulesReviewStatus
apiextensions.v1.CustomResourceDefinition apiVersion:string kind:string
  metadata#1:meta.v1.ObjectMeta spec#2:apiextensions.v1.CustomResourceDefinitionSpec!
  status#3:apiextensions.v1.CustomResourceDefinitionStatus
networking.v1.IngressSpec defaultBackend#1:networking.v1.IngressBackend ingressClassName#4:string
  rules#3:[networking.v1.IngressRule] tls#2:[networking.v1.IngressTLS]
networking.v1.IngressStatus loadBalancer#1:networking.v1.IngressLoadBalancerStatus
coordination.v1.LeaseSpec acquireTime#3:microtime holderIdentity#1:string
  leaseDurationSeconds#2:int leaseTransitions#5:int preferredHolder#7:string renewTime#4:microtime
  strategy#6:string
events.v1.EventSeries count#1:int! lastObservedTime#2:microtime!
rbac.v1.PolicyRule apiGroups#2:[string] nonResourceURLs#5:[string] resourceNames#4:[string]
  resources#3:[string] verbs#1:[string]!
rbac.v1.RoleRef @atomic apiGroup#1:string! kind#2:string! name#3:string!
rbac.v1.Subject @atomic apiGroup#2:string kind#1:string! name#3:string! namespace#4:string
rbac.v1.AggregationRule clusterRoleSelectors#1:[meta.v1.LabelSelector]
discovery.v1.Endpoint addresses#1:[string]@set! conditions#2:discovery.v1.EndpointConditions
  deprecatedTopology#5:{string} hints#8:discovery.v1.EndpointHints hostname#3:string
  nodeName#6:string targetRef#4:core.v1.ObjectReference zone#7:string
discovery.v1.EndpointPort @atomic appProtocol#4:string name#1:string port#3:int protocol#2:string
authorization.v1.SelfSubjectAccessReviewSpec
  nonResourceAttributes#2:authorization.v1.NonResourceAttributes
  resourceAttributes#1:authorization.v1.ResourceAttributes
authorization.v1.SubjectAccessReviewStatus allowed#1:bool! denied#4:bool evaluationError#3:string
  reason#2:string
authorization.v1.SelfSubjectRulesReviewSpec namespace#1:string
authorization.v1.SubjectRulesReviewStatus evaluationError#4:string incomplete#3:bool!
  nonResourceRules#2:[authorization.v1.NonResourceRule]!
  resourceRules#1:[authorization.v1.ResourceRule]!
apiextensions.v1.CustomResourceDefinitionSpec
  conversion#9:apiextensions.v1.CustomResourceConversion group#1:string!
  names#3:apiextensions.v1.CustomResourceDefinitionNames! preserveUnknownFields#10:bool
  scope#4:string! versions#7:[apiextensions.v1.CustomResourceDefinitionVersion]!
apiextensions.v1.CustomResourceDefinitionStatus
  acceptedNames#2:apiextensions.v1.CustomResourceDefinitionNames
  conditions#1:[apiextensions.v1.CustomResourceDefinitionCondition]@map(type)
  storedVersions#3:[string]
networking.v1.IngressBackend resource#3:core.v1.TypedLocalObjectReference
  service#4:networking.v1.IngressServiceBackend
networking.v1.IngressRule host#1:string http#2.1:networking.v1.HTTPIngressRuleValue
networking.v1.IngressTLS hosts#1:[string] secretName#2:string
networking.v1.IngressLoadBalancerStatus ingress#1:[networking.v1.IngressLoadBalancerIngress]
discovery.v1.EndpointConditions ready#1:bool serving#2:bool terminating#3:bool
discovery.v1.EndpointHints forNodes#2:[discovery.v1.ForNode] forZones#1:[discovery.v1.ForZone]
authorization.v1.NonResourceAttributes path#1:string verb#2:string
authorization.v1.ResourceAttributes fieldSelector#8:authorization.v1.FieldSelectorAttributes
  group#3:string labelSelector#9:authorization.v1.LabelSelectorAttributes name#7:string
  namespace#1:string resource#5:string subresource#6:string verb#2:string version#4:string
authorization.v1.NonResourceRule nonResourceURLs#2:[string] verbs#1:[string]!
authorization.v1.ResourceRule apiGroups#2:[string] resourceNames#4:[string] resources#3:[string]
  verbs#1:[string]!
apiextensions.v1.CustomResourceConversion strategy#1:string!
  webhook#2:apiextensions.v1.WebhookConversion
apiextensions.v1.CustomResourceDefinitionNames categories#6:[string] kind#4:string!
  listKind#5:string plural#1:string! shortNames#3:[string] singular#2:string
apiextensions.v1.CustomResourceDefinitionVersion
  additionalPrinterColumns#6:[apiextensions.v1.CustomResourceColumnDefinition] deprecated#7:bool
  deprecationWarning#8:string name#1:string! schema#4:apiextensions.v1.CustomResourceValidation
  selectableFields#9:[apiextensions.v1.SelectableField] served#2:bool! storage#3:bool!
  subresources#5:apiextensions.v1.CustomResourceSubresources
apiextensions.v1.CustomResourceDefinitionCondition lastTransitionTime#3:time message#5:string
  reason#4:string status#2:string! type#1:string!
networking.v1.IngressServiceBackend name#1:string! port#2:networking.v1.ServiceBackendPort
networking.v1.HTTPIngressRuleValue paths#1:[networking.v1.HTTPIngressPath]!
networking.v1.IngressLoadBalancerIngress hostname#2:string ip#1:string
  ports#4:[networking.v1.IngressPortStatus]
discovery.v1.ForNode name#1:string!
discovery.v1.ForZone name#1:string!
authorization.v1.FieldSelectorAttributes rawSelector#1:string
  requirements#2:[meta.v1.FieldSelectorRequirement]
authorization.v1.LabelSelectorAttributes rawSelector#1:string
  requirements#2:[meta.v1.LabelSelectorRequirement]
apiextensions.v1.WebhookConversion clientConfig#2:apiextensions.v1.WebhookClientConfig
  conversionReviewVersions#3:[string]!
apiextensions.v1.CustomResourceColumnDefinition description#4:string format#3:string
  jsonPath#6:string! name#1:string! priority#5:int type#2:string!
apiextensions.v1.CustomResourceValidation openAPIV3Schema#1:object
apiextensions.v1.SelectableField jsonPath#1:string!
apiextensions.v1.CustomResourceSubresources scale#2:apiextensions.v1.CustomResourceSubresourceScale
  status#1:apiextensions.v1.CustomResourceSubresourceStatus
networking.v1.ServiceBackendPort @atomic name#1:string number#2:int
networking.v1.HTTPIngressPath backend#2:networking.v1.IngressBackend! path#1:string
  pathType#3:string!
networking.v1.IngressPortStatus error#3:string port#1:int! protocol#2:string!
meta.v1.FieldSelectorRequirement key#1:string! operator#2:string! values#3:[string]
apiextensions.v1.WebhookClientConfig caBundle#2:bytes service#1:apiextensions.v1.ServiceReference
  url#3:string
apiextensions.v1.CustomResourceSubresourceScale labelSelectorPath#3:string
  specReplicasPath#1:string! statusReplicasPath#2:string!
apiextensions.v1.CustomResourceSubresourceStatus
apiextensions.v1.ServiceReference name#2:string! namespace#1:string! path#3:string port#4:int
)";
}

}  // namespace kinglet::local::schemas
