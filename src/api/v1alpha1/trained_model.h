// serving.kserve.io/v1alpha1 TrainedModel: pure values.
#pragma once

#include <string>

#include "api/descriptor.h"

namespace kinglet::api {

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

struct TrainedModel {
  Json metadata;
  TrainedModelSpec spec;
  Json status;
  bool operator==(const TrainedModel&) const = default;
  static const Struct<TrainedModel>& Describe();

  const std::string& name() const { return metadata["name"].AsString(); }
  const std::string& ns() const { return metadata["namespace"].AsString(); }
};

}  // namespace kinglet::api
