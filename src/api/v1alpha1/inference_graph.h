// serving.kserve.io/v1alpha1 InferenceGraph: pure values.
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
  bool map_predictions_to_instances = false;  // since KServe 0.16
  bool operator==(const InferenceStep&) const = default;
  static const Struct<InferenceStep>& Describe();
};

struct InferenceRouter {
  std::string router_type;
  std::vector<InferenceStep> steps;
  bool operator==(const InferenceRouter&) const = default;
  static const Struct<InferenceRouter>& Describe();
};

// Since KServe 0.16; in seconds.
struct RouterTimeouts {
  std::optional<int64_t> server_read, server_write, server_idle, service_client;
  bool operator==(const RouterTimeouts&) const = default;
  static const Struct<RouterTimeouts>& Describe();
};

struct InferenceGraphSpec {
  std::map<std::string, InferenceRouter> nodes;
  Json resources, affinity;
  std::vector<Json> tolerations;
  std::map<std::string, std::string> node_selector;
  std::string node_name, service_account_name;
  std::optional<int64_t> timeout;
  std::optional<RouterTimeouts> router_timeouts;
  std::optional<int32_t> min_replicas, scale_target;
  int32_t max_replicas = 0;
  std::optional<std::string> scale_metric;
  bool operator==(const InferenceGraphSpec&) const = default;
  static const Struct<InferenceGraphSpec>& Describe();
};

struct InferenceGraph {
  Json metadata;
  InferenceGraphSpec spec;
  Json status;
  bool operator==(const InferenceGraph&) const = default;
  static const Struct<InferenceGraph>& Describe();

  const std::string& name() const { return metadata["name"].AsString(); }
  const std::string& ns() const { return metadata["namespace"].AsString(); }
};

}  // namespace kinglet::api
