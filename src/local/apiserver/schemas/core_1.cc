// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core1() {
  return R"(
core.v1.Namespace apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:core.v1.NamespaceSpec status:core.v1.NamespaceStatus
core.v1.Pod apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:core.v1.PodSpec
  status:core.v1.PodStatus
core.v1.Service apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:core.v1.ServiceSpec
  status:core.v1.ServiceStatus
core.v1.ConfigMap apiVersion:string binaryData:{bytes} data:{string} immutable:bool kind:string
  metadata:meta.v1.ObjectMeta
core.v1.Secret apiVersion:string data:{bytes} immutable:bool kind:string
  metadata:meta.v1.ObjectMeta stringData:{string} type:string
core.v1.ServiceAccount apiVersion:string automountServiceAccountToken:bool
  imagePullSecrets:[core.v1.LocalObjectReference] kind:string metadata:meta.v1.ObjectMeta
  secrets:[core.v1.ObjectReference]@map(name)@merge(name)
core.v1.Event action:string apiVersion:string count:int eventTime:microtime firstTimestamp:time
  involvedObject:core.v1.ObjectReference! kind:string lastTimestamp:time message:string
  metadata:meta.v1.ObjectMeta! reason:string related:core.v1.ObjectReference
  reportingComponent:string reportingInstance:string series:core.v1.EventSeries
  source:core.v1.EventSource type:string
core.v1.Endpoints apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  subsets:[core.v1.EndpointSubset]
core.v1.Node apiVersion:string kind:string metadata:meta.v1.ObjectMeta spec:core.v1.NodeSpec
  status:core.v1.NodeStatus
core.v1.PersistentVolume apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:core.v1.PersistentVolumeSpec status:core.v1.PersistentVolumeStatus
core.v1.PersistentVolumeClaim apiVersion:string kind:string metadata:meta.v1.ObjectMeta
  spec:core.v1.PersistentVolumeClaimSpec status:core.v1.PersistentVolumeClaimStatus
meta.v1.ObjectMeta annotations:{string} creationTimestamp:time deletionGracePeriodSeconds:int64
  deletionTimestamp:time finalizers:[string]@set@merge() generateName:string generation:int64
  labels:{string} managedFields:[meta.v1.ManagedFieldsEntry] name:string namespace:string
  ownerReferences:[meta.v1.OwnerReference]@map(uid)@merge(uid) resourceVersion:string
  selfLink:string uid:string
core.v1.NamespaceSpec finalizers:[string]
core.v1.NamespaceStatus conditions:[core.v1.NamespaceCondition]@map(type)@merge(type) phase:string
core.v1.PodSpec activeDeadlineSeconds:int64 affinity:core.v1.Affinity
  automountServiceAccountToken:bool containers:[core.v1.Container]@map(name)@merge(name)!
  dnsConfig:core.v1.PodDNSConfig dnsPolicy:string enableServiceLinks:bool
  ephemeralContainers:[core.v1.EphemeralContainer]@map(name)@merge(name)
  hostAliases:[core.v1.HostAlias]@map(ip)@merge(ip) hostIPC:bool hostNetwork:bool hostPID:bool
  hostUsers:bool hostname:string
  imagePullSecrets:[core.v1.LocalObjectReference]@map(name)@merge(name)
  initContainers:[core.v1.Container]@map(name)@merge(name) nodeName:string nodeSelector:{string}
  os:core.v1.PodOS overhead:{quantity} preemptionPolicy:string priority:int
  priorityClassName:string readinessGates:[core.v1.PodReadinessGate]
  resourceClaims:[core.v1.PodResourceClaim]@map(name)@merge(name)@retainKeys
  resources:core.v1.ResourceRequirements restartPolicy:string runtimeClassName:string
  schedulerName:string schedulingGates:[core.v1.PodSchedulingGate]@map(name)@merge(name)
  securityContext:core.v1.PodSecurityContext serviceAccount:string serviceAccountName:string
  setHostnameAsFQDN:bool shareProcessNamespace:bool subdomain:string
  terminationGracePeriodSeconds:int64 tolerations:[core.v1.Toleration]
  topologySpreadConstraints:[core.v1.TopologySpreadConstraint]@map(topologyKey,whenUnsatisfiable)@merge(topologyKey)
  volumes:[core.v1.Volume]@map(name)@merge(name)@retainKeys
