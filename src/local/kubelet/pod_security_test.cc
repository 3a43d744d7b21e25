#include "local/kubelet/pod_security.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <set>

namespace kinglet::kubelet {
namespace {

using Where = SecurityField::Where;
using Answer = SecurityField::Answer;

// A value of each field that asks for something: for more rights, or for a protection.
const std::map<std::pair<Where, std::string_view>, const char*>& AskingValues() {
  static const std::map<std::pair<Where, std::string_view>, const char*> kValues = {
      {{Where::kPod, "hostPID"}, "true"},
      {{Where::kPod, "hostIPC"}, "true"},
      {{Where::kPod, "hostUsers"}, "false"},
      {{Where::kPod, "runtimeClassName"}, R"("kata")"},
      {{Where::kPodContext, "appArmorProfile"}, R"({"type": "RuntimeDefault"})"},
      {{Where::kPodContext, "runAsGroup"}, "0"},
      {{Where::kPodContext, "runAsNonRoot"}, "true"},
      {{Where::kPodContext, "runAsUser"}, "0"},
      {{Where::kPodContext, "seLinuxOptions"}, R"({"type": "spc_t"})"},
      {{Where::kPodContext, "seccompProfile"}, R"({"type": "Unconfined"})"},
      {{Where::kPodContext, "supplementalGroups"}, "[6]"},
      {{Where::kPodContext, "sysctls"}, R"([{"name": "kernel.msgmax", "value": "1"}])"},
      {{Where::kPodContext, "windowsOptions"}, R"({"hostProcess": true})"},
      {{Where::kContainer, "ports"}, R"([{"containerPort": 1, "hostPort": 1}])"},
      {{Where::kContainer, "volumeDevices"}, R"([{"name": "v", "devicePath": "/dev/sda"}])"},
      {{Where::kContainer, "volumeMounts"}, R"([{"mountPropagation": "Bidirectional"}])"},
      {{Where::kContainerContext, "appArmorProfile"}, R"({"type": "Localhost"})"},
      {{Where::kContainerContext, "capabilities"}, R"({"add": ["CHOWN", "SYS_ADMIN"]})"},
      {{Where::kContainerContext, "privileged"}, "true"},
      {{Where::kContainerContext, "procMount"}, R"("Unmasked")"},
      {{Where::kContainerContext, "readOnlyRootFilesystem"}, "true"},
      {{Where::kContainerContext, "runAsGroup"}, "5"},
      {{Where::kContainerContext, "runAsNonRoot"}, "true"},
      {{Where::kContainerContext, "runAsUser"}, "5"},
      {{Where::kContainerContext, "seLinuxOptions"}, R"({"level": "s0"})"},
      {{Where::kContainerContext, "seccompProfile"}, R"({"type": "Localhost"})"},
      {{Where::kContainerContext, "windowsOptions"}, R"({"gmsaCredentialSpec": "x"})"},
  };
  return kValues;
}

// A pod of one container in which the field has this value.
Json PodWith(Where where, std::string_view name, Json value) {
  Json pod = *Json::Parse(R"({"metadata": {"name": "p", "namespace": "n", "uid": "u"},
    "spec": {"containers": [{"name": "main", "image": "x"}]}})");
  Json container = pod["spec"]["containers"][0];
  const std::string key(name);
  if (where == Where::kPod) pod.Ref("spec").Set(key, value);
  if (where == Where::kPodContext) pod.Path({"spec", "securityContext"}).Set(key, value);
  if (where == Where::kContainer) container.Set(key, value);
  if (where == Where::kContainerContext) container.Path({"securityContext"}).Set(key, value);
  pod.Ref("spec").Set("containers", Json::MakeArray({container}));
  return pod;
}

Status Check(const Json& pod, bool namespaces = true) {
  KINGLET_RETURN_IF_ERROR(CheckPodSecurity(pod));
  return CheckContainerSecurity(pod, pod["spec"]["containers"][0], namespaces);
}

TEST(PodSecurity, EveryFieldOfTheTableIsRefusedOrHonoured) {
  for (const SecurityField& field : SecurityFields()) {
    SCOPED_TRACE(field.name);
    EXPECT_FALSE(field.reason.empty());
    auto value = AskingValues().find({field.where, field.name});
    ASSERT_EQ(value != AskingValues().end(), field.asks != nullptr);
    if (!field.asks) {
      EXPECT_TRUE(field.answer == Answer::kHonoured || field.answer == Answer::kNoEffect);
      continue;
    }
    Json pod = PodWith(field.where, field.name, *Json::Parse(value->second));
    Status checked = Check(pod);
    EXPECT_EQ(checked.has_value(), field.answer != Answer::kRefused);
    if (!checked) {
      EXPECT_NE(checked.error().message().find(field.reason), std::string::npos);
      EXPECT_NE(checked.error().message().find(field.name), std::string::npos);
      EXPECT_EQ(Check(pod, false).has_value(), false);
    }
    EXPECT_EQ(NotEnforced(pod, false).size(), field.answer == Answer::kIsolated ? 1u : 0u);
    EXPECT_TRUE(NotEnforced(pod, true).empty());
  }
}

// PodSecurityContext and SecurityContext of Kubernetes 1.34.
TEST(PodSecurity, TheTableHasAllFieldsOfSecurityContexts) {
  const std::set<std::string_view> pod = {"appArmorProfile",
                                          "fsGroup",
                                          "fsGroupChangePolicy",
                                          "runAsGroup",
                                          "runAsNonRoot",
                                          "runAsUser",
                                          "seLinuxChangePolicy",
                                          "seLinuxOptions",
                                          "seccompProfile",
                                          "supplementalGroups",
                                          "supplementalGroupsPolicy",
                                          "sysctls",
                                          "windowsOptions"};
  const std::set<std::string_view> container = {
      "allowPrivilegeEscalation", "appArmorProfile", "capabilities", "privileged", "procMount",
      "readOnlyRootFilesystem",   "runAsGroup",      "runAsNonRoot", "runAsUser",  "seLinuxOptions",
      "seccompProfile",           "windowsOptions"};
  std::set<std::string_view> of_pod, of_container;
  for (const SecurityField& field : SecurityFields()) {
    if (field.where == Where::kPodContext) of_pod.insert(field.name);
    if (field.where == Where::kContainerContext) of_container.insert(field.name);
  }
  EXPECT_EQ(of_pod, pod);
  EXPECT_EQ(of_container, container);
}

TEST(PodSecurity, WhatKServeSetsIsAccepted) {
  // The containers of its runtimes and of the storage initializer, its router, and an Istio uid.
  for (const char* security : {
           R"({"allowPrivilegeEscalation": false, "privileged": false, "runAsNonRoot": true,
               "capabilities": {"drop": ["ALL"]}})",
           R"({"privileged": false, "runAsNonRoot": true, "readOnlyRootFilesystem": true,
               "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
               "seccompProfile": {"type": "RuntimeDefault"}})",
           R"({"runAsUser": 1337})", R"({"runAsUser": 1010})"}) {
    Json pod = PodWith(Where::kContainer, "securityContext", *Json::Parse(security));
    Status checked = Check(pod);
    EXPECT_TRUE(checked.has_value()) << checked.error().message();
  }
  for (const char* security : {R"({"fsGroup": 1000})", R"({"fsGroup": 0, "runAsUser": 0})"}) {
    Status checked = Check(PodWith(Where::kPod, "securityContext", *Json::Parse(security)));
    EXPECT_TRUE(checked.has_value()) << checked.error().message();
  }
}

