// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core2() {
  return R"(
core.v1.PodCondition lastProbeTime:time lastTransitionTime:time message:string
  observedGeneration:int64 reason:string status:string! type:string!
core.v1.ContainerStatus allocatedResources:{quantity}
  allocatedResourcesStatus:[core.v1.ResourceStatus]@map(name)@merge(name) containerID:string
  image:string! imageID:string! lastState:core.v1.ContainerState name:string! ready:bool!
  resources:core.v1.ResourceRequirements restartCount:int! started:bool
  state:core.v1.ContainerState stopSignal:string user:core.v1.ContainerUser
  volumeMounts:[core.v1.VolumeMountStatus]@map(mountPath)@merge(mountPath)
core.v1.HostIP ip:string!
core.v1.PodIP ip:string!
core.v1.PodResourceClaimStatus name:string! resourceClaimName:string
core.v1.ServicePort appProtocol:string name:string nodePort:int port:int! protocol:string
  targetPort:intstr
core.v1.SessionAffinityConfig clientIP:core.v1.ClientIPConfig
meta.v1.Condition lastTransitionTime:time! message:string! observedGeneration:int64 reason:string!
  status:string! type:string!
core.v1.LoadBalancerStatus ingress:[core.v1.LoadBalancerIngress]
core.v1.EndpointAddress @atomic hostname:string ip:string! nodeName:string
  targetRef:core.v1.ObjectReference
core.v1.EndpointPort @atomic appProtocol:string name:string port:int! protocol:string
core.v1.NodeConfigSource configMap:core.v1.ConfigMapNodeConfigSource
core.v1.Taint effect:string! key:string! timeAdded:time value:string
core.v1.NodeAddress address:string! type:string!
core.v1.NodeCondition lastHeartbeatTime:time lastTransitionTime:time message:string reason:string
  status:string! type:string!
core.v1.NodeConfigStatus active:core.v1.NodeConfigSource assigned:core.v1.NodeConfigSource
  error:string lastKnownGood:core.v1.NodeConfigSource
core.v1.NodeDaemonEndpoints kubeletEndpoint:core.v1.DaemonEndpoint
core.v1.NodeFeatures supplementalGroupsPolicy:bool
core.v1.ContainerImage names:[string] sizeBytes:int64
core.v1.NodeSystemInfo architecture:string! bootID:string! containerRuntimeVersion:string!
  kernelVersion:string! kubeProxyVersion:string! kubeletVersion:string! machineID:string!
  operatingSystem:string! osImage:string! swap:core.v1.NodeSwapStatus systemUUID:string!
core.v1.NodeRuntimeHandler features:core.v1.NodeRuntimeHandlerFeatures name:string
core.v1.AttachedVolume devicePath:string! name:string!
core.v1.AWSElasticBlockStoreVolumeSource fsType:string partition:int readOnly:bool volumeID:string!
core.v1.AzureDiskVolumeSource cachingMode:string diskName:string! diskURI:string! fsType:string
  kind:string readOnly:bool
core.v1.AzureFilePersistentVolumeSource readOnly:bool secretName:string! secretNamespace:string
  shareName:string!
core.v1.CephFSPersistentVolumeSource monitors:[string]! path:string readOnly:bool secretFile:string
  secretRef:core.v1.SecretReference user:string
core.v1.CinderPersistentVolumeSource fsType:string readOnly:bool secretRef:core.v1.SecretReference
  volumeID:string!
core.v1.CSIPersistentVolumeSource controllerExpandSecretRef:core.v1.SecretReference
  controllerPublishSecretRef:core.v1.SecretReference driver:string! fsType:string
  nodeExpandSecretRef:core.v1.SecretReference nodePublishSecretRef:core.v1.SecretReference
  nodeStageSecretRef:core.v1.SecretReference readOnly:bool volumeAttributes:{string}
  volumeHandle:string!
core.v1.FCVolumeSource fsType:string lun:int readOnly:bool targetWWNs:[string] wwids:[string]
core.v1.FlexPersistentVolumeSource driver:string! fsType:string options:{string} readOnly:bool
  secretRef:core.v1.SecretReference
core.v1.FlockerVolumeSource datasetName:string datasetUUID:string
core.v1.GCEPersistentDiskVolumeSource fsType:string partition:int pdName:string! readOnly:bool
core.v1.GlusterfsPersistentVolumeSource endpoints:string! endpointsNamespace:string path:string!
  readOnly:bool
core.v1.HostPathVolumeSource path:string! type:string
core.v1.ISCSIPersistentVolumeSource chapAuthDiscovery:bool chapAuthSession:bool fsType:string
  initiatorName:string iqn:string! iscsiInterface:string lun:int! portals:[string] readOnly:bool
  secretRef:core.v1.SecretReference targetPortal:string!
