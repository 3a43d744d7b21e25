#include "control/trainedmodel/model_config.h"

#include <algorithm>

#include "control/go_json.h"
#include "kube/object.h"
#include "kube/quantity.h"
#include "kube/resource.h"

namespace kinglet::control {
namespace {

constexpr std::string_view kFile = "models.json";
constexpr std::string_view kName = "modelName";

Result<Json> Read(const Json& config_map) {
  const std::string& text = config_map["data"][kFile].AsString();
  if (text.empty()) return Json::MakeArray();
  auto models = Json::Parse(text);
  if (!models || !models->IsArray()) {
    return Fail(Code::kInvalidArgument, "{} of ConfigMap {} is not a list: {}", kFile,
                kube::Name(config_map),
                models ? std::string(models->TypeName()) : models.error().message());
  }
  return *std::move(models);
}

}  // namespace

std::string ModelConfigName(std::string_view inference_service) {
  return fmt::format("modelconfig-{}-0", inference_service);
}

bool IsModelConfigOf(const Json& config_map, std::string_view inference_service) {
  const Json* owner = kube::ControllerOf(config_map);
  return owner && (*owner)["kind"].AsString() == kube::kInferenceService.kind &&
         (*owner)["name"].AsString() == inference_service;
}

Json ModelConfigEntry(const api::TrainedModel& model) {
  Json spec = api::Encode(model.spec.model);
  auto memory = kube::Quantity::FromJson(spec["memory"]);
  if (memory) spec.Set("memory", memory->ToString());
  return Json::MakeObject({{kName, model.name()}, {"modelSpec", std::move(spec)}});
}

Result<bool> PutModelConfig(Json& config_map, const api::TrainedModel& model) {
  KINGLET_TRY(Json models, Read(config_map));
  Json entry = ModelConfigEntry(model);
  auto& list = models.MutableArray();
  auto there = std::ranges::find_if(
      list, [&](const Json& other) { return other[kName].AsString() == model.name(); });
  if (there != list.end() && *there == entry) return false;
  if (there != list.end()) {
    *there = std::move(entry);
  } else {
    list.push_back(std::move(entry));
  }
  config_map.Ref("data").Set(kFile, DumpAsGo(models));
  return true;
}

Result<bool> DropModelConfig(Json& config_map, std::string_view model) {
  KINGLET_TRY(Json models, Read(config_map));
  const auto dropped = std::erase_if(
      models.MutableArray(), [&](const Json& other) { return other[kName].AsString() == model; });
  if (dropped == 0) return false;
  config_map.Ref("data").Set(kFile, DumpAsGo(models));
  return true;
}

}  // namespace kinglet::control
