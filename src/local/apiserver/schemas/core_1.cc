// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core1() {
  return R"(
meta.v1.DeleteOptions apiVersion:string dryRun#5:[string] gracePeriodSeconds#1:int64
  ignoreStoreReadErrorWithClusterBreakingPotential#6:bool kind:string orphanDependents#3:bool
  preconditions#2:meta.v1.Preconditions propagationPolicy#4:string
core.v1.Namespace apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:core.v1.NamespaceSpec status#3:core.v1.NamespaceStatus
core.v1.Pod apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta spec#2:core.v1.PodSpec
  status#3:core.v1.PodStatus
core.v1.Service apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:core.v1.ServiceSpec status#3:core.v1.ServiceStatus
core.v1.ConfigMap apiVersion:string binaryData#3:{bytes} data#2:{string} immutable#4:bool
  kind:string metadata#1:meta.v1.ObjectMeta
core.v1.Secret apiVersion:string data#2:{bytes} immutable#5:bool kind:string
  metadata#1:meta.v1.ObjectMeta stringData#4:{string} type#3:string
core.v1.ServiceAccount apiVersion:string automountServiceAccountToken#4:bool
  imagePullSecrets#3:[core.v1.LocalObjectReference] kind:string metadata#1:meta.v1.ObjectMeta
  secrets#2:[core.v1.ObjectReference]@map(name)@merge(name)
core.v1.Event action#12:string apiVersion:string count#8:int eventTime#10:microtime
  firstTimestamp#6:time involvedObject#2:core.v1.ObjectReference! kind:string lastTimestamp#7:time
  message#4:string metadata#1:meta.v1.ObjectMeta! reason#3:string
  related#13:core.v1.ObjectReference reportingComponent#14:string reportingInstance#15:string
  series#11:core.v1.EventSeries source#5:core.v1.EventSource type#9:string
core.v1.Endpoints apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  subsets#2:[core.v1.EndpointSubset]
core.v1.Node apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta spec#2:core.v1.NodeSpec
  status#3:core.v1.NodeStatus
core.v1.PersistentVolume apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:core.v1.PersistentVolumeSpec status#3:core.v1.PersistentVolumeStatus
core.v1.PersistentVolumeClaim apiVersion:string kind:string metadata#1:meta.v1.ObjectMeta
  spec#2:core.v1.PersistentVolumeClaimSpec status#3:core.v1.PersistentVolumeClaimStatus
meta.v1.Preconditions resourceVersion#2:string uid#1:string
meta.v1.ObjectMeta annotations#12:{string} creationTimestamp#8:time
  deletionGracePeriodSeconds#10:int64 deletionTimestamp#9:time finalizers#14:[string]@set@merge()
  generateName#2:string generation#7:int64 labels#11:{string}
  managedFields#17:[meta.v1.ManagedFieldsEntry] name#1:string namespace#3:string
  ownerReferences#13:[meta.v1.OwnerReference]@map(uid)@merge(uid) resourceVersion#6:string
  selfLink#4:string uid#5:string
core.v1.NamespaceSpec finalizers#1:[string]
core.v1.NamespaceStatus conditions#2:[core.v1.NamespaceCondition]@map(type)@merge(type)
  phase#1:string
