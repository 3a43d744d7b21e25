#include "local/workloads/volume.h"

#include <algorithm>

#include "kube/object.h"
#include "kube/quantity.h"

namespace kinglet::workloads {
namespace {

bool IsClaimOf(const Json& reference, const Json& claim) {
  const std::string& uid = reference["uid"].AsString();
  return reference["namespace"].AsString() == kube::Namespace(claim) &&
         reference["name"].AsString() == kube::Name(claim) &&
         (uid.empty() || uid == kube::Uid(claim));
}

bool HasRoomFor(const Json& volume, const Json& claim) {
  auto room = kube::Quantity::FromJson(volume.At({"spec", "capacity", "storage"}));
  auto wish = kube::Quantity::FromJson(claim.At({"spec", "resources", "requests", "storage"}));
  return !room || !wish || *room >= *wish;
}

}  // namespace

std::string WhyNotBound(const Json& claim, const Json& volume) {
  const Json &wish = claim["spec"], &offer = volume["spec"];
  const std::string& name = kube::Name(volume);
  if (offer["claimRef"].IsObject()) {
    // It was checked when they came together.
    if (IsClaimOf(offer["claimRef"], claim)) return "";
    return fmt::format("volume \"{}\" already bound to a different claim.", name);
  }
  auto mismatch = [&](std::string_view why) {
    return fmt::format("Cannot bind to requested volume \"{}\": {}", name, why);
  };
  if (!HasRoomFor(volume, claim)) return mismatch("requested PV is too small");
  if (wish["storageClassName"].AsString() != offer["storageClassName"].AsString()) {
    return mismatch("storageClassName does not match");
  }
  const auto& modes = offer["accessModes"].AsArray();
  for (const Json& mode : wish["accessModes"].AsArray()) {
    if (std::ranges::find(modes, mode) == modes.end()) return mismatch("incompatible accessMode");
  }
  return "";
}

Json MakeClaimRef(const Json& claim) {
  return Json::MakeObject({{"apiVersion", "v1"},
                           {"kind", "PersistentVolumeClaim"},
                           {"namespace", kube::Namespace(claim)},
                           {"name", kube::Name(claim)},
                           {"uid", kube::Uid(claim)},
                           {"resourceVersion", kube::ResourceVersion(claim)}});
}

Json MakeClaimStatus(const Json& claim, const Json* volume) {
  const bool own_folder = claim["spec"]["volumeName"].AsString().empty();
  if (!own_folder && !volume) {
    const bool was_bound = claim["status"]["phase"].AsString() == "Bound";
    Json status = claim["status"];
    if (was_bound) status.Set("phase", "Lost");
    if (!status.Has("phase")) status.Set("phase", "Pending");
    return status;
  }
  Json status = Json::MakeObject({{"phase", "Bound"}});
  status.Set("accessModes",
             own_folder ? claim["spec"]["accessModes"] : (*volume)["spec"]["accessModes"]);
  const Json& room =
      own_folder ? claim.At({"spec", "resources", "requests"}) : (*volume)["spec"]["capacity"];
  if (!room.empty()) status.Set("capacity", room);
  return status;
}

Json MakeVolumeStatus(const Json& volume, const Json* claim) {
  const Json& reference = volume["spec"]["claimRef"];
  std::string phase = "Available";
  if (!reference["uid"].AsString().empty()) {
    phase = claim && IsClaimOf(reference, *claim) ? "Bound" : "Released";
  }
  return Json::MakeObject({{"phase", phase}});
}

}  // namespace kinglet::workloads
