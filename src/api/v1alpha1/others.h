// serving.kserve.io/v1alpha1: graphs, trained models, storage containers and the local model cache.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/descriptor.h"

namespace kinglet::api {

struct InferenceStep {
  std::string name;
  std::string node_name, service_name, service_url;  // exactly one
  std::string data, condition, dependency;
  std::optional<int64_t> weight;
  bool operator==(const InferenceStep&) const = default;
  static const Struct<InferenceStep>& Describe();
};

struct InferenceRouter {
  std::string router_type;
  std::vector<InferenceStep> steps;
  bool operator==(const InferenceRouter&) const = default;
  static const Struct<InferenceRouter>& Describe();
};

struct InferenceGraphSpec {
  std::map<std::string, InferenceRouter> nodes;
  Json resources, affinity;
  std::vector<Json> tolerations;
  std::map<std::string, std::string> node_selector;
  std::string node_name, service_account_name;
  std::optional<int64_t> timeout;
  std::optional<int32_t> min_replicas, scale_target;
  int32_t max_replicas = 0;
  std::optional<std::string> scale_metric;
  bool operator==(const InferenceGraphSpec&) const = default;
  static const Struct<InferenceGraphSpec>& Describe();
};

struct TrainedModelDetails {
  std::string storage_uri, framework;
  Quantity memory;
  bool operator==(const TrainedModelDetails&) const = default;
  static const Struct<TrainedModelDetails>& Describe();
};

struct TrainedModelSpec {
  std::string inference_service;
  TrainedModelDetails model;
  bool operator==(const TrainedModelSpec&) const = default;
  static const Struct<TrainedModelSpec>& Describe();
};

struct SupportedUriFormat {
  std::string prefix, regex;
  bool operator==(const SupportedUriFormat&) const = default;
  static const Struct<SupportedUriFormat>& Describe();
};

struct StorageContainerSpec {
  Json container;
  std::vector<SupportedUriFormat> supported_uri_formats;
  std::string workload_type;  // initContainer (also when empty) or localModelDownloadJob
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

struct LocalModelCacheSpec {
  std::string source_model_uri;
  Quantity model_size;
  std::vector<std::string> node_groups;
  bool operator==(const LocalModelCacheSpec&) const = default;
  static const Struct<LocalModelCacheSpec>& Describe();
  // The same URI, or one below it.
  bool Matches(std::string_view storage_uri) const;
};

struct LocalModelInfo {
  std::string source_model_uri, model_name;
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
