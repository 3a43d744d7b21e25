// Written by schemas/generate.py: fields of built-in kinds. Do not edit.
#include "local/apiserver/schemas/tables.h"

namespace kinglet::local::schemas {

std::string_view Core2() {
  return R"(
core.v1.Toleration effect#4:string key#1:string operator#2:string tolerationSeconds#5:int64
  value#3:string
core.v1.TopologySpreadConstraint labelSelector#4:meta.v1.LabelSelector matchLabelKeys#8:[string]
  maxSkew#1:int! minDomains#5:int nodeAffinityPolicy#6:string nodeTaintsPolicy#7:string
  topologyKey#2:string! whenUnsatisfiable#3:string!
core.v1.Volume awsElasticBlockStore#2.4:core.v1.AWSElasticBlockStoreVolumeSource
  azureDisk#2.22:core.v1.AzureDiskVolumeSource azureFile#2.18:core.v1.AzureFileVolumeSource
  cephfs#2.14:core.v1.CephFSVolumeSource cinder#2.13:core.v1.CinderVolumeSource
  configMap#2.19:core.v1.ConfigMapVolumeSource csi#2.28:core.v1.CSIVolumeSource
  downwardAPI#2.16:core.v1.DownwardAPIVolumeSource emptyDir#2.2:core.v1.EmptyDirVolumeSource
  ephemeral#2.29:core.v1.EphemeralVolumeSource fc#2.17:core.v1.FCVolumeSource
  flexVolume#2.12:core.v1.FlexVolumeSource flocker#2.15:core.v1.FlockerVolumeSource
  gcePersistentDisk#2.3:core.v1.GCEPersistentDiskVolumeSource
  gitRepo#2.5:core.v1.GitRepoVolumeSource glusterfs#2.9:core.v1.GlusterfsVolumeSource
  hostPath#2.1:core.v1.HostPathVolumeSource image#2.30:core.v1.ImageVolumeSource
  iscsi#2.8:core.v1.ISCSIVolumeSource name#1:string! nfs#2.7:core.v1.NFSVolumeSource
  persistentVolumeClaim#2.10:core.v1.PersistentVolumeClaimVolumeSource
  photonPersistentDisk#2.23:core.v1.PhotonPersistentDiskVolumeSource
  portworxVolume#2.24:core.v1.PortworxVolumeSource projected#2.26:core.v1.ProjectedVolumeSource
  quobyte#2.21:core.v1.QuobyteVolumeSource rbd#2.11:core.v1.RBDVolumeSource
  scaleIO#2.25:core.v1.ScaleIOVolumeSource secret#2.6:core.v1.SecretVolumeSource
  storageos#2.27:core.v1.StorageOSVolumeSource
  vsphereVolume#2.20:core.v1.VsphereVirtualDiskVolumeSource
core.v1.PodCondition lastProbeTime#3:time lastTransitionTime#4:time message#6:string
  observedGeneration#7:int64 reason#5:string status#2:string! type#1:string!
core.v1.ContainerStatus allocatedResources#10:{quantity}
  allocatedResourcesStatus#14:[core.v1.ResourceStatus]@map(name)@merge(name) containerID#8:string
  image#6:string! imageID#7:string! lastState#3:core.v1.ContainerState name#1:string! ready#4:bool!
  resources#11:core.v1.ResourceRequirements restartCount#5:int! started#9:bool
  state#2:core.v1.ContainerState stopSignal#15:string user#13:core.v1.ContainerUser
  volumeMounts#12:[core.v1.VolumeMountStatus]@map(mountPath)@merge(mountPath)
core.v1.HostIP ip#1:string!
core.v1.PodIP ip#1:string!
core.v1.PodResourceClaimStatus name#1:string! resourceClaimName#2:string
core.v1.ServicePort appProtocol#6:string name#1:string nodePort#5:int port#3:int! protocol#2:string
  targetPort#4:intstr
core.v1.SessionAffinityConfig clientIP#1:core.v1.ClientIPConfig
meta.v1.Condition lastTransitionTime#4:time! message#6:string! observedGeneration#3:int64
  reason#5:string! status#2:string! type#1:string!
core.v1.LoadBalancerStatus ingress#1:[core.v1.LoadBalancerIngress]
core.v1.EndpointAddress @atomic hostname#3:string ip#1:string! nodeName#4:string
  targetRef#2:core.v1.ObjectReference
core.v1.EndpointPort @atomic appProtocol#4:string name#1:string port#2:int! protocol#3:string
core.v1.NodeConfigSource configMap#2:core.v1.ConfigMapNodeConfigSource
core.v1.Taint effect#3:string! key#1:string! timeAdded#4:time value#2:string
core.v1.NodeAddress address#2:string! type#1:string!
core.v1.NodeCondition lastHeartbeatTime#3:time lastTransitionTime#4:time message#6:string
  reason#5:string status#2:string! type#1:string!
core.v1.NodeConfigStatus active#2:core.v1.NodeConfigSource assigned#1:core.v1.NodeConfigSource
  error#4:string lastKnownGood#3:core.v1.NodeConfigSource
core.v1.NodeDaemonEndpoints kubeletEndpoint#1:core.v1.DaemonEndpoint
core.v1.NodeFeatures supplementalGroupsPolicy#1:bool
core.v1.ContainerImage names#1:[string] sizeBytes#2:int64
core.v1.NodeSystemInfo architecture#10:string! bootID#3:string! containerRuntimeVersion#6:string!
  kernelVersion#4:string! kubeProxyVersion#8:string! kubeletVersion#7:string! machineID#1:string!
  operatingSystem#9:string! osImage#5:string! swap#11:core.v1.NodeSwapStatus systemUUID#2:string!
core.v1.NodeRuntimeHandler features#2:core.v1.NodeRuntimeHandlerFeatures name#1:string
core.v1.AttachedVolume devicePath#2:string! name#1:string!
core.v1.AWSElasticBlockStoreVolumeSource fsType#2:string partition#3:int readOnly#4:bool
  volumeID#1:string!
core.v1.AzureDiskVolumeSource cachingMode#3:string diskName#1:string! diskURI#2:string!
  fsType#4:string kind#6:string readOnly#5:bool
core.v1.AzureFilePersistentVolumeSource readOnly#3:bool secretName#1:string!
  secretNamespace#4:string shareName#2:string!
core.v1.CephFSPersistentVolumeSource monitors#1:[string]! path#2:string readOnly#6:bool
  secretFile#4:string secretRef#5:core.v1.SecretReference user#3:string
core.v1.CinderPersistentVolumeSource fsType#2:string readOnly#3:bool
  secretRef#4:core.v1.SecretReference volumeID#1:string!
core.v1.CSIPersistentVolumeSource controllerExpandSecretRef#9:core.v1.SecretReference
  controllerPublishSecretRef#6:core.v1.SecretReference driver#1:string! fsType#4:string
  nodeExpandSecretRef#10:core.v1.SecretReference nodePublishSecretRef#8:core.v1.SecretReference
  nodeStageSecretRef#7:core.v1.SecretReference readOnly#3:bool volumeAttributes#5:{string}
  volumeHandle#2:string!
core.v1.FCVolumeSource fsType#3:string lun#2:int readOnly#4:bool targetWWNs#1:[string]
  wwids#5:[string]
core.v1.FlexPersistentVolumeSource driver#1:string! fsType#2:string options#5:{string}
  readOnly#4:bool secretRef#3:core.v1.SecretReference
core.v1.FlockerVolumeSource datasetName#1:string datasetUUID#2:string
core.v1.GCEPersistentDiskVolumeSource fsType#2:string partition#3:int pdName#1:string!
  readOnly#4:bool
core.v1.GlusterfsPersistentVolumeSource endpoints#1:string! endpointsNamespace#4:string
  path#2:string! readOnly#3:bool
core.v1.HostPathVolumeSource path#1:string! type#2:string
core.v1.ISCSIPersistentVolumeSource chapAuthDiscovery#8:bool chapAuthSession#11:bool
  fsType#5:string initiatorName#12:string iqn#2:string! iscsiInterface#4:string lun#3:int!
  portals#7:[string] readOnly#6:bool secretRef#10:core.v1.SecretReference targetPortal#1:string!
core.v1.LocalVolumeSource fsType#2:string path#1:string!
core.v1.NFSVolumeSource path#2:string! readOnly#3:bool server#1:string!
core.v1.VolumeNodeAffinity required#1:core.v1.NodeSelector
core.v1.PhotonPersistentDiskVolumeSource fsType#2:string pdID#1:string!
core.v1.PortworxVolumeSource fsType#2:string readOnly#3:bool volumeID#1:string!
core.v1.QuobyteVolumeSource group#5:string readOnly#3:bool registry#1:string! tenant#6:string
  user#4:string volume#2:string!
core.v1.RBDPersistentVolumeSource fsType#3:string image#2:string! keyring#6:string
  monitors#1:[string]! pool#4:string readOnly#8:bool secretRef#7:core.v1.SecretReference
  user#5:string
core.v1.ScaleIOPersistentVolumeSource fsType#9:string gateway#1:string! protectionDomain#5:string
  readOnly#10:bool secretRef#3:core.v1.SecretReference! sslEnabled#4:bool storageMode#7:string
  storagePool#6:string system#2:string! volumeName#8:string
core.v1.StorageOSPersistentVolumeSource fsType#3:string readOnly#4:bool
  secretRef#5:core.v1.ObjectReference volumeName#1:string volumeNamespace#2:string
core.v1.VsphereVirtualDiskVolumeSource fsType#2:string storagePolicyID#4:string
  storagePolicyName#3:string volumePath#1:string!
core.v1.TypedLocalObjectReference @atomic apiGroup#1:string kind#2:string! name#3:string!
core.v1.TypedObjectReference apiGroup#1:string kind#2:string! name#3:string! namespace#4:string
core.v1.VolumeResourceRequirements limits#1:{quantity} requests#2:{quantity}
meta.v1.LabelSelector @atomic matchExpressions#2:[meta.v1.LabelSelectorRequirement]
  matchLabels#1:{string}
core.v1.PersistentVolumeClaimCondition lastProbeTime#3:time lastTransitionTime#4:time
  message#6:string reason#5:string status#2:string! type#1:string!
core.v1.ModifyVolumeStatus status#2:string! targetVolumeAttributesClassName#1:string
core.v1.NodeAffinity
  preferredDuringSchedulingIgnoredDuringExecution#2:[core.v1.PreferredSchedulingTerm]
  requiredDuringSchedulingIgnoredDuringExecution#1:core.v1.NodeSelector
core.v1.PodAffinity
  preferredDuringSchedulingIgnoredDuringExecution#2:[core.v1.WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution#1:[core.v1.PodAffinityTerm]
core.v1.PodAntiAffinity
  preferredDuringSchedulingIgnoredDuringExecution#2:[core.v1.WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution#1:[core.v1.PodAffinityTerm]
core.v1.EnvVar name#1:string! value#2:string valueFrom#3:core.v1.EnvVarSource
core.v1.EnvFromSource configMapRef#2:core.v1.ConfigMapEnvSource prefix#1:string
  secretRef#3:core.v1.SecretEnvSource
core.v1.Lifecycle postStart#1:core.v1.LifecycleHandler preStop#2:core.v1.LifecycleHandler
  stopSignal#3:string
core.v1.Probe exec#1.1:core.v1.ExecAction failureThreshold#6:int grpc#1.4:core.v1.GRPCAction
  httpGet#1.2:core.v1.HTTPGetAction initialDelaySeconds#2:int periodSeconds#4:int
  successThreshold#5:int tcpSocket#1.3:core.v1.TCPSocketAction
  terminationGracePeriodSeconds#7:int64 timeoutSeconds#3:int
core.v1.ContainerPort containerPort#3:int! hostIP#5:string hostPort#2:int name#1:string
  protocol#4:string
core.v1.ContainerResizePolicy resourceName#1:string! restartPolicy#2:string!
core.v1.SecurityContext allowPrivilegeEscalation#7:bool appArmorProfile#12:core.v1.AppArmorProfile
  capabilities#1:core.v1.Capabilities privileged#2:bool procMount#9:string
  readOnlyRootFilesystem#6:bool runAsGroup#8:int64 runAsNonRoot#5:bool runAsUser#4:int64
  seLinuxOptions#3:core.v1.SELinuxOptions seccompProfile#11:core.v1.SeccompProfile
  windowsOptions#10:core.v1.WindowsSecurityContextOptions
core.v1.VolumeDevice devicePath#2:string! name#1:string!
core.v1.VolumeMount mountPath#3:string! mountPropagation#5:string name#1:string! readOnly#2:bool
  recursiveReadOnly#7:string subPath#4:string subPathExpr#6:string
core.v1.PodDNSConfigOption name#1:string value#2:string
core.v1.ResourceClaim name#1:string! request#2:string
core.v1.AppArmorProfile localhostProfile#2:string type#1:string!
core.v1.SELinuxOptions level#4:string role#2:string type#3:string user#1:string
core.v1.SeccompProfile localhostProfile#2:string type#1:string!
core.v1.Sysctl name#1:string! value#2:string!
core.v1.WindowsSecurityContextOptions gmsaCredentialSpec#2:string gmsaCredentialSpecName#1:string
  hostProcess#4:bool runAsUserName#3:string
core.v1.AzureFileVolumeSource readOnly#3:bool secretName#1:string! shareName#2:string!
core.v1.CephFSVolumeSource monitors#1:[string]! path#2:string readOnly#6:bool secretFile#4:string
  secretRef#5:core.v1.LocalObjectReference user#3:string
core.v1.CinderVolumeSource fsType#2:string readOnly#3:bool secretRef#4:core.v1.LocalObjectReference
  volumeID#1:string!
core.v1.ConfigMapVolumeSource defaultMode#3:int items#2:[core.v1.KeyToPath] name#1.1:string
  optional#4:bool
core.v1.CSIVolumeSource driver#1:string! fsType#3:string
  nodePublishSecretRef#5:core.v1.LocalObjectReference readOnly#2:bool volumeAttributes#4:{string}
core.v1.DownwardAPIVolumeSource defaultMode#2:int items#1:[core.v1.DownwardAPIVolumeFile]
core.v1.EmptyDirVolumeSource medium#1:string sizeLimit#2:quantity
core.v1.EphemeralVolumeSource volumeClaimTemplate#1:core.v1.PersistentVolumeClaimTemplate
core.v1.FlexVolumeSource driver#1:string! fsType#2:string options#5:{string} readOnly#4:bool
  secretRef#3:core.v1.LocalObjectReference
core.v1.GitRepoVolumeSource directory#3:string repository#1:string! revision#2:string
core.v1.GlusterfsVolumeSource endpoints#1:string! path#2:string! readOnly#3:bool
core.v1.ImageVolumeSource pullPolicy#2:string reference#1:string
core.v1.ISCSIVolumeSource chapAuthDiscovery#8:bool chapAuthSession#11:bool fsType#5:string
  initiatorName#12:string iqn#2:string! iscsiInterface#4:string lun#3:int! portals#7:[string]
  readOnly#6:bool secretRef#10:core.v1.LocalObjectReference targetPortal#1:string!
core.v1.PersistentVolumeClaimVolumeSource claimName#1:string! readOnly#2:bool
core.v1.ProjectedVolumeSource defaultMode#2:int sources#1:[core.v1.VolumeProjection]
core.v1.RBDVolumeSource fsType#3:string image#2:string! keyring#6:string monitors#1:[string]!
  pool#4:string readOnly#8:bool secretRef#7:core.v1.LocalObjectReference user#5:string
)";
}

}  // namespace kinglet::local::schemas
