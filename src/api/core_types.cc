#include "api/core_types.h"

#include <algorithm>
#include <map>

#include "api/descriptor.h"

namespace kinglet::api {
namespace {

struct Row {
  std::string_view type;
  std::string_view members;  // "name:type" or "+row" (its members too), separated by blanks
};

// A type is string, integer, boolean, quantity, port (a number or a name), object (any), the name
// of another row, or []T, or {T} for a map.
constexpr Row kRows[] = {
    {"Pod", "apiVersion:string kind:string metadata:ObjectMeta spec:PodSpec status:object"},
    {"ObjectMeta",
     "name:string generateName:string namespace:string uid:string resourceVersion:string "
     "generation:integer creationTimestamp:string deletionTimestamp:string "
     "deletionGracePeriodSeconds:integer labels:{string} annotations:{string} "
     "ownerReferences:[]OwnerReference finalizers:[]string managedFields:[]object"},
    {"OwnerReference",
     "apiVersion:string kind:string name:string uid:string controller:boolean "
     "blockOwnerDeletion:boolean"},
    // With the labels and annotations that runtimes give their pods.
    {"PodSpec",
     "labels:{string} annotations:{string} volumes:[]Volume initContainers:[]Container "
     "containers:[]Container ephemeralContainers:[]Container restartPolicy:string "
     "terminationGracePeriodSeconds:integer activeDeadlineSeconds:integer dnsPolicy:string "
     "nodeSelector:{string} serviceAccountName:string serviceAccount:string "
     "automountServiceAccountToken:boolean nodeName:string hostNetwork:boolean hostPID:boolean "
     "hostIPC:boolean shareProcessNamespace:boolean securityContext:PodSecurityContext "
     "imagePullSecrets:[]LocalObjectReference hostname:string subdomain:string affinity:Affinity "
     "schedulerName:string tolerations:[]Toleration hostAliases:[]HostAlias "
     "priorityClassName:string priority:integer dnsConfig:PodDNSConfig "
     "readinessGates:[]PodReadinessGate runtimeClassName:string enableServiceLinks:boolean "
     "preemptionPolicy:string overhead:{quantity} "
     "topologySpreadConstraints:[]TopologySpreadConstraint setHostnameAsFQDN:boolean "
     "os:LocalObjectReference hostUsers:boolean schedulingGates:[]LocalObjectReference "
     "resourceClaims:[]PodResourceClaim resources:ResourceRequirements"},
    {"Container",
     "name:string image:string command:[]string args:[]string workingDir:string "
     "ports:[]ContainerPort envFrom:[]EnvFromSource env:[]EnvVar resources:ResourceRequirements "
     "resizePolicy:[]ContainerResizePolicy restartPolicy:string volumeMounts:[]VolumeMount "
     "volumeDevices:[]VolumeDevice livenessProbe:Probe readinessProbe:Probe startupProbe:Probe "
     "lifecycle:Lifecycle terminationMessagePath:string terminationMessagePolicy:string "
     "imagePullPolicy:string securityContext:SecurityContext stdin:boolean stdinOnce:boolean "
     "tty:boolean targetContainerName:string"},
    {"ContainerPort",
     "name:string hostPort:integer containerPort:integer protocol:string hostIP:string"},
    {"EnvFromSource", "prefix:string configMapRef:KeySelector secretRef:KeySelector"},
    {"EnvVar", "name:string value:string valueFrom:EnvVarSource"},
    {"EnvVarSource",
     "fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector "
     "configMapKeyRef:KeySelector secretKeyRef:KeySelector"},
    {"ObjectFieldSelector", "apiVersion:string fieldPath:string"},
    {"ResourceFieldSelector", "containerName:string resource:string divisor:quantity"},
    {"KeySelector", "name:string key:string optional:boolean"},
    {"LocalObjectReference", "name:string"},
    {"ResourceRequirements", "limits:{quantity} requests:{quantity} claims:[]ResourceClaim"},
    {"ResourceClaim", "name:string request:string"},
    {"ContainerResizePolicy", "resourceName:string restartPolicy:string"},
    {"VolumeMount",
     "name:string readOnly:boolean recursiveReadOnly:string mountPath:string subPath:string "
     "mountPropagation:string subPathExpr:string"},
    {"VolumeDevice", "name:string devicePath:string"},
    {"Probe",
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction "
     "initialDelaySeconds:integer timeoutSeconds:integer periodSeconds:integer "
     "successThreshold:integer failureThreshold:integer terminationGracePeriodSeconds:integer"},
    {"ExecAction", "command:[]string"},
    {"HTTPGetAction", "path:string port:port host:string scheme:string httpHeaders:[]HTTPHeader"},
    {"HTTPHeader", "name:string value:string"},
    {"TCPSocketAction", "port:port host:string"},
    {"GRPCAction", "port:integer service:string"},
    {"SleepAction", "seconds:integer"},
    {"Lifecycle", "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:string"},
    {"LifecycleHandler",
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction"},
    {"SecurityContext",
     "capabilities:Capabilities privileged:boolean seLinuxOptions:SELinuxOptions "
     "windowsOptions:object runAsUser:integer runAsGroup:integer runAsNonRoot:boolean "
     "readOnlyRootFilesystem:boolean allowPrivilegeEscalation:boolean procMount:string "
     "seccompProfile:Profile appArmorProfile:Profile"},
    {"Capabilities", "add:[]string drop:[]string"},
    {"SELinuxOptions", "user:string role:string type:string level:string"},
    {"Profile", "type:string localhostProfile:string"},
    {"PodSecurityContext",
     "seLinuxOptions:SELinuxOptions windowsOptions:object runAsUser:integer runAsGroup:integer "
     "runAsNonRoot:boolean supplementalGroups:[]integer supplementalGroupsPolicy:string "
     "fsGroup:integer sysctls:[]HTTPHeader fsGroupChangePolicy:string seccompProfile:Profile "
     "appArmorProfile:Profile seLinuxChangePolicy:string"},
    {"Affinity", "nodeAffinity:object podAffinity:object podAntiAffinity:object"},
    {"Toleration",
     "key:string operator:string value:string effect:string tolerationSeconds:integer"},
    {"HostAlias", "ip:string hostnames:[]string"},
    {"PodDNSConfig", "nameservers:[]string searches:[]string options:[]HTTPHeader"},
    {"PodReadinessGate", "conditionType:string"},
    {"TopologySpreadConstraint",
     "maxSkew:integer topologyKey:string whenUnsatisfiable:string labelSelector:object "
     "minDomains:integer nodeAffinityPolicy:string nodeTaintsPolicy:string "
     "matchLabelKeys:[]string"},
    {"PodResourceClaim", "name:string resourceClaimName:string resourceClaimTemplateName:string"},
    {"Volume",
     "name:string hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource "
     "secret:SecretVolumeSource configMap:ConfigMapVolumeSource "
     "persistentVolumeClaim:PersistentVolumeClaimVolumeSource downwardAPI:object "
     "projected:object nfs:object csi:object ephemeral:object image:object"},
    {"HostPathVolumeSource", "path:string type:string"},
    {"EmptyDirVolumeSource", "medium:string sizeLimit:quantity"},
    {"SecretVolumeSource",
     "secretName:string items:[]KeyToPath defaultMode:integer optional:boolean"},
    {"ConfigMapVolumeSource", "name:string items:[]KeyToPath defaultMode:integer optional:boolean"},
    {"KeyToPath", "key:string path:string mode:integer"},
    {"PersistentVolumeClaimVolumeSource", "claimName:string readOnly:boolean"},
    // KServe's kinds, as far as they consist of the above.
    {"Object", "metadata:ObjectMeta"},
    {"TrainedModel", "+Object status:object"},
    {"InferenceService",
     "metadata:ObjectMeta spec:InferenceServiceSpec status:InferenceServiceStatus"},
    {"InferenceServiceStatus",
     "observedGeneration:integer conditions:[]object annotations:{string} url:string "
     "address:object components:{object} modelStatus:ModelStatus deploymentMode:string"},
    {"ModelStatus", "transitionStatus:string states:object lastFailureInfo:object copies:object"},
    {"InferenceServiceSpec", "predictor:PredictorSpec transformer:PodSpec explainer:ExplainerSpec"},
    {"PredictorSpec",
     "+PodSpec sklearn:Container tensorflow:Container xgboost:Container pytorch:Container "
     "triton:Container onnx:Container huggingface:Container pmml:Container lightgbm:Container "
     "paddle:Container model:Container workerSpec:PodSpec"},
    {"ExplainerSpec", "+PodSpec art:Container"},
    {"ServingRuntimeSpec", "+PodSpec workerSpec:PodSpec"},
    {"ServingRuntime", "metadata:ObjectMeta spec:ServingRuntimeSpec"},
    {"ClusterServingRuntime", "+ServingRuntime"},
    {"StorageContainerSpec", "container:Container"},
    {"ClusterStorageContainer", "metadata:ObjectMeta spec:StorageContainerSpec"},
    // Of a pod spec it has what schedules the router.
    {"InferenceGraph", "metadata:ObjectMeta spec:PodSpec status:object"},
};

using Members = std::map<std::string_view, std::string_view>;

std::map<std::string_view, Members> ReadRows() {
  std::map<std::string_view, Members> types;
  for (const Row& row : kRows) {
    Members& members = types[row.type];
    for (std::string_view rest = row.members; !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      const std::string_view member = rest.substr(0, end);
      if (member.starts_with('+')) {
        for (const auto& inherited : types.at(member.substr(1))) members.insert(inherited);
      } else {
        const size_t colon = member.find(':');
        members.emplace(member.substr(0, colon), member.substr(colon + 1));
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return types;
}

// Null for a type without members.
const Members* MembersOf(std::string_view type) {
  static const std::map<std::string_view, Members> types = ReadRows();
  auto found = types.find(type);
  return found == types.end() ? nullptr : &found->second;
}

void CheckScalar(std::string_view type, const Json& value, Decoder& decoder) {
  const bool fits = type == "string"     ? value.IsString()
                    : type == "integer"  ? value.IsInt()
                    : type == "boolean"  ? value.IsBool()
                    : type == "quantity" ? IsQuantity(value)
                    : type == "port"     ? value.IsInt() || value.IsString()
                                         : value.IsObject();
  if (!fits) decoder.FailType(type, value);
}

void CheckType(std::string_view type, const Json& value, Decoder& decoder) {
  if (value.IsNull()) return;
  if (type.starts_with("[]")) {
    if (!value.IsArray()) return decoder.FailType("array", value);
    for (size_t i = 0; i < value.size(); ++i) {
      Decoder::Scope scope(decoder, i);
      CheckType(type.substr(2), value[i], decoder);
    }
    return;
  }
  if (type.starts_with('{')) {
    if (!value.IsObject()) return decoder.FailType("object", value);
    for (const auto& [key, item] : value.AsObject()) {
      Decoder::Scope scope(decoder, key);
      CheckType(type.substr(1, type.size() - 2), item, decoder);
    }
    return;
  }
  const Members* members = MembersOf(type);
  if (!members) return CheckScalar(type, value, decoder);
  if (!value.IsObject()) return decoder.FailType("object", value);
  for (const auto& [name, member] : value.AsObject()) {
    auto known = members->find(name);
    if (known == members->end()) continue;
    Decoder::Scope scope(decoder, name);
    CheckType(known->second, member, decoder);
  }
}

}  // namespace

Status CheckCoreTypes(std::string_view type, const Json& value) {
  Decoder decoder(Checks::kTypes);
  CheckType(type, value, decoder);
  return decoder.status();
}

}  // namespace kinglet::api
