// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core3() {
  return R"(
core.v1.TCPSocketAction host:string port:intstr!
core.v1.Capabilities add:[string] drop:[string]
core.v1.KeyToPath key:string! mode:int path:string!
core.v1.DownwardAPIVolumeFile fieldRef:core.v1.ObjectFieldSelector mode:int path:string!
  resourceFieldRef:core.v1.ResourceFieldSelector
core.v1.PersistentVolumeClaimTemplate metadata:meta.v1.ObjectMeta
  spec:core.v1.PersistentVolumeClaimSpec!
core.v1.VolumeProjection clusterTrustBundle:core.v1.ClusterTrustBundleProjection
  configMap:core.v1.ConfigMapProjection downwardAPI:core.v1.DownwardAPIProjection
  secret:core.v1.SecretProjection serviceAccountToken:core.v1.ServiceAccountTokenProjection
core.v1.ResourceHealth health:string resourceID:string!
core.v1.ContainerStateRunning startedAt:time
core.v1.ContainerStateTerminated containerID:string exitCode:int! finishedAt:time message:string
  reason:string signal:int startedAt:time
core.v1.ContainerStateWaiting message:string reason:string
core.v1.LinuxContainerUser gid:int64! supplementalGroups:[int64] uid:int64!
core.v1.PortStatus error:string port:int! protocol:string!
core.v1.NodeSelectorTerm @atomic matchExpressions:[core.v1.NodeSelectorRequirement]
  matchFields:[core.v1.NodeSelectorRequirement]
core.v1.ConfigMapKeySelector @atomic key:string! name:string optional:bool
core.v1.ObjectFieldSelector @atomic apiVersion:string fieldPath:string!
core.v1.ResourceFieldSelector @atomic containerName:string divisor:quantity resource:string!
core.v1.SecretKeySelector @atomic key:string! name:string optional:bool
core.v1.SleepAction seconds:int64!
core.v1.HTTPHeader name:string! value:string!
core.v1.ClusterTrustBundleProjection labelSelector:meta.v1.LabelSelector name:string optional:bool
  path:string! signerName:string
core.v1.ConfigMapProjection items:[core.v1.KeyToPath] name:string optional:bool
core.v1.DownwardAPIProjection items:[core.v1.DownwardAPIVolumeFile]
core.v1.SecretProjection items:[core.v1.KeyToPath] name:string optional:bool
core.v1.ServiceAccountTokenProjection audience:string expirationSeconds:int64 path:string!
core.v1.NodeSelectorRequirement key:string! operator:string! values:[string]
)";
}

}  // namespace kinglet::local::schemas