core.v1.PodStatus conditions:[core.v1.PodCondition]@map(type)@merge(type)
  containerStatuses:[core.v1.ContainerStatus] ephemeralContainerStatuses:[core.v1.ContainerStatus]
  hostIP:string hostIPs:[core.v1.HostIP]@merge(ip) initContainerStatuses:[core.v1.ContainerStatus]
  message:string nominatedNodeName:string observedGeneration:int64 phase:string podIP:string
  podIPs:[core.v1.PodIP]@map(ip)@merge(ip) qosClass:string reason:string resize:string
  resourceClaimStatuses:[core.v1.PodResourceClaimStatus]@map(name)@merge(name)@retainKeys
  startTime:time
core.v1.ServiceSpec allocateLoadBalancerNodePorts:bool clusterIP:string clusterIPs:[string]
  externalIPs:[string] externalName:string externalTrafficPolicy:string healthCheckNodePort:int
  internalTrafficPolicy:string ipFamilies:[string] ipFamilyPolicy:string loadBalancerClass:string
  loadBalancerIP:string loadBalancerSourceRanges:[string]
  ports:[core.v1.ServicePort]@map(port,protocol)@merge(port) publishNotReadyAddresses:bool
  selector:{string} sessionAffinity:string sessionAffinityConfig:core.v1.SessionAffinityConfig
  trafficDistribution:string type:string
core.v1.ServiceStatus conditions:[meta.v1.Condition]@map(type)@merge(type)
  loadBalancer:core.v1.LoadBalancerStatus
core.v1.LocalObjectReference @atomic name:string
core.v1.ObjectReference @atomic apiVersion:string fieldPath:string kind:string name:string
  namespace:string resourceVersion:string uid:string
core.v1.EventSeries count:int lastObservedTime:microtime
core.v1.EventSource component:string host:string
core.v1.EndpointSubset addresses:[core.v1.EndpointAddress]
  notReadyAddresses:[core.v1.EndpointAddress] ports:[core.v1.EndpointPort]
core.v1.NodeSpec configSource:core.v1.NodeConfigSource externalID:string podCIDR:string
  podCIDRs:[string]@set@merge() providerID:string taints:[core.v1.Taint] unschedulable:bool
core.v1.NodeStatus addresses:[core.v1.NodeAddress]@map(type)@merge(type) allocatable:{quantity}
  capacity:{quantity} conditions:[core.v1.NodeCondition]@map(type)@merge(type)
  config:core.v1.NodeConfigStatus daemonEndpoints:core.v1.NodeDaemonEndpoints
  features:core.v1.NodeFeatures images:[core.v1.ContainerImage] nodeInfo:core.v1.NodeSystemInfo
  phase:string runtimeHandlers:[core.v1.NodeRuntimeHandler]
  volumesAttached:[core.v1.AttachedVolume] volumesInUse:[string]