core.v1.PodSpec activeDeadlineSeconds#5:int64 affinity#18:core.v1.Affinity
  automountServiceAccountToken#21:bool containers#2:[core.v1.Container]@map(name)@merge(name)!
  dnsConfig#26:core.v1.PodDNSConfig dnsPolicy#6:string enableServiceLinks#30:bool
  ephemeralContainers#34:[core.v1.EphemeralContainer]@map(name)@merge(name)
  hostAliases#23:[core.v1.HostAlias]@map(ip)@merge(ip) hostIPC#13:bool hostNetwork#11:bool
  hostPID#12:bool hostUsers#37:bool hostname#16:string
  imagePullSecrets#15:[core.v1.LocalObjectReference]@map(name)@merge(name)
  initContainers#20:[core.v1.Container]@map(name)@merge(name) nodeName#10:string
  nodeSelector#7:{string} os#36:core.v1.PodOS overhead#32:{quantity} preemptionPolicy#31:string
  priority#25:int priorityClassName#24:string readinessGates#28:[core.v1.PodReadinessGate]
  resourceClaims#39:[core.v1.PodResourceClaim]@map(name)@merge(name)@retainKeys
  resources#40:core.v1.ResourceRequirements restartPolicy#3:string runtimeClassName#29:string
  schedulerName#19:string schedulingGates#38:[core.v1.PodSchedulingGate]@map(name)@merge(name)
  securityContext#14:core.v1.PodSecurityContext serviceAccount#9:string serviceAccountName#8:string
  setHostnameAsFQDN#35:bool shareProcessNamespace#27:bool subdomain#17:string
  terminationGracePeriodSeconds#4:int64 tolerations#22:[core.v1.Toleration]
  topologySpreadConstraints#33:[core.v1.TopologySpreadConstraint]@map(topologyKey,whenUnsatisfiable)@merge(topologyKey)
  volumes#1:[core.v1.Volume]@map(name)@merge(name)@retainKeys
core.v1.PodStatus conditions#2:[core.v1.PodCondition]@map(type)@merge(type)
  containerStatuses#8:[core.v1.ContainerStatus]
  ephemeralContainerStatuses#13:[core.v1.ContainerStatus] hostIP#5:string
  hostIPs#16:[core.v1.HostIP]@merge(ip) initContainerStatuses#10:[core.v1.ContainerStatus]
  message#3:string nominatedNodeName#11:string observedGeneration#17:int64 phase#1:string
  podIP#6:string podIPs#12:[core.v1.PodIP]@map(ip)@merge(ip) qosClass#9:string reason#4:string
  resize#14:string
  resourceClaimStatuses#15:[core.v1.PodResourceClaimStatus]@map(name)@merge(name)@retainKeys
  startTime#7:time
core.v1.ServiceSpec allocateLoadBalancerNodePorts#20:bool clusterIP#3:string clusterIPs#18:[string]
  externalIPs#5:[string] externalName#10:string externalTrafficPolicy#11:string
  healthCheckNodePort#12:int internalTrafficPolicy#22:string ipFamilies#19:[string]
  ipFamilyPolicy#17:string loadBalancerClass#21:string loadBalancerIP#8:string
  loadBalancerSourceRanges#9:[string] ports#1:[core.v1.ServicePort]@map(port,protocol)@merge(port)
  publishNotReadyAddresses#13:bool selector#2:{string} sessionAffinity#7:string
  sessionAffinityConfig#14:core.v1.SessionAffinityConfig trafficDistribution#23:string
  type#4:string
core.v1.ServiceStatus conditions#2:[meta.v1.Condition]@map(type)@merge(type)
  loadBalancer#1:core.v1.LoadBalancerStatus
core.v1.LocalObjectReference @atomic name#1:string
core.v1.ObjectReference @atomic apiVersion#5:string fieldPath#7:string kind#1:string name#3:string
  namespace#2:string resourceVersion#6:string uid#4:string
core.v1.EventSeries count#1:int lastObservedTime#2:microtime
core.v1.EventSource component#1:string host#2:string
core.v1.EndpointSubset addresses#1:[core.v1.EndpointAddress]
  notReadyAddresses#2:[core.v1.EndpointAddress] ports#3:[core.v1.EndpointPort]
core.v1.NodeSpec configSource#6:core.v1.NodeConfigSource externalID#2:string podCIDR#1:string
  podCIDRs#7:[string]@set@merge() providerID#3:string taints#5:[core.v1.Taint] unschedulable#4:bool
