#include "control/trainedmodel/status.h"

#include "api/constants.h"
#include "control/predictor_endpoint.h"
#include "kube/conditions.h"
#include "kube/object.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kServiceReady = "InferenceServiceReady";
constexpr std::string_view kIsMultiModel = "IsMMSPredictor";
constexpr std::string_view kMemoryAvailable = "MemoryResourceAvailable";

const Json& ContainerOf(const api::PredictorSpec& predictor) {
  static const Json kNone;
  auto implementations = api::Implementations(predictor);
  if (implementations.empty()) return kNone;
  if (implementations[0].extension) return implementations[0].extension->container;
  const Json* container = api::FindContainer(predictor.pod["containers"], api::kKserveContainer);
  return container ? *container : kNone;
}

}  // namespace

Json ParentService::ToJson() const {
  return Json::MakeObject({{"ready", ready},
                           {"multiModel", multi_model},
                           {"memory", memory.ToString()},
                           {"url", url},
                           {"address", address},
                           {"protocol", protocol}});
}

ParentService ParentService::FromJson(const Json& value) {
  return {.ready = value["ready"].AsBool(),
          .multi_model = value["multiModel"].AsBool(),
          .memory = kube::Quantity::FromJson(value["memory"]).value_or(kube::Quantity()),
          .url = value["url"].AsString(),
          .address = value["address"].AsString(),
          .protocol = value["protocol"].AsString()};
}

ParentService ParentServiceOf(const api::InferenceService& isvc) {
  const api::PredictorSpec& predictor = isvc.spec.predictor;
  const Json& limit = ContainerOf(predictor).At({"resources", "limits", "memory"});
  return {.ready = kube::IsConditionTrue(Json::MakeObject({{"status", isvc.status}}), "Ready"),
          .multi_model = !api::Implementations(predictor).empty() && api::IsMultiModel(predictor),
          .memory = kube::Quantity::FromJson(limit).value_or(kube::Quantity()),
          .url = isvc.status["url"].AsString(),
          .address = isvc.status.At({"address", "url"}).AsString(),
          .protocol = api::ProtocolOf(predictor)};
}

std::string SetTrainedModelStatus(Json& model, const ParentService& parent, bool memory_available,
                                  const Clock& clock) {
  const std::string name = kube::Name(model);
  const std::string service = model["spec"]["inferenceService"].AsString();
  kube::ConditionSet conditions(
      model, "Ready",
      {std::string(kServiceReady), std::string(kMemoryAvailable), std::string(kIsMultiModel)},
      clock);
  std::string waits;
  if (parent.ready) {
    conditions.MarkTrue(kServiceReady);
  } else {
    conditions.MarkFalse(kServiceReady, "InferenceServiceNotReady",
                         "Inference Service needs to be ready before Trained Model can be ready");
    waits = fmt::format("Inference Service \"{}\" is not ready. Trained Model \"{}\" cannot deploy",
                        service, name);
  }
  if (parent.multi_model) {
    conditions.MarkTrue(kIsMultiModel);
  } else {
    conditions.MarkFalse(kIsMultiModel, "IsNotMMSPredictor",
                         "Inference Service predictor is not configured for multi-model serving");
    waits = fmt::format(
        "Inference Service \"{}\" predictor is not configured for multi-model serving. Trained "
        "Model \"{}\" cannot deploy",
        service, name);
  }
  if (memory_available) {
    conditions.MarkTrue(kMemoryAvailable);
  } else {
    conditions.MarkFalse(
        kMemoryAvailable, "MemoryResourceNotAvailable",
        "Inference Service does not have enough memory resources for Trained Model");
    waits = fmt::format(
        "Inference Service \"{}\" memory resources are not available. Trained Model \"{}\" cannot "
        "deploy",
        service, name);
  }
  if (!waits.empty()) return waits;
  const std::string path = PredictPath(name, parent.protocol);
  Json& status = model.Ref("status");
  if (!parent.url.empty()) status.Set("url", parent.url + path);
  if (!parent.address.empty()) {
    status.Set("address", Json::MakeObject({{"url", parent.address + path}}));
  }
  return "";
}

}  // namespace kinglet::control
