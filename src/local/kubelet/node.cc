#include "local/kubelet/node.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/flags.h"
#include "kube/conditions.h"
#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::kubelet {

NodeFacts ReadNodeFacts(std::string name) {
  NodeFacts facts;
  facts.name = std::move(name);
  facts.ip = "127.0.0.1";
  facts.cpu_milli = 1000 * static_cast<int64_t>(std::max(std::thread::hardware_concurrency(), 1u));
  facts.memory = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return facts;
}

Json MakeNode(const NodeFacts& facts, const Capabilities& capabilities, WallTime now) {
  utsname kernel{};
  uname(&kernel);
  std::string arch = std::string_view(kernel.machine) == "x86_64"    ? "amd64"
                     : std::string_view(kernel.machine) == "aarch64" ? "arm64"
                                                                     : kernel.machine;
  Json resources = Json::MakeObject({{"cpu", kube::Quantity::FromMilli(facts.cpu_milli).ToString()},
                                     {"memory", std::to_string(facts.memory / 1024) + "Ki"},
                                     {"pods", "1000"}});
  Json node = kube::MakeObjectMeta("v1", "Node", {"", facts.name});
  node.Path({"metadata", "labels"}) = Json::MakeObject({{"kubernetes.io/hostname", facts.name},
                                                        {"kubernetes.io/os", "linux"},
                                                        {"kubernetes.io/arch", arch}});
  node.Path({"metadata", "annotations"}) =
      Json::MakeObject({{"kinglet.io/isolation", IsolationName(capabilities.isolation)},
                        {"kinglet.io/capabilities", capabilities.ToJson().Dump()}});
  node.Set("spec", Json::MakeObject());
  Json& status = node.Ref("status");
  status.Set("capacity", resources);
  status.Set("allocatable", resources);
  status.Set("addresses",
             Json::MakeArray({Json::MakeObject({{"type", "InternalIP"}, {"address", facts.ip}}),
                              Json::MakeObject({{"type", "Hostname"}, {"address", facts.name}})}));
  status.Set(
      "nodeInfo",
      Json::MakeObject({{"kernelVersion", kernel.release},
                        {"operatingSystem", "linux"},
                        {"architecture", arch},
                        {"osImage", "Linux"},
                        {"machineID", ""},
                        {"systemUUID", ""},
                        {"bootID", ""},
                        {"kubeProxyVersion", ""},
                        {"containerRuntimeVersion", "kinglet://" + std::string(VersionNumber())},
                        {"kubeletVersion", "kinglet-" + std::string(VersionNumber())}}));
  std::string notes;
  for (const Capabilities::Note& note : capabilities.notes) {
    notes += (notes.empty() ? "" : " ") + note.what;
  }
  kube::SetMetaCondition(
      node, {.type = "Ready", .status = "True", .reason = "KubeletReady", .message = notes}, now);
  return node;
}

}  // namespace kinglet::kubelet
