#include <algorithm>
#include <array>

#include "admission/inference_service.h"
#include "api/constants.h"
#include "base/log.h"

namespace kinglet::admission {
namespace {

// A framework field becomes `model`; the object is changed as it is, so that nothing of it is lost.
void ConvertFramework(Json& predictor) {
  for (const auto& framework : api::Frameworks()) {
    const Json* field = predictor.Find(framework.name);
    if (!field || !field->IsObject()) continue;
    Json model = *field;
    predictor.Erase(framework.name);
    model.Set("modelFormat", Json::MakeObject({{"name", framework.name}}));
    const bool speaks_v2 =
        framework.name == "triton" || framework.name == "onnx" || framework.name == "huggingface";
    if (speaks_v2 && model["protocolVersion"].IsNull()) model.Set("protocolVersion", "v2");
    predictor.Set("model", std::move(model));
    return;
  }
}

// Clients with KServe's types read the format of every model.
void DefaultFormat(Json& predictor) {
  Json* model = predictor.Find("model");
  if (!model || !model->IsObject() || !(*model)["modelFormat"].IsNull()) return;
  model->Set("modelFormat", Json::MakeObject({{"name", ""}}));
}

void DefaultTriton(Json& predictor) {
  Json* model = predictor.Find("model");
  if (!model || !model->IsObject()) return;
  if ((*model)["modelFormat"]["name"].AsString() == "triton" &&
      (*model)["protocolVersion"].IsNull()) {
    model->Set("protocolVersion", "v2");
  }
}

void FillResources(Json& container, const api::ResourceDefaults& defaults) {
  auto fill = [&](std::string_view list, std::string_view name, const std::string& amount) {
    if (amount.empty() || container["resources"][list].Has(name)) return;
    container.Path({"resources", list, name}) = amount;
  };
  fill("limits", "cpu", defaults.cpu_limit);
  fill("limits", "memory", defaults.memory_limit);
  fill("requests", "cpu", defaults.cpu_request);
  fill("requests", "memory", defaults.memory_request);
}

// The container of a component that is served by a container of its own.
void DefaultCustom(Json& component, bool is_predictor, const api::ResourceDefaults& defaults) {
  Json* list = component.Find("containers");
  if (!list || list->empty()) return;
  auto& containers = list->MutableArray();
  if (!is_predictor || containers.size() == 1 || containers[0]["name"].AsString().empty()) {
    containers[0].Set("name", api::kKserveContainer);
  }
  FillResources(containers[0], defaults);
}

void DefaultArt(Json& explainer, const api::ExplainerConfig& config,
                const api::ResourceDefaults& defaults) {
  Json& art = explainer.Ref("art");
  art.Set("name", api::kKserveContainer);
  if (art["runtimeVersion"].IsNull()) art.Set("runtimeVersion", config.default_image_version);
  FillResources(art, defaults);
}

void DefaultComponents(const api::InferenceServiceSpec& spec, bool model_mesh,
                       const api::ExplainerConfig& art, const api::ResourceDefaults& resources,
                       Json& object) {
  using Kind = api::Implementation::Kind;
  Json& out = object.Ref("spec");
  auto only = [](const std::vector<api::Implementation>& implementations)
      -> std::optional<api::Implementation::Kind> {
    if (implementations.size() != 1) return std::nullopt;
    return implementations[0].kind;
  };
  if (spec.transformer && only(api::Implementations(*spec.transformer)) == Kind::kCustom) {
    DefaultCustom(out.Ref("transformer"), false, resources);
  }
  if (spec.explainer) {
    auto kind = only(api::Implementations(*spec.explainer));
    if (kind == Kind::kArt) DefaultArt(out.Ref("explainer"), art, resources);
    if (kind == Kind::kCustom) DefaultCustom(out.Ref("explainer"), false, resources);
  }
  if (!model_mesh && only(api::Implementations(spec.predictor)) == Kind::kCustom) {
    DefaultCustom(out.Ref("predictor"), true, resources);
  }
}

// Which cache a service uses is this webhook's word: what users wrote about it is removed.
void ForgetLocalModel(Json& object) {
  Json& metadata = object.Ref("metadata");
  for (auto [map, keys] :
       {std::pair("labels", std::array{api::label::kLocalModel, api::label::kLocalModelNamespace}),
        std::pair("annotations", std::array{api::annotation::kLocalModelSourceUri,
                                            api::annotation::kLocalModelPvcName})}) {
    Json* found = metadata.Find(map);
    if (!found || !found->IsObject()) continue;
    for (std::string_view key : keys) found->Erase(key);
  }
}

// Whether a claim of that name is, or would be, one of a cache of the namespace.
bool IsClaimOfNamespaceCache(std::span<const NamedCache> caches, const std::string& claim) {
  return std::ranges::any_of(caches, [&](const NamedCache& cache) {
    return !cache.ns.empty() &&
           std::ranges::any_of(cache.spec.node_groups, [&](const std::string& group) {
             return claim == fmt::format("{}-{}", cache.name, group);
           });
  });
}

void AssignLocalModel(const api::InferenceServiceSpec& spec, std::span<const NamedCache> caches,
                      Json& object) {
  auto uri = api::StorageUriOf(spec.predictor);
  if (!uri) return;
  for (const auto& cache : caches) {
    if (!cache.spec.Matches(*uri)) continue;
    Json& metadata = object.Ref("metadata");
    const auto& groups = cache.spec.node_groups;
    const std::string group = metadata["annotations"][api::annotation::kNodeGroup].StringOr(
        groups.empty() ? "" : groups[0]);
    if (!cache.ns.empty() && std::ranges::find(groups, group) == groups.end()) continue;
    const std::string claim = fmt::format("{}-{}", cache.name, group);
    // Its claim would show the model of the namespace's cache.
    if (cache.ns.empty() && IsClaimOfNamespaceCache(caches, claim)) continue;
    metadata.Path({"labels", api::label::kLocalModel}) = cache.name;
    if (!cache.ns.empty()) metadata.Path({"labels", api::label::kLocalModelNamespace}) = cache.ns;
    metadata.Path({"annotations", api::annotation::kLocalModelSourceUri}) =
        cache.spec.source_model_uri;
    metadata.Path({"annotations", api::annotation::kLocalModelPvcName}) = claim;
    return;
  }
}

void DisableTokens(Json& object) {
  for (auto name : {"predictor", "transformer", "explainer"}) {
    Json* component = object.Ref("spec").Find(name);
    if (!component || !component->IsObject()) continue;
    if ((*component)["automountServiceAccountToken"].IsNull()) {
      component->Set("automountServiceAccountToken", false);
    }
  }
}

}  // namespace

Result<Json> DefaultInferenceService(const Json& object, const api::Config& config,
                                     std::span<const NamedCache> caches) {
  if (!config.explainers) return Unexpected(config.explainers.error());
  if (!config.inference_service) return Unexpected(config.inference_service.error());
  if (!config.deploy) return Unexpected(config.deploy.error());
  if (!config.local_model) return Unexpected(config.local_model.error());
  if (!config.security) return Unexpected(config.security.error());

  Json out = object;
  const Json original_mode = object["metadata"]["annotations"][api::annotation::kDeploymentMode];
  // The mode that is recorded stays, whatever the configuration says meanwhile.
  if (original_mode.IsNull() && config.deploy->mode != api::Mode::kServerless &&
      object["status"]["deploymentMode"].IsNull()) {
    out.Path({"metadata", "annotations", api::annotation::kDeploymentMode}) =
        config.deploy->default_deployment_mode;
  }
  if (config.latest && original_mode.IsString()) {
    auto mode = api::ParseMode(original_mode.AsString());
    if (mode && *mode != api::Mode::kModelMesh) {
      out.Path({"metadata", "annotations", api::annotation::kDeploymentMode}) =
          api::LaterModeName(*mode);
    }
  }
  const bool model_mesh = original_mode.AsString() == api::kModeModelMesh;
  Json& predictor = out.Path({"spec", "predictor"});
  if (predictor.IsNull()) predictor = Json::MakeObject();
  DefaultFormat(predictor);
  if (!model_mesh) {
    ConvertFramework(predictor);
    DefaultTriton(predictor);
  }
  KINGLET_TRY(auto isvc, api::Decode<api::InferenceService>(out));
  DefaultComponents(isvc.spec, model_mesh, config.explainers->art,
                    config.inference_service->resource, out);
  ForgetLocalModel(out);
  if (!isvc.HasAnnotation(api::annotation::kDisableLocalModel)) {
    AssignLocalModel(isvc.spec, caches, out);
  }
  if (!config.security->auto_mount_service_account_token) DisableTokens(out);
  // Clients with KServe's types read modelStatus from the first answer on.
  Json& model_status = out.Path({"status", "modelStatus"});
  if (model_status["transitionStatus"].IsNull()) model_status.Set("transitionStatus", "");
  return out;
}

}  // namespace kinglet::admission