core.v1.LocalVolumeSource fsType:string path:string!
core.v1.NFSVolumeSource path:string! readOnly:bool server:string!
core.v1.VolumeNodeAffinity required:core.v1.NodeSelector
core.v1.PhotonPersistentDiskVolumeSource fsType:string pdID:string!
core.v1.PortworxVolumeSource fsType:string readOnly:bool volumeID:string!
core.v1.QuobyteVolumeSource group:string readOnly:bool registry:string! tenant:string user:string
  volume:string!
core.v1.RBDPersistentVolumeSource fsType:string image:string! keyring:string monitors:[string]!
  pool:string readOnly:bool secretRef:core.v1.SecretReference user:string
core.v1.ScaleIOPersistentVolumeSource fsType:string gateway:string! protectionDomain:string
  readOnly:bool secretRef:core.v1.SecretReference! sslEnabled:bool storageMode:string
  storagePool:string system:string! volumeName:string
core.v1.StorageOSPersistentVolumeSource fsType:string readOnly:bool
  secretRef:core.v1.ObjectReference volumeName:string volumeNamespace:string
core.v1.VsphereVirtualDiskVolumeSource fsType:string storagePolicyID:string
  storagePolicyName:string volumePath:string!
core.v1.TypedLocalObjectReference @atomic apiGroup:string kind:string! name:string!
core.v1.TypedObjectReference apiGroup:string kind:string! name:string! namespace:string
core.v1.VolumeResourceRequirements limits:{quantity} requests:{quantity}
meta.v1.LabelSelector @atomic matchExpressions:[meta.v1.LabelSelectorRequirement]
  matchLabels:{string}
core.v1.PersistentVolumeClaimCondition lastProbeTime:time lastTransitionTime:time message:string
  reason:string status:string! type:string!
core.v1.ModifyVolumeStatus status:string! targetVolumeAttributesClassName:string
core.v1.NodeAffinity
  preferredDuringSchedulingIgnoredDuringExecution:[core.v1.PreferredSchedulingTerm]
  requiredDuringSchedulingIgnoredDuringExecution:core.v1.NodeSelector
