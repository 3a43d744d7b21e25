#include "admission/admitter.h"

#include "admission/inference_service.h"
#include "admission/pod/pod.h"
#include "admission/runtime.h"
#include "api/constants.h"
#include "base/encoding.h"
#include "kube/json_patch.h"
#include "kube/object.h"

namespace kinglet::admission {
namespace {

constexpr int kBadRequest = 400;
constexpr int kServerError = 500;

Response ServerError(const Error& error) { return Response::Deny(kServerError, error.message()); }

Response FromStatus(const Status& status) {
  if (status) return Response::Allow();
  if (status.error().code() == Code::kInvalidArgument) {
    return Response::Forbid(status.error().message());
  }
  return ServerError(status.error());
}

}  // namespace

struct Admitter::Webhook {
  std::string_view path;
  std::string_view name;
  std::string_view group, resource;
  std::string_view operations;
  Response (Admitter::*review)(const Request&) const;
};

// In the order in which they are called.
const Admitter::Webhook Admitter::kWebhooks[] = {
    {"/mutate-serving-kserve-io-v1beta1-inferenceservice",
     "inferenceservice.kserve-webhook-server.defaulter", api::kGroup, "inferenceservices",
     "CREATE UPDATE", &Admitter::DefaultService},
    {"/mutate-pods", "inferenceservice.kserve-webhook-server.pod-mutator", "", "pods", "CREATE",
     &Admitter::MutatePodOf},
    {"/validate-serving-kserve-io-v1beta1-inferenceservice",
     "inferenceservice.kserve-webhook-server.validator", api::kGroup, "inferenceservices",
     "CREATE UPDATE", &Admitter::ValidateService},
    {"/validate-serving-kserve-io-v1alpha1-trainedmodel",
     "trainedmodel.kserve-webhook-server.validator", api::kGroup, "trainedmodels", "CREATE UPDATE",
     &Admitter::ValidateModel},
    {"/validate-serving-kserve-io-v1alpha1-inferencegraph",
     "inferencegraph.kserve-webhook-server.validator", api::kGroup, "inferencegraphs",
     "CREATE UPDATE", &Admitter::ValidateGraph},
    {"/validate-serving-kserve-io-v1alpha1-clusterservingruntime",
     "clusterservingruntime.kserve-webhook-server.validator", api::kGroup, "clusterservingruntimes",
     "CREATE UPDATE", &Admitter::ValidateRuntime},
    {"/validate-serving-kserve-io-v1alpha1-servingruntime",
     "servingruntime.kserve-webhook-server.validator", api::kGroup, "servingruntimes",
     "CREATE UPDATE", &Admitter::ValidateRuntime},
    {"/validate-serving-kserve-io-v1alpha1-localmodelcache",
     "localmodelcache.kserve-webhook-server.validator", api::kGroup, "localmodelcaches",
     "CREATE UPDATE DELETE", &Admitter::ValidateCache},
    {"/validate-localmodelnamespacecaches",
     "localmodelnamespacecache.kserve-webhook-server.validator", api::kGroup,
     "localmodelnamespacecaches", "CREATE UPDATE DELETE", &Admitter::ValidateNamespaceCache},
};

std::span<const WebhookConfiguration> WebhookConfigurations() {
  static constexpr WebhookConfiguration kConfigurations[] = {
      {"inferenceservice.serving.kserve.io", true}, {"inferenceservice.serving.kserve.io"},
      {"trainedmodel.serving.kserve.io"},           {"inferencegraph.serving.kserve.io"},
      {"clusterservingruntime.serving.kserve.io"},  {"servingruntime.serving.kserve.io"},
      {"localmodelcache.serving.kserve.io"},        {"localmodelnamespacecache.serving.kserve.io"},
  };
  return kConfigurations;
}

Admitter::Admitter(kube::Client& client, std::string config_namespace)
    : client_(client), config_namespace_(std::move(config_namespace)) {}

std::optional<Response> Admitter::Review(std::string_view path, const Request& request) const {
  for (const auto& webhook : kWebhooks) {
    if (webhook.path == path) return (this->*webhook.review)(request);
  }
  return std::nullopt;
}

Response Admitter::Admit(const Request& request, std::string* denied_by) const {
  Request current = request;
  Response out;
  for (const auto& webhook : kWebhooks) {
    if (webhook.group != current.group || webhook.resource != current.resource) continue;
    if (webhook.operations.find(current.operation) == std::string_view::npos) continue;
    Response answer = (this->*webhook.review)(current);
    for (auto& warning : answer.warnings) out.warnings.push_back(std::move(warning));
    if (!answer.allowed) {
      if (denied_by) *denied_by = webhook.name;
      answer.warnings = std::move(out.warnings);
      return answer;
    }
    if (answer.object) {
      current.object = *answer.object;
      out.object = std::move(answer.object);
    }
  }
  return out;
}

Result<api::Config> Admitter::ReadConfig() const {
  KINGLET_TRY(Json config_map,
              client_.Get(kube::kConfigMap,
                          {.ns = config_namespace_, .name = std::string(api::kConfigMapName)}));
  return api::ParseConfig(config_map);
}

Response Admitter::DefaultService(const Request& request) const {
  if (auto decoded = api::Decode<api::InferenceService>(request.object); !decoded) {
    return Response::Deny(kBadRequest, decoded.error().message());
  }
  auto config = ReadConfig();
  if (!config) return Response::Forbid(config.error().message());
  std::vector<NamedCache> caches;
  if (config->local_model && config->local_model->enabled) {
    for (const auto* type : {&kube::kLocalModelNamespaceCache, &kube::kLocalModelCache}) {
      auto list = client_.ListAll(*type, request.ns);
      if (!list && type->namespaced && list.error().code() == Code::kNotFound) continue;
      if (!list) return Response::Forbid(list.error().message());
      for (const Json& object : *list) {
        auto spec = api::Decode<api::LocalModelCacheSpec>(object["spec"]);
        if (spec) {
          caches.push_back({kube::Name(object), *std::move(spec), kube::Namespace(object)});
        }
      }
    }
  }
  auto object = DefaultInferenceService(request.object, *config, caches);
  if (!object) return Response::Forbid(object.error().message());
  Response response;
  if (*object != request.object) response.object = *std::move(object);
  return response;
}

Response Admitter::ValidateService(const Request& request) const {
  if (request.operation == "DELETE") return Response::Allow();
  auto isvc = api::Decode<api::InferenceService>(request.object);
  if (!isvc) return Response::Deny(kBadRequest, isvc.error().message());
  if (isvc->name().empty() && !request.name.empty()) isvc->metadata.Set("name", request.name);
  auto config = ReadConfig();
  if (!config) return ServerError(config.error());
  if (request.operation == "UPDATE") {
    // Whatever it says: its finalizer must be able to go.
    if (kube::IsDeleting(request.object)) return Response::Allow();
    if (auto old_isvc = api::Decode<api::InferenceService>(request.old_object)) {
      if (auto valid = ValidateInferenceServiceUpdate(*isvc, *old_isvc); !valid) {
        return FromStatus(valid);
      }
    }
  }
  return FromStatus(ValidateInferenceService(*isvc, *config));
}

Response Admitter::MutatePodOf(const Request& request) const {
  if (!request.object.IsObject()) {
    return Response::Deny(kBadRequest, "there is no content to decode");
  }
  if (!kube::Labels(request.object).Has(api::label::kInferenceService)) return Response::Allow();
  auto config = ReadConfig();
  if (!config) return ServerError(config.error());
  auto pod = MutatePod(request.object, request.ns, *config, client_, config_namespace_);
  if (!pod) return ServerError(pod.error());
  Response response;
  if (*pod != request.object) response.object = *std::move(pod);
  return response;
}

Response Admitter::ValidateRuntime(const Request& request) const {
  if (request.operation == "DELETE") return Response::Allow();
  auto runtime = api::Decode<api::ServingRuntime>(request.object);
  if (!runtime) return Response::Deny(kBadRequest, runtime.error().message());
  const bool cluster = request.resource == "clusterservingruntimes";
  if (cluster) {
    runtime->metadata.Erase("namespace");
  } else {
    runtime->metadata.Set("namespace", request.ns);
  }
  auto list = client_.ListAll(cluster ? kube::kClusterServingRuntime : kube::kServingRuntime,
                              cluster ? "" : request.ns);
  if (!list) return ServerError(list.error());
  std::vector<api::ServingRuntime> existing;
  for (const Json& object : *list) {
    auto other = api::Decode<api::ServingRuntime>(object);
    if (other) existing.push_back(*std::move(other));
  }
  auto config = ReadConfig();
  return FromStatus(
      ValidateServingRuntime(*runtime, existing, config ? *config : api::ParseConfig(Json())));
}

Response Admitter::ValidateGraph(const Request& request) const {
  if (request.operation == "DELETE") return Response::Allow();
  auto spec = api::Decode<api::InferenceGraphSpec>(
      request.object["spec"].IsNull() ? Json::MakeObject() : request.object["spec"]);
  if (!spec) return Response::Deny(kBadRequest, spec.error().message());
  return FromStatus(ValidateInferenceGraph(kube::Name(request.object), *spec));
}

Response Admitter::ValidateModel(const Request& request) const {
  if (request.operation == "DELETE") return Response::Allow();
  auto spec = api::Decode<api::TrainedModelSpec>(request.object["spec"]);
  if (!spec) return Response::Deny(kBadRequest, spec.error().message());
  if (request.operation != "UPDATE") {
    return FromStatus(ValidateTrainedModel(kube::Name(request.object), *spec, nullptr));
  }
  auto old_spec = api::Decode<api::TrainedModelSpec>(request.old_object["spec"]);
  if (!old_spec) return Response::Deny(kBadRequest, old_spec.error().message());
  return FromStatus(ValidateTrainedModel(kube::Name(request.object), *spec, &*old_spec));
}

// Why a cache that is to be deleted is still needed; "" where it is not.
Result<std::string> Admitter::UserOfCache(const Json& cache) const {
  for (const Json& user : cache["status"]["inferenceServices"].AsArray()) {
    KINGLET_TRY(Json isvc, client_.Get(kube::kInferenceService, {.ns = user["namespace"].AsString(),
                                                                 .name = user["name"].AsString()}));
    if (kube::Label(isvc, api::label::kLocalModel) == kube::Name(cache) &&
        kube::Label(isvc, api::label::kLocalModelNamespace) == kube::Namespace(cache)) {
      return kube::KeyOf(isvc).ToString();
    }
  }
  return "";
}

Response Admitter::ValidateCache(const Request& request) const {
  if (request.operation == "DELETE") {
    const Json& object = request.old_object;
    auto user = UserOfCache(object);
    if (!user) return Response::Forbid(user.error().message());
    if (user->empty()) return Response::Allow();
    return Response::Forbid(fmt::format("LocalModelCache {} is being used by InferenceService {}",
                                        kube::Name(object), user->substr(user->find('/') + 1)));
  }
  const Json& object = request.object;
  auto list = client_.ListAll(kube::kLocalModelCache, "");
  if (!list) return ServerError(list.error());
  const Json& uri = object["spec"]["sourceModelUri"];
  for (const Json& other : *list) {
    if (kube::Name(other) == kube::Name(object)) continue;
    if (other["spec"]["sourceModelUri"] == uri) {
      return Response::Forbid(fmt::format("LocalModelCache {} has the same StorageURI {}",
                                          kube::Name(other), uri.AsString()));
    }
  }
  return Response::Allow();
}

Response Admitter::ValidateNamespaceCache(const Request& request) const {
  if (request.operation == "DELETE") {
    const Json& object = request.old_object;
    auto user = UserOfCache(object);
    if (!user) return Response::Forbid(user.error().message());
    if (user->empty()) return Response::Allow();
    return Response::Forbid(
        fmt::format("LocalModelNamespaceCache {} is being used by InferenceService {}",
                    kube::KeyOf(object).ToString(), *user));
  }
  // Its finalizer must be able to go.
  if (kube::IsDeleting(request.object)) return Response::Allow();
  for (const Json& group : request.object["spec"]["nodeGroups"].AsArray()) {
    auto found = client_.Get(kube::kLocalModelNodeGroup, {.ns = "", .name = group.AsString()});
    if (!found) {
      return Response::Forbid(
          fmt::format("NodeGroup {} not found: {}", group.AsString(), found.error().message()));
    }
  }
  return Response::Allow();
}

Result<Json> AnswerReview(const Admitter& admitter, std::string_view path, const Json& review) {
  const Json& asked = review["request"];
  if (!asked.IsObject()) {
    return Fail(Code::kInvalidArgument, "the body is not an AdmissionReview with a request");
  }
  Request request{.operation = asked["operation"].AsString(),
                  .group = asked["kind"]["group"].AsString(),
                  .version = asked["kind"]["version"].AsString(),
                  .kind = asked["kind"]["kind"].AsString(),
                  .resource = asked["resource"]["resource"].AsString(),
                  .ns = asked["namespace"].AsString(),
                  .name = asked["name"].AsString(),
                  .object = asked["object"],
                  .old_object = asked["oldObject"]};
  auto answer = admitter.Review(path, request);
  if (!answer) return Fail(Code::kNotFound, "no webhook at {}", path);
  Json response = Json::MakeObject({{"uid", asked["uid"]}, {"allowed", answer->allowed}});
  Json status = Json::MakeObject({{"code", answer->code}});
  if (!answer->message.empty()) status.Set("message", answer->message);
  response.Set("status", std::move(status));
  if (!answer->warnings.empty()) {
    Json warnings = Json::MakeArray();
    for (auto& warning : answer->warnings) warnings.Push(std::move(warning));
    response.Set("warnings", std::move(warnings));
  }
  if (answer->allowed && answer->object) {
    response.Set("patchType", "JSONPatch");
    response.Set("patch",
                 Base64Encode(kube::CreateJsonPatch(request.object, *answer->object).Dump()));
  }
  return Json::MakeObject({{"apiVersion", review["apiVersion"]},
                           {"kind", review["kind"]},
                           {"response", std::move(response)}});
}

}  // namespace kinglet::admission