TEST(PodSecurity, FieldsThatNobodyKnowsAreRefused) {
  for (Where where : {Where::kPodContext, Where::kContainerContext}) {
    Status checked = Check(PodWith(where, "hostEverything", true));
    ASSERT_FALSE(checked.has_value());
    EXPECT_NE(checked.error().message().find("hostEverything"), std::string::npos);
  }
}

TEST(PodSecurity, AHostPortIsTheContainersOwnOnTheHostsNetwork) {
  Json pod = PodWith(Where::kContainer, "ports",
                     *Json::Parse(R"([{"containerPort": 80, "hostPort": 80}])"));
  EXPECT_FALSE(Check(pod).has_value());
  pod.Ref("spec").Set("hostNetwork", true);
  EXPECT_TRUE(Check(pod).has_value());
}

TEST(PodSecurity, AContainersUserComesBeforeThePods) {
  Json pod = PodWith(Where::kContainer, "securityContext", *Json::Parse(R"({"runAsUser": 0})"));
  EXPECT_TRUE(Check(pod).has_value());
  pod.Path({"spec", "securityContext"}).Set("runAsNonRoot", true);
  EXPECT_FALSE(Check(pod).has_value());
}

TEST(PodSecurity, AppArmorAnnotationsAreReadToo) {
  Json pod = PodWith(Where::kPod, "hostPID", false);
  Json& annotations = pod.Path({"metadata", "annotations"});
  annotations.Set("container.apparmor.security.beta.kubernetes.io/main", "unconfined");
  EXPECT_TRUE(Check(pod).has_value());
  annotations.Set("container.apparmor.security.beta.kubernetes.io/main", "runtime/default");
  EXPECT_FALSE(Check(pod).has_value());
}

TEST(PodSecurity, CapabilitiesAreTheDefaultsLessWhatIsDropped) {
  auto allowed = [](const char* changes) {
    Json container = Json::MakeObject({});
    container.Path({"securityContext", "capabilities"}) = *Json::Parse(changes);
    return AllowedCapabilities(container);
  };
  constexpr uint64_t kDefaults = 0xA80425FB;  // docker run, /proc/self/status
  EXPECT_EQ(allowed("{}"), kDefaults);
  EXPECT_EQ(allowed(R"({"drop": ["ALL"]})"), 0u);
  EXPECT_EQ(allowed(R"({"drop": ["ALL"], "add": ["CAP_CHOWN"]})"), uint64_t{1} << CAP_CHOWN);
  EXPECT_EQ(allowed(R"({"drop": ["NET_RAW", "NOT_THERE"]})"),
            kDefaults & ~(uint64_t{1} << CAP_NET_RAW));
  EXPECT_EQ(allowed(R"({"add": ["SYS_ADMIN"]})"), kDefaults);
}

}  // namespace
}  // namespace kinglet::kubelet
