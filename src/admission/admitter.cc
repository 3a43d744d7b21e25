#include "admission/admitter.h"

#include <set>

#include "admission/inference_service.h"
#include "admission/pod/pod.h"
#include "admission/review.h"
#include "admission/runtime.h"
#include "api/constants.h"
#include "api/core_types.h"
#include "api/storage_uri.h"
#include "api/v1alpha1/inference_graph.h"
#include "api/v1alpha1/trained_model.h"
#include "kube/object.h"

namespace kinglet::admission {
namespace {

constexpr int kBadRequest = 400;
constexpr int kServerError = 500;
constexpr std::string_view kNoContent = "there is no content to decode";

Response ServerError(const Error& error) { return Response::Deny(kServerError, error.message()); }

// What the API server refused is passed on with its code.
Response FromApiServer(const Error& error) {
  return Response::Deny(HttpStatus(error.code()), error.message());
}

Response BadRequest(const Error& error) { return Response::Deny(kBadRequest, error.message()); }

// Where a validator need not look at the objects: the answer.
std::optional<Response> AnswerWithoutObjects(const Request& request) {
  const bool deletes = request.operation == "DELETE", updates = request.operation == "UPDATE";
  if (request.operation == "CONNECT") return Response::Allow();
  if (!deletes && !updates && request.operation != "CREATE") {
    return Response::Deny(kBadRequest, fmt::format("unknown operation \"{}\"", request.operation));
  }
  if ((!deletes && request.object.IsNull()) ||
      ((deletes || updates) && request.old_object.IsNull())) {
    return Response::Deny(kBadRequest, std::string(kNoContent));
  }
  return std::nullopt;
}

// The object, and where it is updated the old one, of `Kind`.
template <class Kind>
struct Objects {
  Kind object;
  std::optional<Kind> old_object;
};

template <class Kind>
Result<Objects<Kind>> DecodeObjects(std::string_view core_type, const Request& request) {
  Objects<Kind> objects;
  if (request.operation == "DELETE") {
    KINGLET_TRY(objects.old_object, api::DecodeObject<Kind>(core_type, request.old_object));
    return objects;
  }
  KINGLET_TRY(objects.object, api::DecodeObject<Kind>(core_type, request.object));
  if (request.operation == "UPDATE") {
    KINGLET_TRY(objects.old_object, api::DecodeObject<Kind>(core_type, request.old_object));
  }
  return objects;
}

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
  const kube::ResourceType& type;
  std::string_view operations;
  Response (Admitter::*review)(const Request&) const;
  bool reads_namespace = false;  // objects of the review's namespace, which it must name
};

// In the order in which they are called.
const Admitter::Webhook Admitter::kWebhooks[] = {
    {"/mutate-serving-kserve-io-v1beta1-inferenceservice",
     "inferenceservice.kserve-webhook-server.defaulter", kube::kInferenceService, "CREATE UPDATE",
     &Admitter::DefaultService, true},
    {"/mutate-pods", "inferenceservice.kserve-webhook-server.pod-mutator", kube::kPod, "CREATE",
     &Admitter::MutatePodOf, true},
    {"/validate-serving-kserve-io-v1beta1-inferenceservice",
     "inferenceservice.kserve-webhook-server.validator", kube::kInferenceService, "CREATE UPDATE",
     &Admitter::ValidateService},
    {"/validate-serving-kserve-io-v1alpha1-trainedmodel",
     "trainedmodel.kserve-webhook-server.validator", kube::kTrainedModel, "CREATE UPDATE",
     &Admitter::ValidateModel},
    {"/validate-serving-kserve-io-v1alpha1-inferencegraph",
     "inferencegraph.kserve-webhook-server.validator", kube::kInferenceGraph, "CREATE UPDATE",
     &Admitter::ValidateGraph},
    {"/validate-serving-kserve-io-v1alpha1-clusterservingruntime",
     "clusterservingruntime.kserve-webhook-server.validator", kube::kClusterServingRuntime,
     "CREATE UPDATE", &Admitter::ValidateRuntime},
    {"/validate-serving-kserve-io-v1alpha1-servingruntime",
     "servingruntime.kserve-webhook-server.validator", kube::kServingRuntime, "CREATE UPDATE",
     &Admitter::ValidateRuntime, true},
    {"/validate-serving-kserve-io-v1alpha1-localmodelcache",
     "localmodelcache.kserve-webhook-server.validator", kube::kLocalModelCache,
     "CREATE UPDATE DELETE", &Admitter::ValidateCache},
    {"/validate-localmodelnamespacecaches",
     "localmodelnamespacecache.kserve-webhook-server.validator", kube::kLocalModelNamespaceCache,
     "CREATE UPDATE DELETE", &Admitter::ValidateNamespaceCache, true},
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
    if (webhook.path != path) continue;
    auto valid = CheckRequest(webhook.type, webhook.reads_namespace, request);
    if (!valid) return BadRequest(valid.error());
    return (this->*webhook.review)(request);
  }
  return std::nullopt;
}

