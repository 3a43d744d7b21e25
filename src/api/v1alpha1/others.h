// serving.kserve.io/v1alpha1: storage containers and the local model cache.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/descriptor.h"

namespace kinglet::api {

namespace label {
// The namespace of the LocalModelNamespaceCache that label kLocalModel names.
inline constexpr std::string_view kLocalModelNamespace =
    "internal.serving.kserve.io/localmodel-namespace";
}  // namespace label

struct SupportedUriFormat {
  std::string prefix, regex;
  bool operator==(const SupportedUriFormat&) const = default;
  static const Struct<SupportedUriFormat>& Describe();
};

struct StorageContainerSpec {
  Json container;
  std::vector<SupportedUriFormat> supported_uri_formats;
  std::string workload_type;  // initContainer (also when empty) or localModelDownloadJob
  bool supports_multi_model_download = false;  // takes several pairs of URI and path
  bool operator==(const StorageContainerSpec&) const = default;
  static const Struct<StorageContainerSpec>& Describe();

  // kInvalidArgument for a regular expression that cannot be read.
  Result<bool> Supports(std::string_view uri) const;
  bool IsInitContainer() const { return workload_type.empty() || workload_type == "initContainer"; }
};

struct ClusterStorageContainer {
  Json metadata;
  StorageContainerSpec spec;
  bool disabled = false;
  bool operator==(const ClusterStorageContainer&) const = default;
  static const Struct<ClusterStorageContainer>& Describe();
};

// Credentials of downloads, from the storage secret in the namespace of download jobs.
struct LocalModelStorageSpec {
  std::optional<std::string> key;  // without one: the secrets of the service account
  std::map<std::string, std::string> parameters;
  bool operator==(const LocalModelStorageSpec&) const = default;
  static const Struct<LocalModelStorageSpec>& Describe();
};

// Of LocalModelCache and LocalModelNamespaceCache alike.
struct LocalModelCacheSpec {
  std::string source_model_uri;
  Quantity model_size;
  std::vector<std::string> node_groups;
  std::string service_account_name;
  std::optional<LocalModelStorageSpec> storage;
  bool operator==(const LocalModelCacheSpec&) const = default;
  static const Struct<LocalModelCacheSpec>& Describe();
  // The same URI, or one below it.
  bool Matches(std::string_view storage_uri) const;
};

struct LocalModelInfo {
  std::string source_model_uri, model_name;
  std::string ns;          // of a LocalModelNamespaceCache
  std::string node_group;  // whose volumes it lies on; said since there are namespace caches
  std::string service_account_name;
  std::optional<LocalModelStorageSpec> storage;
  bool operator==(const LocalModelInfo&) const = default;
  static const Struct<LocalModelInfo>& Describe();
};

struct LocalModelNodeSpec {
  std::vector<LocalModelInfo> local_models;
  bool operator==(const LocalModelNodeSpec&) const = default;
  static const Struct<LocalModelNodeSpec>& Describe();
};

struct LocalModelNodeGroupSpec {
  Quantity storage_limit;
  Json persistent_volume_spec, persistent_volume_claim_spec;
  bool operator==(const LocalModelNodeGroupSpec&) const = default;
  static const Struct<LocalModelNodeGroupSpec>& Describe();
};

}  // namespace kinglet::api
