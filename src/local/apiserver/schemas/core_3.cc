// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core3() {
  return R"(
core.v1.ScaleIOVolumeSource fsType#9:string gateway#1:string! protectionDomain#5:string
  readOnly#10:bool secretRef#3:core.v1.LocalObjectReference! sslEnabled#4:bool storageMode#7:string
  storagePool#6:string system#2:string! volumeName#8:string
core.v1.SecretVolumeSource defaultMode#3:int items#2:[core.v1.KeyToPath] optional#4:bool
  secretName#1:string
core.v1.StorageOSVolumeSource fsType#3:string readOnly#4:bool
  secretRef#5:core.v1.LocalObjectReference volumeName#1:string volumeNamespace#2:string
core.v1.ResourceStatus name#1:string! resources#2:[core.v1.ResourceHealth]@map(resourceID)
core.v1.ContainerState running#2:core.v1.ContainerStateRunning
  terminated#3:core.v1.ContainerStateTerminated waiting#1:core.v1.ContainerStateWaiting
core.v1.ContainerUser linux#1:core.v1.LinuxContainerUser
core.v1.VolumeMountStatus mountPath#2:string! name#1:string! readOnly#3:bool
  recursiveReadOnly#4:string
core.v1.ClientIPConfig timeoutSeconds#1:int
core.v1.LoadBalancerIngress hostname#2:string ip#1:string ipMode#3:string
  ports#4:[core.v1.PortStatus]
core.v1.ConfigMapNodeConfigSource kubeletConfigKey#5:string! name#2:string! namespace#1:string!
  resourceVersion#4:string uid#3:string
core.v1.DaemonEndpoint Port#1:int!
core.v1.NodeSwapStatus capacity#1:int64
core.v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts#1:bool userNamespaces#2:bool
core.v1.SecretReference @atomic name#1:string namespace#2:string
core.v1.NodeSelector @atomic nodeSelectorTerms#1:[core.v1.NodeSelectorTerm]!
meta.v1.LabelSelectorRequirement key#1:string! operator#2:string! values#3:[string]
core.v1.PreferredSchedulingTerm preference#2:core.v1.NodeSelectorTerm! weight#1:int!
core.v1.WeightedPodAffinityTerm podAffinityTerm#2:core.v1.PodAffinityTerm! weight#1:int!
core.v1.PodAffinityTerm labelSelector#1:meta.v1.LabelSelector matchLabelKeys#5:[string]
  mismatchLabelKeys#6:[string] namespaceSelector#4:meta.v1.LabelSelector namespaces#2:[string]
  topologyKey#3:string!
core.v1.EnvVarSource configMapKeyRef#3:core.v1.ConfigMapKeySelector
  fieldRef#1:core.v1.ObjectFieldSelector resourceFieldRef#2:core.v1.ResourceFieldSelector
  secretKeyRef#4:core.v1.SecretKeySelector
core.v1.ConfigMapEnvSource name#1.1:string optional#2:bool
core.v1.SecretEnvSource name#1.1:string optional#2:bool
core.v1.LifecycleHandler exec#1:core.v1.ExecAction httpGet#2:core.v1.HTTPGetAction
  sleep#4:core.v1.SleepAction tcpSocket#3:core.v1.TCPSocketAction
core.v1.ExecAction command#1:[string]
core.v1.GRPCAction port#1:int! service#2:string
core.v1.HTTPGetAction host#3:string httpHeaders#5:[core.v1.HTTPHeader] path#1:string port#2:intstr!
  scheme#4:string
core.v1.TCPSocketAction host#2:string port#1:intstr!
core.v1.Capabilities add#1:[string] drop#2:[string]
core.v1.KeyToPath key#1:string! mode#3:int path#2:string!
core.v1.DownwardAPIVolumeFile fieldRef#2:core.v1.ObjectFieldSelector mode#4:int path#1:string!
  resourceFieldRef#3:core.v1.ResourceFieldSelector
core.v1.PersistentVolumeClaimTemplate metadata#1:meta.v1.ObjectMeta
  spec#2:core.v1.PersistentVolumeClaimSpec!
core.v1.VolumeProjection clusterTrustBundle#5:core.v1.ClusterTrustBundleProjection
  configMap#3:core.v1.ConfigMapProjection downwardAPI#2:core.v1.DownwardAPIProjection
  secret#1:core.v1.SecretProjection serviceAccountToken#4:core.v1.ServiceAccountTokenProjection
core.v1.ResourceHealth health#2:string resourceID#1:string!
core.v1.ContainerStateRunning startedAt#1:time
core.v1.ContainerStateTerminated containerID#7:string exitCode#1:int! finishedAt#6:time
  message#4:string reason#3:string signal#2:int startedAt#5:time
core.v1.ContainerStateWaiting message#2:string reason#1:string
core.v1.LinuxContainerUser gid#2:int64! supplementalGroups#3:[int64] uid#1:int64!
core.v1.PortStatus error#3:string port#1:int! protocol#2:string!
core.v1.NodeSelectorTerm @atomic matchExpressions#1:[core.v1.NodeSelectorRequirement]
  matchFields#2:[core.v1.NodeSelectorRequirement]
core.v1.ConfigMapKeySelector @atomic key#2:string! name#1.1:string optional#3:bool
core.v1.ObjectFieldSelector @atomic apiVersion#1:string fieldPath#2:string!
core.v1.ResourceFieldSelector @atomic containerName#1:string divisor#3:quantity resource#2:string!
core.v1.SecretKeySelector @atomic key#2:string! name#1.1:string optional#3:bool
core.v1.SleepAction seconds#1:int64!
core.v1.HTTPHeader name#1:string! value#2:string!
core.v1.ClusterTrustBundleProjection labelSelector#3:meta.v1.LabelSelector name#1:string
  optional#5:bool path#4:string! signerName#2:string
core.v1.ConfigMapProjection items#2:[core.v1.KeyToPath] name#1.1:string optional#4:bool
core.v1.DownwardAPIProjection items#1:[core.v1.DownwardAPIVolumeFile]
core.v1.SecretProjection items#2:[core.v1.KeyToPath] name#1.1:string optional#4:bool
core.v1.ServiceAccountTokenProjection audience#1:string expirationSeconds#2:int64 path#3:string!
core.v1.NodeSelectorRequirement key#1:string! operator#2:string! values#3:[string]
)";
}

}  // namespace kinglet::local::schemas