core.v1.PodAffinity
  preferredDuringSchedulingIgnoredDuringExecution:[core.v1.WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution:[core.v1.PodAffinityTerm]
core.v1.PodAntiAffinity
  preferredDuringSchedulingIgnoredDuringExecution:[core.v1.WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution:[core.v1.PodAffinityTerm]
core.v1.EnvVar name:string! value:string valueFrom:core.v1.EnvVarSource
core.v1.EnvFromSource configMapRef:core.v1.ConfigMapEnvSource prefix:string
  secretRef:core.v1.SecretEnvSource
core.v1.Lifecycle postStart:core.v1.LifecycleHandler preStop:core.v1.LifecycleHandler
  stopSignal:string
core.v1.Probe exec:core.v1.ExecAction failureThreshold:int grpc:core.v1.GRPCAction
  httpGet:core.v1.HTTPGetAction initialDelaySeconds:int periodSeconds:int successThreshold:int
  tcpSocket:core.v1.TCPSocketAction terminationGracePeriodSeconds:int64 timeoutSeconds:int
core.v1.ContainerPort containerPort:int! hostIP:string hostPort:int name:string protocol:string
core.v1.ContainerResizePolicy resourceName:string! restartPolicy:string!
core.v1.SecurityContext allowPrivilegeEscalation:bool appArmorProfile:core.v1.AppArmorProfile
  capabilities:core.v1.Capabilities privileged:bool procMount:string readOnlyRootFilesystem:bool
  runAsGroup:int64 runAsNonRoot:bool runAsUser:int64 seLinuxOptions:core.v1.SELinuxOptions
  seccompProfile:core.v1.SeccompProfile windowsOptions:core.v1.WindowsSecurityContextOptions
core.v1.VolumeDevice devicePath:string! name:string!
core.v1.VolumeMount mountPath:string! mountPropagation:string name:string! readOnly:bool
  recursiveReadOnly:string subPath:string subPathExpr:string
core.v1.PodDNSConfigOption name:string value:string
core.v1.ResourceClaim name:string! request:string
core.v1.AppArmorProfile localhostProfile:string type:string!
core.v1.SELinuxOptions level:string role:string type:string user:string
core.v1.SeccompProfile localhostProfile:string type:string!
core.v1.Sysctl name:string! value:string!
core.v1.WindowsSecurityContextOptions gmsaCredentialSpec:string gmsaCredentialSpecName:string
  hostProcess:bool runAsUserName:string
core.v1.AzureFileVolumeSource readOnly:bool secretName:string! shareName:string!
core.v1.CephFSVolumeSource monitors:[string]! path:string readOnly:bool secretFile:string
  secretRef:core.v1.LocalObjectReference user:string
core.v1.CinderVolumeSource fsType:string readOnly:bool secretRef:core.v1.LocalObjectReference
  volumeID:string!
core.v1.ConfigMapVolumeSource defaultMode:int items:[core.v1.KeyToPath] name:string optional:bool
core.v1.CSIVolumeSource driver:string! fsType:string
  nodePublishSecretRef:core.v1.LocalObjectReference readOnly:bool volumeAttributes:{string}
core.v1.DownwardAPIVolumeSource defaultMode:int items:[core.v1.DownwardAPIVolumeFile]
core.v1.EmptyDirVolumeSource medium:string sizeLimit:quantity
core.v1.EphemeralVolumeSource volumeClaimTemplate:core.v1.PersistentVolumeClaimTemplate
core.v1.FlexVolumeSource driver:string! fsType:string options:{string} readOnly:bool
  secretRef:core.v1.LocalObjectReference
core.v1.GitRepoVolumeSource directory:string repository:string! revision:string
core.v1.GlusterfsVolumeSource endpoints:string! path:string! readOnly:bool
core.v1.ImageVolumeSource pullPolicy:string reference:string
core.v1.ISCSIVolumeSource chapAuthDiscovery:bool chapAuthSession:bool fsType:string
  initiatorName:string iqn:string! iscsiInterface:string lun:int! portals:[string] readOnly:bool
  secretRef:core.v1.LocalObjectReference targetPortal:string!
core.v1.PersistentVolumeClaimVolumeSource claimName:string! readOnly:bool
core.v1.ProjectedVolumeSource defaultMode:int sources:[core.v1.VolumeProjection]
core.v1.RBDVolumeSource fsType:string image:string! keyring:string monitors:[string]! pool:string
  readOnly:bool secretRef:core.v1.LocalObjectReference user:string
core.v1.ScaleIOVolumeSource fsType:string gateway:string! protectionDomain:string readOnly:bool
  secretRef:core.v1.LocalObjectReference! sslEnabled:bool storageMode:string storagePool:string
  system:string! volumeName:string
core.v1.SecretVolumeSource defaultMode:int items:[core.v1.KeyToPath] optional:bool
  secretName:string
core.v1.StorageOSVolumeSource fsType:string readOnly:bool secretRef:core.v1.LocalObjectReference
  volumeName:string volumeNamespace:string
core.v1.ResourceStatus name:string! resources:[core.v1.ResourceHealth]@map(resourceID)
core.v1.ContainerState running:core.v1.ContainerStateRunning
  terminated:core.v1.ContainerStateTerminated waiting:core.v1.ContainerStateWaiting
core.v1.ContainerUser linux:core.v1.LinuxContainerUser
core.v1.VolumeMountStatus mountPath:string! name:string! readOnly:bool recursiveReadOnly:string
core.v1.ClientIPConfig timeoutSeconds:int
core.v1.LoadBalancerIngress hostname:string ip:string ipMode:string ports:[core.v1.PortStatus]
core.v1.ConfigMapNodeConfigSource kubeletConfigKey:string! name:string! namespace:string!
  resourceVersion:string uid:string
core.v1.DaemonEndpoint Port:int!
core.v1.NodeSwapStatus capacity:int64
core.v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts:bool userNamespaces:bool
core.v1.SecretReference @atomic name:string namespace:string
core.v1.NodeSelector @atomic nodeSelectorTerms:[core.v1.NodeSelectorTerm]!
meta.v1.LabelSelectorRequirement key:string! operator:string! values:[string]
core.v1.PreferredSchedulingTerm preference:core.v1.NodeSelectorTerm! weight:int!
core.v1.WeightedPodAffinityTerm podAffinityTerm:core.v1.PodAffinityTerm! weight:int!
core.v1.PodAffinityTerm labelSelector:meta.v1.LabelSelector matchLabelKeys:[string]
  mismatchLabelKeys:[string] namespaceSelector:meta.v1.LabelSelector namespaces:[string]
  topologyKey:string!
core.v1.EnvVarSource configMapKeyRef:core.v1.ConfigMapKeySelector
  fieldRef:core.v1.ObjectFieldSelector resourceFieldRef:core.v1.ResourceFieldSelector
  secretKeyRef:core.v1.SecretKeySelector
core.v1.ConfigMapEnvSource name:string optional:bool
core.v1.SecretEnvSource name:string optional:bool
core.v1.LifecycleHandler exec:core.v1.ExecAction httpGet:core.v1.HTTPGetAction
  sleep:core.v1.SleepAction tcpSocket:core.v1.TCPSocketAction
core.v1.ExecAction command:[string]
core.v1.GRPCAction port:int! service:string
core.v1.HTTPGetAction host:string httpHeaders:[core.v1.HTTPHeader] path:string port:intstr!
  scheme:string
)";
}

}  // namespace kinglet::local::schemas
