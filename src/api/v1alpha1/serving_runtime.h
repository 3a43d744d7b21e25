// serving.kserve.io/v1alpha1 ServingRuntime and ClusterServingRuntime: pure values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/descriptor.h"
#include "api/v1beta1/inference_service.h"

namespace kinglet::api {

struct SupportedModelFormat {
  std::string name;
  std::optional<std::string> version;
  std::optional<bool> auto_select;
  std::optional<int32_t> priority;
  bool operator==(const SupportedModelFormat&) const = default;
  static const Struct<SupportedModelFormat>& Describe();
  bool AutoSelects() const { return auto_select.value_or(false); }
};

struct StorageHelper {
  bool disabled = false;
  bool operator==(const StorageHelper&) const = default;
  static const Struct<StorageHelper>& Describe();
};

struct BuiltInAdapter {
  std::string server_type;
  std::optional<int32_t> runtime_management_port, mem_buffer_bytes, model_loading_timeout_millis;
  std::vector<Json> env;
  bool operator==(const BuiltInAdapter&) const = default;
  static const Struct<BuiltInAdapter>& Describe();
};

struct ServingRuntimeSpec {
  std::vector<SupportedModelFormat> supported_model_formats;
  std::optional<bool> multi_model, disabled;
  std::vector<std::string> protocol_versions;
  std::optional<WorkerSpec> worker_spec;
  std::optional<std::string> grpc_endpoint, grpc_data_endpoint, http_data_endpoint;
  std::optional<int32_t> replicas;
  std::optional<StorageHelper> storage_helper;
  std::optional<BuiltInAdapter> built_in_adapter;
  Json pod;  // containers, volumes, nodeSelector, affinity, tolerations, labels, annotations ...
  bool operator==(const ServingRuntimeSpec&) const = default;
  static const Struct<ServingRuntimeSpec>& Describe();

  bool IsDisabled() const { return disabled.value_or(false); }
  bool IsMultiModel() const { return multi_model.value_or(false); }
  // True where either side names none.
  bool SupportsProtocol(std::string_view protocol) const;
  // The priority of the first entry of that format.
  std::optional<int32_t> PriorityOf(std::string_view format) const;
};

// Either kind: a cluster-scoped one has no namespace.
struct ServingRuntime {
  Json metadata;
  ServingRuntimeSpec spec;
  Json status;
  bool operator==(const ServingRuntime&) const = default;
  static const Struct<ServingRuntime>& Describe();
  const std::string& name() const { return metadata["name"].AsString(); }
  const std::string& ns() const { return metadata["namespace"].AsString(); }
};

// v1 before v2 before grpc-v1 before grpc-v2 before what is unknown: 1 to 5.
int ProtocolRank(std::string_view protocol);

}  // namespace kinglet::api
