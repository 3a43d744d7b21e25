#include "control/inferenceservice/ca_bundle.h"

#include "base/log.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kFile = "cabundle.crt";
constexpr std::string_view kCopyName = "global-ca-bundle";

Result<std::string> ReadBundle(kube::Client& client, const std::string& name,
                               std::string_view config_namespace) {
  auto source = client.Get(kube::kConfigMap, {.ns = std::string(config_namespace), .name = name});
  if (!source) {
    return Unexpected(source.error().WithContext(
        fmt::format("failed to get configmap {} from the cluster", name)));
  }
  const std::string& bundle = (*source)["data"][kFile].AsString();
  if (bundle.empty()) {
    return Fail(Code::kFailedPrecondition,
                "specified cabundle file {} not found in cabundle configmap {}", kFile, name);
  }
  return bundle;
}

Status WriteCopy(kube::Client& client, const kube::ObjectKey& key, const std::string& bundle) {
  Json data = Json::MakeObject({{kFile, bundle}});
  auto present = client.Get(kube::kConfigMap, key);
  if (!present) {
    if (present.error().code() != Code::kNotFound) return Unexpected(present.error());
    Json copy = kube::MakeObjectMeta("v1", "ConfigMap", key);
    copy.Set("data", std::move(data));
    LogInfo("CA bundle copied", {{"configmap", key.ToString()}});
    KINGLET_RETURN_IF_ERROR(client.Create(kube::kConfigMap, copy));
    return {};
  }
  if ((*present)["data"] == data) return {};
  present->Set("data", std::move(data));
  LogInfo("CA bundle updated", {{"configmap", key.ToString()}});
  auto updated = client.Update(kube::kConfigMap, *present);
  if (!updated)
    return Unexpected(updated.error().WithContext("fails to update cabundle configmap"));
  return {};
}

}  // namespace

Status CopyCaBundle(kube::Client& client, const api::Config& config,
                    std::string_view config_namespace, std::string_view ns) {
  // A section that cannot be used is told about where it is read; it names no bundle.
  if (!config.storage_initializer) return {};
  const std::string& name = config.storage_initializer->ca_bundle_config_map_name;
  if (name.empty()) return {};
  auto bundle = ReadBundle(client, name, config_namespace);
  if (!bundle) {
    return Unexpected(bundle.error().WithContext(
        "fails to get cabundle configmap for creating to user namespace"));
  }
  auto written =
      WriteCopy(client, {.ns = std::string(ns), .name = std::string(kCopyName)}, *bundle);
  if (!written) {
    return Unexpected(written.error().WithContext("fails to reconcile cabundle configmap"));
  }
  return {};
}

}  // namespace kinglet::control
