#include "api/v1alpha1/trained_model.h"

namespace kinglet::api {

const Struct<TrainedModelDetails>& TrainedModelDetails::Describe() {
  using S = TrainedModelDetails;
  static const auto d =
      Struct<S>("A model.")
          .Field("storageUri", &S::storage_uri, "Where it is.", {.required = true})
          .Field("framework", &S::framework, "Its format.", {.required = true})
          .Field("memory", &S::memory, "What it takes.", {.required = true});
  return d;
}

const Struct<TrainedModelSpec>& TrainedModelSpec::Describe() {
  using S = TrainedModelSpec;
  static const auto d =
      Struct<S>("A model that is loaded into a running InferenceService.")
          .Field("inferenceService", &S::inference_service, "Which.", {.required = true})
          .Field("model", &S::model, "The model.", {.required = true});
  return d;
}

const Struct<TrainedModel>& TrainedModel::Describe() {
  using S = TrainedModel;
  static const auto d = Struct<S>("A model that is loaded into a running InferenceService.")
                            .Field("metadata", &S::metadata, "")
                            .Field("spec", &S::spec, "")
                            .Field("status", &S::status, "")
                            .PreserveUnknown();
  return d;
}

}  // namespace kinglet::api
