#include "control/predictor_endpoint.h"

namespace kinglet::control {
namespace {

// The last --model_name of a container's arguments: "--model_name=x" or "--model_name", "x".
std::string ModelNameArgument(const Json& container) {
  constexpr std::string_view kFlag = "--model_name";
  std::string name;
  const Json::Array& arguments = container["args"].AsArray();
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i].AsString();
    if (!argument.starts_with(kFlag)) continue;
    argument.remove_prefix(kFlag.size());
    if (argument.starts_with('=')) {
      argument.remove_prefix(1);
      if (argument.find('=') == std::string_view::npos) name = argument;
    } else if (i + 1 < arguments.size() && !arguments[i + 1].AsString().starts_with("--")) {
      name = arguments[i + 1].AsString();
    }
  }
  return name;
}

std::string PredictorModelName(const api::PredictorSpec& predictor) {
  if (predictor.model) {
    const Json* env = api::FindEnv(predictor.model->container, "MLSERVER_MODEL_NAME");
    if (env) return (*env)["value"].AsString();
    return ModelNameArgument(predictor.model->container);
  }
  return ModelNameArgument(predictor.pod["containers"][0]);
}

}  // namespace

std::string PredictPath(std::string_view model, std::string_view protocol) {
  if (protocol == "v1") return fmt::format("/v1/models/{}:predict", model);
  if (protocol == "v2") return fmt::format("/v2/models/{}/infer", model);
  return "";
}

std::string ModelNameOf(const api::InferenceService& isvc) {
  std::string name;
  if (isvc.spec.transformer) name = ModelNameArgument(isvc.spec.transformer->pod["containers"][0]);
  if (name.empty()) name = PredictorModelName(isvc.spec.predictor);
  return name.empty() ? isvc.name() : name;
}

Result<std::string> PredictorEndpoint(const api::InferenceService& isvc) {
  const std::string& address = isvc.status.At({"address", "url"}).AsString();
  if (address.empty()) {
    return Fail(Code::kUnavailable, "service {} is not ready", isvc.name());
  }
  if (isvc.spec.transformer) {
    return address + PredictPath(ModelNameOf(isvc), api::ProtocolOf(*isvc.spec.transformer));
  }
  if (api::IsMultiModel(isvc.spec.predictor)) return address;
  return address + PredictPath(ModelNameOf(isvc), api::ProtocolOf(isvc.spec.predictor));
}

}  // namespace kinglet::control
