#include "local/kubelet/scheduling.h"

#include "kube/node_selector.h"
#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::kubelet {
namespace {

constexpr std::string_view kNone = "0/1 nodes are available: ";

std::string NodeMismatch(const Json& pod, const Json& node) {
  for (const auto& [key, value] : pod["spec"]["nodeSelector"].AsObject()) {
    if (kube::Label(node, key) == value.AsString()) continue;
    return fmt::format(
        "{}1 node(s) didn't match Pod's node affinity/selector: standalone mode has one node, "
        "without the label {}={}.",
        kNone, key, value.AsString());
  }
  const Json& required = pod.At(
      {"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  if (required.IsObject() && !kube::MatchesNodeSelector(required, node)) {
    return fmt::format(
        "{}1 node(s) didn't match Pod's node affinity/selector: standalone mode has one node, "
        "without the labels of the pod's nodeAffinity.",
        kNone);
  }
  return "";
}

std::string MissingDevice(const Json& pod) {
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : pod["spec"][list].AsArray()) {
      for (const char* kind : {"limits", "requests"}) {
        for (const auto& [name, amount] : container["resources"][kind].AsObject()) {
          bool extended = name.find('/') != name.npos;
          auto quantity = kube::Quantity::FromJson(amount);
          if (extended && quantity && quantity->Sign() > 0) {
            return fmt::format("{}1 Insufficient {}: standalone mode offers no devices.", kNone,
                               name);
          }
        }
      }
    }
  }
  return "";
}

Result<std::string> VolumeElsewhere(const Json& pod, const Json& node,
                                    const ObjectSource& objects) {
  for (const Json& wanted : pod["spec"]["volumes"].AsArray()) {
    const std::string& name = wanted["persistentVolumeClaim"]["claimName"].AsString();
    if (name.empty()) continue;
    auto claim = objects(kube::kPersistentVolumeClaim, name);
    if (!claim && claim.error().code() == Code::kNotFound) {
      return fmt::format("{}persistentvolumeclaim \"{}\" not found.", kNone, name);
    }
    if (!claim) return Unexpected(claim.error());
    if ((*claim)["status"]["phase"].AsString() != "Bound") {
      return fmt::format("{}pod has unbound immediate PersistentVolumeClaims: {}.", kNone, name);
    }
    const std::string& volume_name = (*claim)["spec"]["volumeName"].AsString();
    if (volume_name.empty()) continue;
    KINGLET_TRY(Json volume, objects(kube::kPersistentVolume, volume_name));
    const Json& required = volume.At({"spec", "nodeAffinity", "required"});
    if (required.IsObject() && !kube::MatchesNodeSelector(required, node)) {
      return fmt::format(
          "{}1 node(s) had volume node affinity conflict: persistentvolume \"{}\" wants labels "
          "that the node {} does not have.",
          kNone, volume_name, kube::Name(node));
    }
  }
  return "";
}

}  // namespace

Result<std::string> WhyUnschedulable(const Json& pod, const Json& node,
                                     const ObjectSource& objects) {
  if (std::string why = NodeMismatch(pod, node); !why.empty()) return why;
  if (std::string why = MissingDevice(pod); !why.empty()) return why;
  return VolumeElsewhere(pod, node, objects);
}

}  // namespace kinglet::kubelet
