#include "api/pod_fields.h"

namespace kinglet::api {

std::span<const PassedField> PodSpecFields() {
  static constexpr PassedField kFields[] = {
      {"activeDeadlineSeconds", "integer"},
      {"affinity", "object"},
      {"automountServiceAccountToken", "boolean"},
      {"containers", "array"},
      {"dnsConfig", "object"},
      {"dnsPolicy", "string"},
      {"enableServiceLinks", "boolean"},
      {"ephemeralContainers", "array"},
      {"hostAliases", "array"},
      {"hostIPC", "boolean"},
      {"hostNetwork", "boolean"},
      {"hostPID", "boolean"},
      {"hostUsers", "boolean"},
      {"hostname", "string"},
      {"imagePullSecrets", "array"},
      {"initContainers", "array"},
      {"nodeName", "string"},
      {"nodeSelector", "object"},
      {"os", "object"},
      {"overhead", "object"},
      {"preemptionPolicy", "string"},
      {"priority", "integer"},
      {"priorityClassName", "string"},
      {"readinessGates", "array"},
      {"resourceClaims", "array"},
      {"resources", "object"},
      {"restartPolicy", "string"},
      {"runtimeClassName", "string"},
      {"schedulerName", "string"},
      {"schedulingGates", "array"},
      {"securityContext", "object"},
      {"serviceAccount", "string"},
      {"serviceAccountName", "string"},
      {"setHostnameAsFQDN", "boolean"},
      {"shareProcessNamespace", "boolean"},
      {"subdomain", "string"},
      {"terminationGracePeriodSeconds", "integer"},
      {"tolerations", "array"},
      {"topologySpreadConstraints", "array"},
      {"volumes", "array"},
  };
  return kFields;
}

std::span<const PassedField> ContainerFields() {
  static constexpr PassedField kFields[] = {
      {"args", "strings"},
      {"command", "strings"},
      {"env", "array"},
      {"envFrom", "array"},
      {"image", "string"},
      {"imagePullPolicy", "string"},
      {"lifecycle", "object"},
      {"livenessProbe", "object"},
      {"name", "string"},
      {"ports", "array"},
      {"readinessProbe", "object"},
      {"resizePolicy", "array"},
      {"resources", "object"},
      {"restartPolicy", "string"},
      {"securityContext", "object"},
      {"startupProbe", "object"},
      {"stdin", "boolean"},
      {"stdinOnce", "boolean"},
      {"terminationMessagePath", "string"},
      {"terminationMessagePolicy", "string"},
      {"tty", "boolean"},
      {"volumeDevices", "array"},
      {"volumeMounts", "array"},
      {"workingDir", "string"},
  };
  return kFields;
}

std::span<const PassedField> RuntimePodFields() {
  static constexpr PassedField kFields[] = {
      {"affinity", "object"},     {"annotations", "object"},     {"containers", "array"},
      {"hostIPC", "boolean"},     {"imagePullSecrets", "array"}, {"labels", "object"},
      {"nodeSelector", "object"}, {"tolerations", "array"},      {"volumes", "array"},
  };
  return kFields;
}

}  // namespace kinglet::api
