#include "api/kinds.h"

#include <algorithm>

#include "api/constants.h"
#include "api/v1alpha1/inference_graph.h"
#include "api/v1alpha1/others.h"
#include "api/v1alpha1/serving_runtime.h"
#include "api/v1alpha1/trained_model.h"
#include "api/v1beta1/inference_service.h"
#include "api/v1beta1/inference_service_status.h"

namespace kinglet::api {
namespace {

Json Text() { return Json::MakeObject({{"type", "string"}}); }

Json MapOfStates(std::initializer_list<Json> states) {
  Json values = Text();
  values.Set("enum", Json::MakeArray(states));
  return Json::MakeObject({{"type", "object"}, {"additionalProperties", std::move(values)}});
}

Json QuantitySchema() { return internal::Codec<Quantity>::Schema(); }

// apiVersion, kind, metadata, spec, status and what else there is.
Json ObjectSchema(Json spec, Json status, bool spec_required = false) {
  Json properties = Json::MakeObject({{"apiVersion", Text()},
                                      {"kind", Text()},
                                      {"metadata", Json::MakeObject({{"type", "object"}})},
                                      {"spec", std::move(spec)}});
  if (!status.IsNull()) properties.Set("status", std::move(status));
  Json schema = Json::MakeObject({{"type", "object"}, {"properties", std::move(properties)}});
  if (spec_required) schema.Set("required", Json::MakeArray({"spec"}));
  return schema;
}

Json DuckStatus(std::initializer_list<Json::Member> more) {
  Json status = OpenObject(
      {{"observedGeneration", Json::MakeObject({{"type", "integer"}, {"format", "int64"}})},
       {"annotations", Json::MakeObject({{"type", "object"}, {"additionalProperties", Text()}})},
       {"conditions", ConditionsSchema()}});
  for (const auto& [name, schema] : more) status.Ref("properties").Set(name, schema);
  return status;
}

Json EmptyStatus() { return Json::MakeObject({{"type", "object"}}); }

Json InferenceServiceSchema() {
  return ObjectSchema(Schema<InferenceServiceSpec>(), InferenceServiceStatusSchema());
}

Json RuntimeSchema() {
  Json spec = Schema<ServingRuntimeSpec>();
  spec.Set("required", Json::MakeArray({"containers"}));
  return ObjectSchema(std::move(spec), EmptyStatus());
}

Json GraphSchema() {
  return ObjectSchema(Schema<InferenceGraphSpec>(), DuckStatus({{"url", Text()}}));
}

Json TrainedModelSchema() {
  return ObjectSchema(Schema<TrainedModelSpec>(),
                      DuckStatus({{"url", Text()}, {"address", PassedSchema("object")}}));
}

Json StorageContainerSchema() {
  Json schema = ObjectSchema(Schema<StorageContainerSpec>(), {});
  schema.Ref("properties").Set("disabled", Json::MakeObject({{"type", "boolean"}}));
  return schema;
}

Json CacheSchema() {
  Json counts = Json::MakeObject();
  for (auto name : {"available", "total", "failed"}) {
    counts.Set(name, Json::MakeObject({{"type", "integer"}}));
  }
  Json copies = Json::MakeObject({{"type", "object"}, {"properties", std::move(counts)}});
  Json services = Json::MakeObject(
      {{"type", "array"},
       {"items", Json::MakeObject({{"type", "object"},
                                   {"properties", Json::MakeObject({{"namespace", Text()},
                                                                    {"name", Text()}})}})}});
  return ObjectSchema(
      Schema<LocalModelCacheSpec>(),
      OpenObject(
          {{"nodeStatus", MapOfStates({"", "NodeNotReady", "NodeDownloadPending", "NodeDownloading",
                                       "NodeDownloaded", "NodeDownloadError"})},
           {"copies", std::move(copies)},
           {"inferenceServices", services},
           {"llmInferenceServices", services}}));
}

Json NodeSchema() {
  Json reasons = Json::MakeObject({{"type", "object"}, {"additionalProperties", Text()}});
  return ObjectSchema(
      Schema<LocalModelNodeSpec>(),
      OpenObject({{"modelStatus", MapOfStates({"", "ModelDownloadPending", "ModelDownloading",
                                               "ModelDownloaded", "ModelDownloadError"})},
                  {"modelReasons", std::move(reasons)}}));
}

Json NodeGroupSchema() {
  return ObjectSchema(Schema<LocalModelNodeGroupSpec>(),
                      OpenObject({{"used", QuantitySchema()}, {"available", QuantitySchema()}}));
}

template <class Spec>
Status CheckSpec(const Json& object) {
  Spec spec;
  Decoder decoder(Checks::kStrict);
  {
    Decoder::Scope scope(decoder, "spec");
    const Json& value = object["spec"];
    Spec::Describe().Decode(value.IsNull() ? Json::MakeObject() : value, spec, decoder);
  }
  return decoder.status();
}

constexpr std::string_view kReadyPath = ".status.conditions[?(@.type=='Ready')].status";
constexpr PrinterColumn kAge = {"Age", "date", ".metadata.creationTimestamp"};

std::vector<PrinterColumn> ReadyColumns() {
  return {{"URL", "string", ".status.url"}, {"Ready", "string", kReadyPath}, kAge};
}

std::vector<PrinterColumn> RuntimeColumns() {
  return {{"Disabled", "boolean", ".spec.disabled"},
          {"ModelType", "string", ".spec.supportedModelFormats[*].name"},
          {"Containers", "string", ".spec.containers[*].name"},
          kAge};
}

std::vector<PrinterColumn> InferenceServiceColumns() {
  constexpr std::string_view kPrev =
      ".status.components.predictor.traffic[?(@.tag=='prev')].percent";
  constexpr std::string_view kLatest =
      ".status.components.predictor.traffic[?(@.latestRevision==true)].percent";
  constexpr std::string_view kPrevName =
      ".status.components.predictor.traffic[?(@.tag=='prev')].revisionName";
  constexpr std::string_view kLatestName =
      ".status.components.predictor.traffic[?(@.latestRevision==true)].revisionName";
  return {{"URL", "string", ".status.url"},
          {"Ready", "string", kReadyPath},
          {"Prev", "integer", kPrev},
          {"Latest", "integer", kLatest},
          {"PrevRolledoutRevision", "string", kPrevName},
          {"LatestReadyRevision", "string", kLatestName},
          kAge};
}

}  // namespace

std::span<const KindInfo> Kinds() {
  static const std::vector<KindInfo> kinds = {
      {"InferenceService",
       "inferenceservices",
       "inferenceservice",
       "v1beta1",
       {"isvc"},
       true,
       true,
       InferenceServiceColumns(),
       InferenceServiceSchema,
       CheckSpec<InferenceServiceSpec>},
      {"ServingRuntime",
       "servingruntimes",
       "servingruntime",
       "v1alpha1",
       {},
       true,
       false,
       RuntimeColumns(),
       RuntimeSchema,
       CheckSpec<ServingRuntimeSpec>},
      {"ClusterServingRuntime",
       "clusterservingruntimes",
       "clusterservingruntime",
       "v1alpha1",
       {},
       false,
       false,
       RuntimeColumns(),
       RuntimeSchema,
       CheckSpec<ServingRuntimeSpec>},
      {"InferenceGraph",
       "inferencegraphs",
       "inferencegraph",
       "v1alpha1",
       {"ig"},
       true,
       true,
       ReadyColumns(),
       GraphSchema,
       CheckSpec<InferenceGraphSpec>},
      {"TrainedModel",
       "trainedmodels",
       "trainedmodel",
       "v1alpha1",
       {"tm"},
       true,
       true,
       ReadyColumns(),
       TrainedModelSchema,
       CheckSpec<TrainedModelSpec>},
      {"ClusterStorageContainer",
       "clusterstoragecontainers",
       "clusterstoragecontainer",
       "v1alpha1",
       {},
       false,
       false,
       {},
       StorageContainerSchema,
       CheckSpec<StorageContainerSpec>},
      {"LocalModelCache",
       "localmodelcaches",
       "localmodelcache",
       "v1alpha1",
       {},
       false,
       true,
       {},
       CacheSchema,
       CheckSpec<LocalModelCacheSpec>},
      {"LocalModelNamespaceCache",
       "localmodelnamespacecaches",
       "localmodelnamespacecache",
       "v1alpha1",
       {},
       true,
       true,
       {},
       CacheSchema,
       CheckSpec<LocalModelCacheSpec>},
      {"LocalModelNode",
       "localmodelnodes",
       "localmodelnode",
       "v1alpha1",
       {},
       false,
       true,
       {},
       NodeSchema,
       CheckSpec<LocalModelNodeSpec>},
      {"LocalModelNodeGroup",
       "localmodelnodegroups",
       "localmodelnodegroup",
       "v1alpha1",
       {},
       false,
       false,
       {},
       NodeGroupSchema,
       CheckSpec<LocalModelNodeGroupSpec>},
  };
  return kinds;
}

const KindInfo* FindKind(std::string_view kind) {
  auto found = std::ranges::find(Kinds(), kind, &KindInfo::kind);
  return found == Kinds().end() ? nullptr : &*found;
}

std::string CrdFileName(const KindInfo& kind) {
  return fmt::format("{}_{}.yaml", kGroup, kind.plural);
}

Json CustomResourceDefinition(const KindInfo& kind) {
  Json names = Json::MakeObject({{"kind", kind.kind},
                                 {"listKind", fmt::format("{}List", kind.kind)},
                                 {"plural", kind.plural},
                                 {"singular", kind.singular}});
  if (!kind.short_names.empty()) {
    Json short_names = Json::MakeArray();
    for (auto name : kind.short_names) short_names.Push(name);
    names.Set("shortNames", std::move(short_names));
  }
  Json version =
      Json::MakeObject({{"name", kind.version},
                        {"served", true},
                        {"storage", true},
                        {"subresources", Json::MakeObject()},
                        {"schema", Json::MakeObject({{"openAPIV3Schema", kind.schema()}})}});
  if (kind.status_subresource) version.Path({"subresources", "status"}) = Json::MakeObject();
  if (!kind.columns.empty()) {
    Json columns = Json::MakeArray();
    for (const auto& column : kind.columns) {
      columns.Push(Json::MakeObject(
          {{"name", column.name}, {"type", column.type}, {"jsonPath", column.json_path}}));
    }
    version.Set("additionalPrinterColumns", std::move(columns));
  }
  return Json::MakeObject(
      {{"apiVersion", "apiextensions.k8s.io/v1"},
       {"kind", "CustomResourceDefinition"},
       {"metadata", Json::MakeObject({{"name", fmt::format("{}.{}", kind.plural, kGroup)}})},
       {"spec", Json::MakeObject({{"group", kGroup},
                                  {"names", std::move(names)},
                                  {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                                  {"versions", Json::MakeArray({std::move(version)})}})}});
}

}  // namespace kinglet::api
