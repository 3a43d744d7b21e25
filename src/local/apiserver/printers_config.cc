// Columns of kinds without pods: configuration, network, storage, roles.
#include <fmt/format.h>

#include <algorithm>

#include "local/apiserver/printers.h"

namespace kinglet::local::printers {
namespace {

void IngressCells(const Json& ingress, WallTime now, Json& cells) {
  const Json& spec = ingress["spec"];
  PushName(ingress, cells);
  cells.Push(Or(spec["ingressClassName"].AsString(), "<none>"));
  cells.Push(
      Joined(spec["rules"], [](const Json& r) { return Or(r["host"].AsString(), "*"); }, "*"));
  cells.Push(Joined(
      ingress.At({"status", "loadBalancer", "ingress"}),
      [](const Json& i) { return Or(i["ip"].AsString(), i["hostname"].AsString()); }, ""));
  cells.Push(spec["tls"].empty() ? "80" : "80, 443");
  PushAge(ingress, now, cells);
}

void NamespaceCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object.At({"status", "phase"}).AsString());
  PushAge(object, now, cells);
}

void ConfigMapCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(static_cast<int64_t>(object["data"].size() + object["binaryData"].size()));
  PushAge(object, now, cells);
}

void SecretCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object["type"].AsString());
  cells.Push(static_cast<int64_t>(object["data"].size()));
  PushAge(object, now, cells);
}

void ServiceAccountCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(static_cast<int64_t>(object["secrets"].size()));
  PushAge(object, now, cells);
}

void EndpointsCells(const Json& object, WallTime now, Json& cells) {
  std::string text;
  for (const Json& subset : object["subsets"].AsArray()) {
    for (const Json& address : subset["addresses"].AsArray()) {
      for (const Json& port : subset["ports"].AsArray()) {
        if (!text.empty()) text += ",";
        text += fmt::format("{}:{}", address["ip"].AsString(), port["port"].AsInt());
      }
    }
  }
  PushName(object, cells);
  cells.Push(Or(text, "<none>"));
  PushAge(object, now, cells);
}

void EndpointSliceCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object["addressType"].AsString());
  cells.Push(Joined(
      object["ports"], [](const Json& p) { return std::to_string(p["port"].AsInt()); }, "<unset>"));
  cells.Push(Joined(
      object["endpoints"], [](const Json& e) { return e["addresses"][0].AsString(); }, "<unset>"));
  PushAge(object, now, cells);
}

void LeaseCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object.At({"spec", "holderIdentity"}).AsString());
  PushAge(object, now, cells);
}

// "RWO,ROX", always in this order.
std::string AccessModes(const Json& modes) {
  std::string out;
  for (auto [mode, text] : {std::pair{"ReadWriteOnce", "RWO"},
                            {"ReadOnlyMany", "ROX"},
                            {"ReadWriteMany", "RWX"},
                            {"ReadWriteOncePod", "RWOP"}}) {
    const auto& list = modes.AsArray();
    if (std::ranges::find(list, Json(mode)) == list.end()) continue;
    out += out.empty() ? "" : ",";
    out += text;
  }
  return out;
}

void PvcCells(const Json& object, WallTime now, Json& cells) {
  const Json& spec = object["spec"];
  PushName(object, cells);
  cells.Push(object["metadata"].Has("deletionTimestamp")
                 ? std::string("Terminating")
                 : object.At({"status", "phase"}).AsString());
  cells.Push(spec["volumeName"].AsString());
  cells.Push(object.At({"status", "capacity", "storage"}).AsString());
  cells.Push(AccessModes(object.At({"status", "accessModes"})));
  cells.Push(spec["storageClassName"].AsString());
  cells.Push(Or(spec["volumeAttributesClassName"].AsString(), "<unset>"));
  PushAge(object, now, cells);
  cells.Push(Or(spec["volumeMode"].AsString(), "<unset>"));
}

void PvCells(const Json& object, WallTime now, Json& cells) {
  const Json& spec = object["spec"];
  PushName(object, cells);
  cells.Push(spec.At({"capacity", "storage"}).AsString());
  cells.Push(AccessModes(spec["accessModes"]));
  cells.Push(spec["persistentVolumeReclaimPolicy"].AsString());
  cells.Push(object.At({"status", "phase"}).AsString());
  const Json& claim = spec["claimRef"];
  cells.Push(claim.IsObject() ? claim["namespace"].AsString() + "/" + claim["name"].AsString()
                              : "");
  cells.Push(spec["storageClassName"].AsString());
  cells.Push(Or(spec["volumeAttributesClassName"].AsString(), "<unset>"));
  cells.Push(object.At({"status", "reason"}).AsString());
  PushAge(object, now, cells);
  cells.Push(Or(spec["volumeMode"].AsString(), "<unset>"));
}

void CreatedCells(const Json& object, WallTime, Json& cells) {
  PushName(object, cells);
  cells.Push(object.At({"metadata", "creationTimestamp"}));
}

void BindingCells(const Json& object, WallTime now, Json& cells) {
  PushName(object, cells);
  cells.Push(object.At({"roleRef", "kind"}).AsString() + "/" +
             object.At({"roleRef", "name"}).AsString());
  PushAge(object, now, cells);
}

}  // namespace

std::vector<Printer> ConfigPrinters() {
  return {
      {"", "Namespace", {kName, Text("Status"), kAge}, NamespaceCells},
      {"", "ConfigMap", {kName, Number("Data"), kAge}, ConfigMapCells},
      {"", "Secret", {kName, Text("Type"), Number("Data"), kAge}, SecretCells},
      {"", "ServiceAccount", {kName, Number("Secrets"), kAge}, ServiceAccountCells},
      {"", "Endpoints", {kName, Text("Endpoints"), kAge}, EndpointsCells},
      {"discovery.k8s.io",
       "EndpointSlice",
       {kName, Text("AddressType"), Text("Ports"), Text("Endpoints"), kAge},
       EndpointSliceCells},
      {"coordination.k8s.io", "Lease", {kName, Text("Holder"), kAge}, LeaseCells},
      {"networking.k8s.io",
       "Ingress",
       {kName, Text("Class"), Text("Hosts"), Text("Address"), Text("Ports"), kAge},
       IngressCells},
      {"",
       "PersistentVolumeClaim",
       {kName, Text("Status"), Text("Volume"), Text("Capacity"), Text("Access Modes"),
        Text("StorageClass"), Text("VolumeAttributesClass"), kAge, Text("VolumeMode", 1)},
       PvcCells},
      {"",
       "PersistentVolume",
       {kName, Text("Capacity"), Text("Access Modes"), Text("Reclaim Policy"), Text("Status"),
        Text("Claim"), Text("StorageClass"), Text("VolumeAttributesClass"), Text("Reason"), kAge,
        Text("VolumeMode", 1)},
       PvCells},
      {"apiextensions.k8s.io",
       "CustomResourceDefinition",
       {kName, Text("Created At")},
       CreatedCells},
      {"rbac.authorization.k8s.io", "Role", {kName, Text("Created At")}, CreatedCells},
      {"rbac.authorization.k8s.io", "ClusterRole", {kName, Text("Created At")}, CreatedCells},
      {"rbac.authorization.k8s.io", "RoleBinding", {kName, Text("Role"), kAge}, BindingCells},
      {"rbac.authorization.k8s.io",
       "ClusterRoleBinding",
       {kName, Text("Role"), kAge},
       BindingCells},
  };
}

}  // namespace kinglet::local::printers