core.v1.PersistentVolumeSpec accessModes:[string]
  awsElasticBlockStore:core.v1.AWSElasticBlockStoreVolumeSource
  azureDisk:core.v1.AzureDiskVolumeSource azureFile:core.v1.AzureFilePersistentVolumeSource
  capacity:{quantity} cephfs:core.v1.CephFSPersistentVolumeSource
  cinder:core.v1.CinderPersistentVolumeSource claimRef:core.v1.ObjectReference
  csi:core.v1.CSIPersistentVolumeSource fc:core.v1.FCVolumeSource
  flexVolume:core.v1.FlexPersistentVolumeSource flocker:core.v1.FlockerVolumeSource
  gcePersistentDisk:core.v1.GCEPersistentDiskVolumeSource
  glusterfs:core.v1.GlusterfsPersistentVolumeSource hostPath:core.v1.HostPathVolumeSource
  iscsi:core.v1.ISCSIPersistentVolumeSource local:core.v1.LocalVolumeSource mountOptions:[string]
  nfs:core.v1.NFSVolumeSource nodeAffinity:core.v1.VolumeNodeAffinity
  persistentVolumeReclaimPolicy:string
  photonPersistentDisk:core.v1.PhotonPersistentDiskVolumeSource
  portworxVolume:core.v1.PortworxVolumeSource quobyte:core.v1.QuobyteVolumeSource
  rbd:core.v1.RBDPersistentVolumeSource scaleIO:core.v1.ScaleIOPersistentVolumeSource
  storageClassName:string storageos:core.v1.StorageOSPersistentVolumeSource
  volumeAttributesClassName:string volumeMode:string
  vsphereVolume:core.v1.VsphereVirtualDiskVolumeSource
core.v1.PersistentVolumeStatus lastPhaseTransitionTime:time message:string phase:string
  reason:string
core.v1.PersistentVolumeClaimSpec accessModes:[string] dataSource:core.v1.TypedLocalObjectReference
  dataSourceRef:core.v1.TypedObjectReference resources:core.v1.VolumeResourceRequirements
  selector:meta.v1.LabelSelector storageClassName:string volumeAttributesClassName:string
  volumeMode:string volumeName:string
core.v1.PersistentVolumeClaimStatus accessModes:[string] allocatedResourceStatuses:{string}
  allocatedResources:{quantity} capacity:{quantity}
  conditions:[core.v1.PersistentVolumeClaimCondition]@map(type)@merge(type)
  currentVolumeAttributesClassName:string modifyVolumeStatus:core.v1.ModifyVolumeStatus
  phase:string
meta.v1.ManagedFieldsEntry apiVersion:string fieldsType:string fieldsV1:object manager:string
  operation:string subresource:string time:time
meta.v1.OwnerReference @atomic apiVersion:string! blockOwnerDeletion:bool controller:bool
  kind:string! name:string! uid:string!
core.v1.NamespaceCondition lastTransitionTime:time message:string reason:string status:string!
  type:string!
core.v1.Affinity nodeAffinity:core.v1.NodeAffinity podAffinity:core.v1.PodAffinity
  podAntiAffinity:core.v1.PodAntiAffinity
core.v1.Container args:[string] command:[string] env:[core.v1.EnvVar]@map(name)@merge(name)
  envFrom:[core.v1.EnvFromSource] image:string imagePullPolicy:string lifecycle:core.v1.Lifecycle
  livenessProbe:core.v1.Probe name:string!
  ports:[core.v1.ContainerPort]@map(containerPort,protocol)@merge(containerPort)
  readinessProbe:core.v1.Probe resizePolicy:[core.v1.ContainerResizePolicy]
  resources:core.v1.ResourceRequirements restartPolicy:string
  securityContext:core.v1.SecurityContext startupProbe:core.v1.Probe stdin:bool stdinOnce:bool
  terminationMessagePath:string terminationMessagePolicy:string tty:bool
  volumeDevices:[core.v1.VolumeDevice]@map(devicePath)@merge(devicePath)
  volumeMounts:[core.v1.VolumeMount]@map(mountPath)@merge(mountPath) workingDir:string
