#include "api/v1beta1/inference_service_status.h"

namespace kinglet::api {
namespace {

Json Type(std::string_view type) { return Json::MakeObject({{"type", type}}); }

Json Enum(std::initializer_list<std::string_view> values, std::string_view fallback) {
  Json list = Json::MakeArray();
  for (auto value : values) list.Push(value);
  return Json::MakeObject({{"type", "string"}, {"enum", std::move(list)}, {"default", fallback}});
}

Json Int32() { return Json::MakeObject({{"type", "integer"}, {"format", "int32"}}); }
Json Int64() { return Json::MakeObject({{"type", "integer"}, {"format", "int64"}}); }

Json ListOf(Json items) {
  return Json::MakeObject({{"type", "array"}, {"items", std::move(items)}});
}

Json MapOf(Json values) {
  return Json::MakeObject({{"type", "object"}, {"additionalProperties", std::move(values)}});
}

Json Object(std::initializer_list<Json::Member> properties, std::initializer_list<Json> required) {
  Json schema =
      Json::MakeObject({{"type", "object"}, {"properties", Json::MakeObject(properties)}});
  if (required.size()) schema.Set("required", Json::MakeArray(required));
  return schema;
}

Json Address() {
  return Object({{"name", Type("string")},
                 {"url", Type("string")},
                 {"CACerts", Type("string")},
                 {"audience", Type("string")}},
                {});
}

Json Traffic() {
  return Object({{"configurationName", Type("string")},
                 {"revisionName", Type("string")},
                 {"latestRevision", Type("boolean")},
                 {"percent", Int64()},
                 {"tag", Type("string")},
                 {"url", Type("string")}},
                {});
}

Json ComponentStatus() {
  return Object({{"latestReadyRevision", Type("string")},
                 {"latestCreatedRevision", Type("string")},
                 {"previousRolledoutRevision", Type("string")},
                 {"latestRolledoutRevision", Type("string")},
                 {"traffic", ListOf(Traffic())},
                 {"url", Type("string")},
                 {"restUrl", Type("string")},
                 {"grpcUrl", Type("string")},
                 {"address", Address()}},
                {});
}

Json ModelState(std::string_view fallback) {
  return Enum({"", "Pending", "Standby", "Loading", "Loaded", "FailedToLoad"}, fallback);
}

Json ModelStatus() {
  Json failure =
      Object({{"location", Type("string")},
              {"message", Type("string")},
              {"modelRevisionName", Type("string")},
              {"time", Json::MakeObject({{"type", "string"}, {"format", "date-time"}})},
              {"exitCode", Int32()},
              {"reason",
               Json::MakeObject(
                   {{"type", "string"},
                    {"enum", Json::MakeArray({"ModelLoadFailed", "RuntimeUnhealthy",
                                              "RuntimeDisabled", "NoSupportingRuntime",
                                              "RuntimeNotRecognized", "InvalidPredictorSpec"})}})}},
             {});
  Json failed_copies = Int64();
  failed_copies.Set("default", 0);
  return Object(
      {{"transitionStatus",
        Enum({"", "UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec"}, "UpToDate")},
       {"states",
        Object({{"activeModelState", ModelState("Pending")}, {"targetModelState", ModelState("")}},
               {"activeModelState"})},
       {"lastFailureInfo", std::move(failure)},
       {"copies", Object({{"failedCopies", std::move(failed_copies)}, {"totalCopies", Int64()}},
                         {"failedCopies"})}},
      {"transitionStatus"});
}

Json CanaryStatus() {
  return Object(
      {{"name", Type("string")}, {"ready", Type("boolean")}, {"trafficPercent", Int32()}}, {"name"});
}

}  // namespace

Json ConditionsSchema() {
  return ListOf(Object({{"type", Type("string")},
                        {"status", Type("string")},
                        {"severity", Type("string")},
                        {"lastTransitionTime", Type("string")},
                        {"reason", Type("string")},
                        {"message", Type("string")}},
                       {"type", "status"}));
}

Json OpenObject(std::initializer_list<Json::Member> properties) {
  return Json::MakeObject({{"type", "object"},
                           {"x-kubernetes-preserve-unknown-fields", true},
                           {"properties", Json::MakeObject(properties)}});
}

Json InferenceServiceStatusSchema() {
  return OpenObject({{"observedGeneration", Int64()},
                     {"annotations", MapOf(Type("string"))},
                     {"conditions", ConditionsSchema()},
                     {"address", Address()},
                     {"url", Type("string")},
                     {"deploymentMode", Type("string")},
                     {"servingRuntimeName", Type("string")},
                     {"clusterServingRuntimeName", Type("string")},
                     {"components", MapOf(ComponentStatus())},
                     {"canaryStatuses", ListOf(CanaryStatus())},
                     {"modelStatus", ModelStatus()}});
}

}  // namespace kinglet::api