core.v1.NodeStatus addresses#5:[core.v1.NodeAddress]@map(type)@merge(type) allocatable#2:{quantity}
  capacity#1:{quantity} conditions#4:[core.v1.NodeCondition]@map(type)@merge(type)
  config#11:core.v1.NodeConfigStatus daemonEndpoints#6:core.v1.NodeDaemonEndpoints
  features#13:core.v1.NodeFeatures images#8:[core.v1.ContainerImage]
  nodeInfo#7:core.v1.NodeSystemInfo phase#3:string runtimeHandlers#12:[core.v1.NodeRuntimeHandler]
  volumesAttached#10:[core.v1.AttachedVolume] volumesInUse#9:[string]
core.v1.PersistentVolumeSpec accessModes#3:[string]
  awsElasticBlockStore#2.2:core.v1.AWSElasticBlockStoreVolumeSource
  azureDisk#2.16:core.v1.AzureDiskVolumeSource
  azureFile#2.13:core.v1.AzureFilePersistentVolumeSource capacity#1:{quantity}
  cephfs#2.9:core.v1.CephFSPersistentVolumeSource cinder#2.8:core.v1.CinderPersistentVolumeSource
  claimRef#4:core.v1.ObjectReference csi#2.22:core.v1.CSIPersistentVolumeSource
  fc#2.10:core.v1.FCVolumeSource flexVolume#2.12:core.v1.FlexPersistentVolumeSource
  flocker#2.11:core.v1.FlockerVolumeSource
  gcePersistentDisk#2.1:core.v1.GCEPersistentDiskVolumeSource
  glusterfs#2.4:core.v1.GlusterfsPersistentVolumeSource hostPath#2.3:core.v1.HostPathVolumeSource
  iscsi#2.7:core.v1.ISCSIPersistentVolumeSource local#2.20:core.v1.LocalVolumeSource
  mountOptions#7:[string] nfs#2.5:core.v1.NFSVolumeSource nodeAffinity#9:core.v1.VolumeNodeAffinity
  persistentVolumeReclaimPolicy#5:string
  photonPersistentDisk#2.17:core.v1.PhotonPersistentDiskVolumeSource
  portworxVolume#2.18:core.v1.PortworxVolumeSource quobyte#2.15:core.v1.QuobyteVolumeSource
  rbd#2.6:core.v1.RBDPersistentVolumeSource scaleIO#2.19:core.v1.ScaleIOPersistentVolumeSource
  storageClassName#6:string storageos#2.21:core.v1.StorageOSPersistentVolumeSource
  volumeAttributesClassName#10:string volumeMode#8:string
  vsphereVolume#2.14:core.v1.VsphereVirtualDiskVolumeSource
core.v1.PersistentVolumeStatus lastPhaseTransitionTime#4:time message#2:string phase#1:string
  reason#3:string
core.v1.PersistentVolumeClaimSpec accessModes#1:[string]
  dataSource#7:core.v1.TypedLocalObjectReference dataSourceRef#8:core.v1.TypedObjectReference
  resources#2:core.v1.VolumeResourceRequirements selector#4:meta.v1.LabelSelector
  storageClassName#5:string volumeAttributesClassName#9:string volumeMode#6:string
  volumeName#3:string
core.v1.PersistentVolumeClaimStatus accessModes#2:[string] allocatedResourceStatuses#7:{string}
  allocatedResources#5:{quantity} capacity#3:{quantity}
  conditions#4:[core.v1.PersistentVolumeClaimCondition]@map(type)@merge(type)
  currentVolumeAttributesClassName#8:string modifyVolumeStatus#9:core.v1.ModifyVolumeStatus
  phase#1:string
meta.v1.ManagedFieldsEntry apiVersion#3:string fieldsType#6:string fieldsV1#7:object
  manager#1:string operation#2:string subresource#8:string time#4:time
meta.v1.OwnerReference @atomic apiVersion#5:string! blockOwnerDeletion#7:bool controller#6:bool
  kind#1:string! name#3:string! uid#4:string!
