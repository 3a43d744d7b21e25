#include "cli/service_pods.h"

#include <algorithm>

namespace kinglet::cli {

Result<std::vector<Json>> PodsOf(kube::Client& client, const kube::ObjectKey& service,
                                 std::string_view component) {
  std::string selector = fmt::format("{}={}", kServiceLabel, service.name);
  if (!component.empty()) selector += fmt::format(",component={}", component);
  KINGLET_TRY(std::vector<Json> pods,
              client.ListAll(kube::kPod, service.ns, {.label_selector = selector}));
  std::sort(pods.begin(), pods.end(), [](const Json& a, const Json& b) {
    return kube::CreationTimestamp(a) > kube::CreationTimestamp(b);
  });
  return pods;
}

std::string MainContainer(const Json& pod) {
  const Json& containers = pod["spec"]["containers"];
  for (const Json& container : containers.AsArray()) {
    if (container["name"].AsString() == "kserve-container") return "kserve-container";
  }
  return containers[0]["name"].AsString();
}

}  // namespace kinglet::cli