core.v1.PodDNSConfig nameservers:[string] options:[core.v1.PodDNSConfigOption] searches:[string]
core.v1.EphemeralContainer args:[string] command:[string]
  env:[core.v1.EnvVar]@map(name)@merge(name) envFrom:[core.v1.EnvFromSource] image:string
  imagePullPolicy:string lifecycle:core.v1.Lifecycle livenessProbe:core.v1.Probe name:string!
  ports:[core.v1.ContainerPort]@map(containerPort,protocol)@merge(containerPort)
  readinessProbe:core.v1.Probe resizePolicy:[core.v1.ContainerResizePolicy]
  resources:core.v1.ResourceRequirements restartPolicy:string
  securityContext:core.v1.SecurityContext startupProbe:core.v1.Probe stdin:bool stdinOnce:bool
  targetContainerName:string terminationMessagePath:string terminationMessagePolicy:string tty:bool
  volumeDevices:[core.v1.VolumeDevice]@map(devicePath)@merge(devicePath)
  volumeMounts:[core.v1.VolumeMount]@map(mountPath)@merge(mountPath) workingDir:string
core.v1.HostAlias hostnames:[string] ip:string!
core.v1.PodOS name:string!
core.v1.PodReadinessGate conditionType:string!
core.v1.PodResourceClaim name:string! resourceClaimName:string resourceClaimTemplateName:string
core.v1.ResourceRequirements claims:[core.v1.ResourceClaim]@map(name) limits:{quantity}
  requests:{quantity}
core.v1.PodSchedulingGate name:string!
core.v1.PodSecurityContext appArmorProfile:core.v1.AppArmorProfile fsGroup:int64
  fsGroupChangePolicy:string runAsGroup:int64 runAsNonRoot:bool runAsUser:int64
  seLinuxChangePolicy:string seLinuxOptions:core.v1.SELinuxOptions
  seccompProfile:core.v1.SeccompProfile supplementalGroups:[int64] supplementalGroupsPolicy:string
  sysctls:[core.v1.Sysctl] windowsOptions:core.v1.WindowsSecurityContextOptions
core.v1.Toleration effect:string key:string operator:string tolerationSeconds:int64 value:string
core.v1.TopologySpreadConstraint labelSelector:meta.v1.LabelSelector matchLabelKeys:[string]
  maxSkew:int! minDomains:int nodeAffinityPolicy:string nodeTaintsPolicy:string topologyKey:string!
  whenUnsatisfiable:string!
core.v1.Volume awsElasticBlockStore:core.v1.AWSElasticBlockStoreVolumeSource
  azureDisk:core.v1.AzureDiskVolumeSource azureFile:core.v1.AzureFileVolumeSource
  cephfs:core.v1.CephFSVolumeSource cinder:core.v1.CinderVolumeSource
  configMap:core.v1.ConfigMapVolumeSource csi:core.v1.CSIVolumeSource
  downwardAPI:core.v1.DownwardAPIVolumeSource emptyDir:core.v1.EmptyDirVolumeSource
  ephemeral:core.v1.EphemeralVolumeSource fc:core.v1.FCVolumeSource
  flexVolume:core.v1.FlexVolumeSource flocker:core.v1.FlockerVolumeSource
  gcePersistentDisk:core.v1.GCEPersistentDiskVolumeSource gitRepo:core.v1.GitRepoVolumeSource
  glusterfs:core.v1.GlusterfsVolumeSource hostPath:core.v1.HostPathVolumeSource
  image:core.v1.ImageVolumeSource iscsi:core.v1.ISCSIVolumeSource name:string!
  nfs:core.v1.NFSVolumeSource persistentVolumeClaim:core.v1.PersistentVolumeClaimVolumeSource
  photonPersistentDisk:core.v1.PhotonPersistentDiskVolumeSource
  portworxVolume:core.v1.PortworxVolumeSource projected:core.v1.ProjectedVolumeSource
  quobyte:core.v1.QuobyteVolumeSource rbd:core.v1.RBDVolumeSource
  scaleIO:core.v1.ScaleIOVolumeSource secret:core.v1.SecretVolumeSource
  storageos:core.v1.StorageOSVolumeSource vsphereVolume:core.v1.VsphereVirtualDiskVolumeSource
)";
}

}  // namespace kinglet::local::schemas