core.v1.NamespaceCondition lastTransitionTime#4:time message#6:string reason#5:string
  status#2:string! type#1:string!
core.v1.Affinity nodeAffinity#1:core.v1.NodeAffinity podAffinity#2:core.v1.PodAffinity
  podAntiAffinity#3:core.v1.PodAntiAffinity
core.v1.Container args#4:[string] command#3:[string] env#7:[core.v1.EnvVar]@map(name)@merge(name)
  envFrom#19:[core.v1.EnvFromSource] image#2:string imagePullPolicy#14:string
  lifecycle#12:core.v1.Lifecycle livenessProbe#10:core.v1.Probe name#1:string!
  ports#6:[core.v1.ContainerPort]@map(containerPort,protocol)@merge(containerPort)
  readinessProbe#11:core.v1.Probe resizePolicy#23:[core.v1.ContainerResizePolicy]
  resources#8:core.v1.ResourceRequirements restartPolicy#24:string
  securityContext#15:core.v1.SecurityContext startupProbe#22:core.v1.Probe stdin#16:bool
  stdinOnce#17:bool terminationMessagePath#13:string terminationMessagePolicy#20:string tty#18:bool
  volumeDevices#21:[core.v1.VolumeDevice]@map(devicePath)@merge(devicePath)
  volumeMounts#9:[core.v1.VolumeMount]@map(mountPath)@merge(mountPath) workingDir#5:string
core.v1.PodDNSConfig nameservers#1:[string] options#3:[core.v1.PodDNSConfigOption]
  searches#2:[string]
core.v1.EphemeralContainer args#1.4:[string] command#1.3:[string]
  env#1.7:[core.v1.EnvVar]@map(name)@merge(name) envFrom#1.19:[core.v1.EnvFromSource]
  image#1.2:string imagePullPolicy#1.14:string lifecycle#1.12:core.v1.Lifecycle
  livenessProbe#1.10:core.v1.Probe name#1.1:string!
  ports#1.6:[core.v1.ContainerPort]@map(containerPort,protocol)@merge(containerPort)
  readinessProbe#1.11:core.v1.Probe resizePolicy#1.23:[core.v1.ContainerResizePolicy]
  resources#1.8:core.v1.ResourceRequirements restartPolicy#1.24:string
  securityContext#1.15:core.v1.SecurityContext startupProbe#1.22:core.v1.Probe stdin#1.16:bool
  stdinOnce#1.17:bool targetContainerName#2:string terminationMessagePath#1.13:string
  terminationMessagePolicy#1.20:string tty#1.18:bool
  volumeDevices#1.21:[core.v1.VolumeDevice]@map(devicePath)@merge(devicePath)
  volumeMounts#1.9:[core.v1.VolumeMount]@map(mountPath)@merge(mountPath) workingDir#1.5:string
core.v1.HostAlias hostnames#2:[string] ip#1:string!
core.v1.PodOS name#1:string!
core.v1.PodReadinessGate conditionType#1:string!
core.v1.PodResourceClaim name#1:string! resourceClaimName#3:string
  resourceClaimTemplateName#4:string
core.v1.ResourceRequirements claims#3:[core.v1.ResourceClaim]@map(name) limits#1:{quantity}
  requests#2:{quantity}
core.v1.PodSchedulingGate name#1:string!
core.v1.PodSecurityContext appArmorProfile#11:core.v1.AppArmorProfile fsGroup#5:int64
  fsGroupChangePolicy#9:string runAsGroup#6:int64 runAsNonRoot#3:bool runAsUser#2:int64
  seLinuxChangePolicy#13:string seLinuxOptions#1:core.v1.SELinuxOptions
  seccompProfile#10:core.v1.SeccompProfile supplementalGroups#4:[int64]
  supplementalGroupsPolicy#12:string sysctls#7:[core.v1.Sysctl]
  windowsOptions#8:core.v1.WindowsSecurityContextOptions
)";
}

}  // namespace kinglet::local::schemas
