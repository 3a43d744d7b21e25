// With Istio's CNI plug-in the init container can reach the network only as the user of the
// sidecar.
// https://istio.io/latest/docs/setup/additional-setup/cni/#compatibility-with-application-init-containers
#include <charconv>

#include "admission/pod/pod.h"
#include "api/constants.h"

namespace kinglet::admission {
namespace {

constexpr int64_t kIstioUid = 1337;

std::optional<int64_t> ParseUid(const std::string& text) {
  int64_t uid = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return uid;
}

// The user of the sidecar that Istio injected, if it did.
std::optional<int64_t> SidecarUid(Pod& pod) {
  if (pod.AnnotationOr(api::annotation::kIstioInterceptionMode, "") != "REDIRECT") return {};
  auto status = Json::Parse(pod.AnnotationOr(api::annotation::kIstioStatus, ""));
  if (!status) return {};
  const std::string& name = (*status)["containers"][0].AsString();
  if (name.empty()) return {};
  // Native sidecars are init containers.
  for (Json* container : {pod.Container(name), pod.InitContainer(name)}) {
    if (container) return (*container)["securityContext"]["runAsUser"].AsInt(kIstioUid);
  }
  return {};
}

}  // namespace

Status SetIstioCniSecurityContext(Pod& pod) {
  if (!pod.InitContainer(api::kStorageInitializer)) return {};
  std::optional<int64_t> uid =
      ParseUid(pod.AnnotationOr(api::annotation::kStorageInitializerUid, ""));
  if (!uid && !pod.InitContainer("istio-init")) uid = SidecarUid(pod);
  if (uid) {
    pod.InitContainer(api::kStorageInitializer)->Path({"securityContext", "runAsUser"}) = *uid;
  }
  return {};
}

}  // namespace kinglet::admission
