#include "local/kubelet/pod_security.h"

#include <linux/capability.h>

#include <algorithm>
#include <map>

#include "kube/object.h"

namespace kinglet::kubelet {
namespace {

using Where = SecurityField::Where;
using Answer = SecurityField::Answer;

bool IsTrue(const Json& value) { return value.AsBool(); }
bool IsFalse(const Json& value) { return value.IsBool() && !value.AsBool(); }
bool IsGiven(const Json& value) { return !value.empty(); }
bool IsText(const Json& value) { return !value.AsString().empty(); }
bool IsNumber(const Json& value) { return value.IsInt(); }

// Docker's and containerd's defaults.
const std::map<std::string_view, int>& DefaultCapabilities() {
  static const std::map<std::string_view, int> kNames = {
      {"AUDIT_WRITE", CAP_AUDIT_WRITE},
      {"CHOWN", CAP_CHOWN},
      {"DAC_OVERRIDE", CAP_DAC_OVERRIDE},
      {"FOWNER", CAP_FOWNER},
      {"FSETID", CAP_FSETID},
      {"KILL", CAP_KILL},
      {"MKNOD", CAP_MKNOD},
      {"NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
      {"NET_RAW", CAP_NET_RAW},
      {"SETFCAP", CAP_SETFCAP},
      {"SETGID", CAP_SETGID},
      {"SETPCAP", CAP_SETPCAP},
      {"SETUID", CAP_SETUID},
      {"SYS_CHROOT", CAP_SYS_CHROOT},
  };
  return kNames;
}

// "CAP_CHOWN" and "CHOWN" are the same.
std::string_view CapabilityName(const Json& value) {
  std::string_view name = value.AsString();
  if (name.starts_with("CAP_")) name.remove_prefix(4);
  return name;
}

bool AddsCapabilities(const Json& capabilities) {
  const auto& added = capabilities["add"].AsArray();
  return std::any_of(added.begin(), added.end(), [](const Json& name) {
    return !DefaultCapabilities().contains(CapabilityName(name));
  });
}

bool IsOwnSeccomp(const Json& profile) {
  return profile.IsObject() && profile["type"].AsString() != "RuntimeDefault";
}

bool IsAppArmor(const Json& profile) {
  return profile.IsObject() && profile["type"].AsString() != "Unconfined";
}

bool IsUnmasked(const Json& value) { return IsText(value) && value.AsString() != "Default"; }

bool HasHostPort(const Json& ports) {
  return std::any_of(ports.AsArray().begin(), ports.AsArray().end(),
                     [](const Json& port) { return port["hostPort"].AsInt() != 0; });
}

bool PropagatesOut(const Json& mounts) {
  return std::any_of(mounts.AsArray().begin(), mounts.AsArray().end(), [](const Json& mount) {
    return mount["mountPropagation"].AsString() == "Bidirectional";
  });
}

constexpr std::string_view kSeccomp =
    "system calls are always filtered as by RuntimeDefault, and other profiles are not loaded";
constexpr std::string_view kAppArmor = "no AppArmor profile is loaded for pods";
constexpr std::string_view kSeLinux = "pods get no SELinux label";
constexpr std::string_view kWindows = "this is not Windows";
constexpr std::string_view kUser =
    "the container sees itself as this user; on the machine it is the pod's unprivileged one";

constexpr SecurityField kFields[] = {
    {Where::kPod, "hostNetwork", Answer::kHonoured, "the pod uses the machine's network"},
    {Where::kPod, "hostPID", Answer::kRefused, "pods never see the machine's processes", IsTrue},
    {Where::kPod, "hostIPC", Answer::kRefused, "pods never share the machine's memory segments",
     IsTrue},
    {Where::kPod, "hostUsers", Answer::kIsolated, "pods have users of their own", IsFalse},
    {Where::kPod, "shareProcessNamespace", Answer::kNoEffect,
     "the containers of a pod always see each other's processes"},
    {Where::kPod, "runtimeClassName", Answer::kRefused, "there are no RuntimeClasses here", IsText},

    {Where::kPodContext, "appArmorProfile", Answer::kRefused, kAppArmor, IsAppArmor},
    {Where::kPodContext, "fsGroup", Answer::kNoEffect, "volumes belong to the pod's user"},
    {Where::kPodContext, "fsGroupChangePolicy", Answer::kNoEffect,
     "volumes belong to the pod's user"},
    {Where::kPodContext, "runAsGroup", Answer::kIsolated, kUser, IsNumber},
    {Where::kPodContext, "runAsNonRoot", Answer::kIsolated, kUser, IsTrue},
    {Where::kPodContext, "runAsUser", Answer::kIsolated, kUser, IsNumber},
    {Where::kPodContext, "seLinuxChangePolicy", Answer::kNoEffect, kSeLinux},
    {Where::kPodContext, "seLinuxOptions", Answer::kRefused, kSeLinux, IsGiven},
    {Where::kPodContext, "seccompProfile", Answer::kRefused, kSeccomp, IsOwnSeccomp},
    {Where::kPodContext, "supplementalGroups", Answer::kRefused,
     "a pod is one user with one group on this machine", IsGiven},
    {Where::kPodContext, "supplementalGroupsPolicy", Answer::kNoEffect,
     "no groups are taken from /etc/group"},
    {Where::kPodContext, "sysctls", Answer::kRefused, "no settings of the kernel are made for pods",
     IsGiven},
    {Where::kPodContext, "windowsOptions", Answer::kRefused, kWindows, IsGiven},

    {Where::kContainer, "ports", Answer::kRefused,
     "hostPort is not published; use a Service or hostNetwork", HasHostPort},
    {Where::kContainer, "volumeDevices", Answer::kRefused, "there are no block devices for pods",
     IsGiven},
    {Where::kContainer, "volumeMounts", Answer::kRefused,
     "mountPropagation Bidirectional would change the machine's mounts", PropagatesOut},

    {Where::kContainerContext, "allowPrivilegeEscalation", Answer::kNoEffect,
     "no_new_privs is always set"},
    {Where::kContainerContext, "appArmorProfile", Answer::kRefused, kAppArmor, IsAppArmor},
    {Where::kContainerContext, "capabilities", Answer::kRefused,
     "only the default capabilities of container runtimes may be added", AddsCapabilities},
    {Where::kContainerContext, "privileged", Answer::kRefused,
     "no container gets rights over this machine", IsTrue},
    {Where::kContainerContext, "procMount", Answer::kRefused, "/proc is always masked", IsUnmasked},
    {Where::kContainerContext, "readOnlyRootFilesystem", Answer::kIsolated,
     "/ and /tmp are read-only", IsTrue},
    {Where::kContainerContext, "runAsGroup", Answer::kIsolated, kUser, IsNumber},
    {Where::kContainerContext, "runAsNonRoot", Answer::kIsolated, kUser, IsTrue},
    {Where::kContainerContext, "runAsUser", Answer::kIsolated, kUser, IsNumber},
    {Where::kContainerContext, "seLinuxOptions", Answer::kRefused, kSeLinux, IsGiven},
    {Where::kContainerContext, "seccompProfile", Answer::kRefused, kSeccomp, IsOwnSeccomp},
    {Where::kContainerContext, "windowsOptions", Answer::kRefused, kWindows, IsGiven},
};

bool IsOfPod(const SecurityField& field) {
  return field.where == Where::kPod || field.where == Where::kPodContext;
}

bool IsInContext(const SecurityField& field) {
  return field.where == Where::kPodContext || field.where == Where::kContainerContext;
}

// `object`: the pod's spec or the container.
std::string Path(const SecurityField& field) {
  return fmt::format("{}{}", IsInContext(field) ? "securityContext." : "", field.name);
}

bool Asks(const SecurityField& field, const Json& object) {
  const Json& value = (IsInContext(field) ? object["securityContext"] : object)[field.name];
  return field.asks && !value.IsNull() && field.asks(value);
}

// Fields of a later Kubernetes ask for something that nobody here has thought about.
Status CheckKnown(const Json& context, Where where) {
  for (const auto& [name, value] : context.AsObject()) {
    bool known = std::any_of(std::begin(kFields), std::end(kFields), [&](const auto& field) {
      return field.where == where && field.name == name;
    });
    if (known || value.IsNull()) continue;
    return Fail(Code::kFailedPrecondition,
                "securityContext.{} is not available in standalone mode: it is not known", name);
  }
  return {};
}

Status Check(const Json& object, bool of_pod) {
  for (const SecurityField& field : kFields) {
    if (IsOfPod(field) != of_pod || field.answer != Answer::kRefused || !Asks(field, object)) {
      continue;
    }
    return Fail(Code::kFailedPrecondition, "{} is not available in standalone mode: {}",
                Path(field), field.reason);
  }
  return CheckKnown(object["securityContext"],
                    of_pod ? Where::kPodContext : Where::kContainerContext);
}

// A container's own setting comes before the pod's.
const Json& Effective(const Json& pod, const Json& container, std::string_view key) {
  const Json& own = container["securityContext"][key];
  return own.IsNull() ? pod["spec"]["securityContext"][key] : own;
}

}  // namespace

std::span<const SecurityField> SecurityFields() { return kFields; }

Status CheckPodSecurity(const Json& pod) {
  for (const auto& [name, value] : kube::Annotations(pod).AsObject()) {
    if (name.starts_with("container.apparmor.security.beta.kubernetes.io/") &&
        value.AsString() != "unconfined") {
      return Fail(Code::kFailedPrecondition,
                  "annotation {} is not available in standalone mode: {}", name, kAppArmor);
    }
  }
  return Check(pod["spec"], true);
}

Status CheckContainerSecurity(const Json& pod, const Json& container, bool namespaces) {
  KINGLET_RETURN_IF_ERROR(kube::CheckDnsLabel(container["name"].AsString()));
  // With hostNetwork a hostPort is the container's own port.
  Json checked = container;
  if (pod["spec"]["hostNetwork"].AsBool()) checked.Erase("ports");
  KINGLET_RETURN_IF_ERROR(Check(checked, false));
  const Json& user = Effective(pod, container, "runAsUser");
  if (namespaces && user.IsInt() && user.AsInt() == 0 &&
      Effective(pod, container, "runAsNonRoot").AsBool()) {
    return Fail(Code::kInvalidArgument,
                "container's runAsUser breaks non-root policy (pod: \"{}_{}({})\", container: {})",
                kube::Name(pod), kube::Namespace(pod), kube::Uid(pod),
                container["name"].AsString());
  }
  return {};
}

std::vector<std::string> NotEnforced(const Json& pod, bool namespaces) {
  std::vector<std::string> fields;
  if (namespaces) return fields;
  auto add = [&](const Json& object, bool of_pod, const std::string& prefix) {
    for (const SecurityField& field : kFields) {
      if (IsOfPod(field) == of_pod && field.answer == Answer::kIsolated && Asks(field, object)) {
        fields.push_back(prefix + Path(field));
      }
    }
  };
  add(pod["spec"], true, "");
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : pod["spec"][list].AsArray()) {
      add(container, false, fmt::format("{}[{}].", list, container["name"].AsString()));
    }
  }
  return fields;
}

uint64_t AllowedCapabilities(const Json& container) {
  const Json& changes = container["securityContext"]["capabilities"];
  uint64_t allowed = 0;
  for (const auto& [name, number] : DefaultCapabilities()) allowed |= uint64_t{1} << number;
  for (const Json& drop : changes["drop"].AsArray()) {
    if (drop.AsString() == "ALL" || drop.AsString() == "all") allowed = 0;
    auto it = DefaultCapabilities().find(CapabilityName(drop));
    if (it != DefaultCapabilities().end()) allowed &= ~(uint64_t{1} << it->second);
  }
  for (const Json& add : changes["add"].AsArray()) {
    auto it = DefaultCapabilities().find(CapabilityName(add));
    if (it != DefaultCapabilities().end()) allowed |= uint64_t{1} << it->second;
  }
  return allowed;
}

}  // namespace kinglet::kubelet