Response Admitter::Admit(const Request& request, std::string* denied_by) const {
  Request current = request;
  Response out;
  for (const auto& webhook : kWebhooks) {
    const kube::ResourceType& type = webhook.type;
    if (type.group != current.group || type.plural != current.resource) continue;
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
  if (request.operation == "DELETE") return Response::Allow();
  if (request.object.IsNull()) return Response::Deny(kBadRequest, std::string(kNoContent));
  auto decoded = api::DecodeObject<api::InferenceService>("InferenceService", request.object);
  if (!decoded) return BadRequest(decoded.error());
  auto config = ReadConfig();
  if (!config) return FromApiServer(config.error());
  std::vector<NamedCache> caches;
  if (config->local_model && config->local_model->enabled) {
    for (const auto* type : {&kube::kLocalModelNamespaceCache, &kube::kLocalModelCache}) {
      auto list = client_.ListAll(*type, request.ns);
      if (!list && type->namespaced && list.error().code() == Code::kNotFound) continue;
      if (!list) return FromApiServer(list.error());
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
  if (auto answer = AnswerWithoutObjects(request)) return *answer;
  auto objects = DecodeObjects<api::InferenceService>("InferenceService", request);
  if (!objects) return BadRequest(objects.error());
  if (request.operation == "DELETE") return Response::Allow();
  if (request.operation == "UPDATE") {
    // Whatever it says: its finalizer must be able to go.
    if (kube::IsDeleting(request.object)) return Response::Allow();
    auto valid = ValidateInferenceServiceUpdate(objects->object, *objects->old_object);
    if (!valid) return FromStatus(valid);
  }
  // Only the names of GPUs may come from it.
  auto config = ReadConfig();
  return FromStatus(
      ValidateInferenceService(objects->object, config ? *config : api::ParseConfig(Json())));
}

Response Admitter::MutatePodOf(const Request& request) const {
  if (request.operation != "CREATE") {
    return Response::Deny(
        kBadRequest,
        fmt::format("operation \"{}\": the pod webhook answers CREATE only", request.operation));
  }
  if (request.object.IsNull()) return Response::Deny(kBadRequest, std::string(kNoContent));
  if (auto types = api::CheckCoreTypes("Pod", request.object); !types) {
    return BadRequest(types.error());
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
  if (request.object.IsNull()) return Response::Deny(kBadRequest, std::string(kNoContent));
  auto runtime = api::DecodeObject<api::ServingRuntime>("ServingRuntime", request.object);
  if (!runtime) return BadRequest(runtime.error());
  const bool cluster = request.resource == "clusterservingruntimes";
  if (cluster) {
    runtime->metadata.Erase("namespace");
  } else if (runtime->ns().empty()) {
    runtime->metadata.Set("namespace", request.ns);
  }
  auto list = client_.ListAll(cluster ? kube::kClusterServingRuntime : kube::kServingRuntime,
                              runtime->ns());
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
  if (auto answer = AnswerWithoutObjects(request)) return *answer;
  auto graphs = DecodeObjects<api::InferenceGraph>("Object", request);
  if (!graphs) return BadRequest(graphs.error());
  if (request.operation == "DELETE") return Response::Allow();
  return FromStatus(ValidateInferenceGraph(kube::Name(request.object), graphs->object.spec));
}

Response Admitter::ValidateModel(const Request& request) const {
  if (auto answer = AnswerWithoutObjects(request)) return *answer;
  auto models = DecodeObjects<api::TrainedModel>("Object", request);
  if (!models) return BadRequest(models.error());
  if (request.operation == "DELETE") return Response::Allow();
  return FromStatus(ValidateTrainedModel(kube::Name(request.object), models->object.spec,
                                         models->old_object ? &models->old_object->spec : nullptr));
}

// Who needs a cache that is to be deleted, as its message says it; "" where nobody does.
Result<std::string> Admitter::UserOfCache(const Json& cache) const {
  auto uses = [&](const Json& service) {
    return kube::Label(service, api::label::kLocalModel) == kube::Name(cache) &&
           kube::Label(service, api::label::kLocalModelNamespace) == kube::Namespace(cache);
  };
  auto say = [&](const kube::ResourceType& type, const Json& service) {
    return fmt::format(
        "{} {}", type.kind,
        kube::Namespace(cache).empty() ? kube::Name(service) : kube::KeyOf(service).ToString());
  };
  for (const Json& user : cache["status"]["inferenceServices"].AsArray()) {
    const std::string& name = user["name"].AsString();
    const std::string& ns = user["namespace"].AsString();
    auto found = client_.Get(kube::kInferenceService, {.ns = ns, .name = name});
    if (ns.empty() || (!found && found.error().code() == Code::kNotFound)) {
      return Fail(Code::kNotFound, "InferenceService.{} \"{}\" not found", api::kGroup, name);
    }
    KINGLET_TRY(Json isvc, std::move(found));
    if (uses(isvc)) return say(kube::kInferenceService, isvc);
  }
  for (const Json& user : cache["status"]["llmInferenceServices"].AsArray()) {
    auto found = client_.Get(kube::kLlmInferenceService,
                             {.ns = user["namespace"].AsString(), .name = user["name"].AsString()});
    if (!found && found.error().code() == Code::kNotFound) continue;
    KINGLET_TRY(Json service, std::move(found));
    if (uses(service)) return say(kube::kLlmInferenceService, service);
  }
  return "";
}

Response Admitter::ValidateCache(const Request& request) const {
  if (auto answer = AnswerWithoutObjects(request)) return *answer;
  const bool deletes = request.operation == "DELETE";
  const Json& cache = deletes ? request.old_object : request.object;
  if (auto types = api::CheckCoreTypes("Object", cache); !types) return BadRequest(types.error());
  const Json& cache_spec = cache["spec"];
  auto spec =
      api::Decode<api::LocalModelCacheSpec>(cache_spec.IsNull() ? Json::MakeObject() : cache_spec);
  if (!spec) return BadRequest(spec.error());
  if (deletes) {
    auto user = UserOfCache(cache);
    if (!user) return FromApiServer(user.error());
    if (user->empty()) return Response::Allow();
    return Response::Forbid(
        fmt::format("LocalModelCache {} is being used by {}", kube::Name(cache), *user));
  }
  auto list = client_.ListAll(kube::kLocalModelCache, "");
  if (!list) return ServerError(list.error());
  for (const Json& other : *list) {
    if (kube::Name(other) == kube::Name(cache)) continue;
    if (other["spec"]["sourceModelUri"].AsString() == spec->source_model_uri) {
      return Response::Forbid(fmt::format("LocalModelCache {} has the same StorageURI {}",
                                          kube::Name(other), spec->source_model_uri));
    }
  }
  return Response::Allow();
}

Response Admitter::ValidateNamespaceCache(const Request& request) const {
  if (request.operation == "DELETE") {
    const Json& object = request.old_object;
    auto user = UserOfCache(object);
    if (!user) return FromApiServer(user.error());
    if (user->empty()) return Response::Allow();
    return Response::Forbid(fmt::format("LocalModelNamespaceCache {} is being used by {}",
                                        kube::KeyOf(object).ToString(), *user));
  }
  // Its finalizer must be able to go.
  if (kube::IsDeleting(request.object)) return Response::Allow();
  const std::string& uri = request.object["spec"]["sourceModelUri"].AsString();
  if (api::NamesLocalFiles(uri)) {
    return Response::Forbid(
        fmt::format("sourceModelUri {} names files where downloads run: a LocalModelNamespaceCache "
                    "must come from a store",
                    uri));
  }
  // Each costs calls, whose rate all users share: one that is repeated is looked up once.
  std::set<std::string> groups;
  for (const Json& group : request.object["spec"]["nodeGroups"].AsArray()) {
    groups.insert(group.AsString());
  }
  for (const std::string& group : groups) {
    auto found = client_.Get(kube::kLocalModelNodeGroup, {.ns = "", .name = group});
    if (!found) {
      return Response::Forbid(
          fmt::format("NodeGroup {} not found: {}", group, found.error().message()));
    }
    if (request.operation != "CREATE") continue;
    // With one claim for two caches, InferenceServices of one would serve the model of the other.
    const kube::ObjectKey claim{.ns = request.ns,
                                .name = fmt::format("{}-{}", kube::Name(request.object), group)};
    auto taken = client_.Get(kube::kPersistentVolumeClaim, claim);
    if (taken) {
      const Json* owner = kube::ControllerOf(*taken);
      if (!owner || !(*owner)["kind"].AsString().starts_with("LocalModel") ||
          ((*owner)["kind"].AsString() == kube::kLocalModelNamespaceCache.kind &&
           (*owner)["name"] == request.object["metadata"]["name"])) {
        continue;
      }
      return Response::Forbid(fmt::format(
          "PersistentVolumeClaim {}, whose name this cache's claim would have, belongs to {} {}: "
          "choose another name",
          claim.ToString(), (*owner)["kind"].AsString(), (*owner)["name"].AsString()));
    }
    if (taken.error().code() != Code::kNotFound) return ServerError(taken.error());
  }
  return Response::Allow();
}

}  // namespace kinglet::admission
