// With Istio's CNI plug-in the init container can reach the network only as the user of the
// sidecar.
// https://istio.io/latest/docs/setup/additional-setup/cni/#compatibility-with-application-init-containers
#include <charconv>

#include "admission/pod/pod.h"
#include "api/constants.h"

namespace kinglet::admission {
namespace {

constexpr int64_t kIstioUid = 1337;

std::optional<int64_t> ParseUid(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  int64_t uid = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return uid;
}

// The user of the sidecar that Istio injected, if it did.
Result<std::optional<int64_t>> SidecarUid(Pod& pod) {
  if (pod.AnnotationOr(api::annotation::kIstioInterceptionMode, "") != "REDIRECT") return {};
  const Json* text = pod.Annotation(api::annotation::kIstioStatus);
  if (!text) return {};
  auto status = Json::Parse(text->AsString());
  if (!status) return Unexpected(status.error().WithContext(api::annotation::kIstioStatus));
  const std::string& name = (*status)["containers"][0].AsString();
  const Json* sidecar = name.empty() ? nullptr : pod.Container(name);
  if (!sidecar) return {};
  return (*sidecar)["securityContext"]["runAsUser"].AsInt(kIstioUid);
}

}  // namespace

Status SetIstioCniSecurityContext(Pod& pod) {
  if (!pod.InitContainer(api::kStorageInitializer)) return {};
  std::optional<int64_t> uid;
  if (const Json* chosen = pod.Annotation(api::annotation::kStorageInitializerUid)) {
    uid = ParseUid(chosen->AsString());
  } else if (!pod.InitContainer("istio-init")) {
    KINGLET_TRY(uid, SidecarUid(pod));
  }
  if (uid) {
    pod.InitContainer(api::kStorageInitializer)->Path({"securityContext", "runAsUser"}) = *uid;
  }
  return {};
}

}  // namespace kinglet::admission
