#include "server/openapi.h"

#include "base/json.h"
#include "server/routes.h"
#include "server/version.h"

namespace kinglet::server {
namespace {

Json Ref(std::string_view schema) {
  return Json::MakeObject({{"$ref", "#/components/schemas/" + std::string(schema)}});
}

Json Content(Json schema) {
  return Json::MakeObject(
      {{"application/json", Json::MakeObject({{"schema", std::move(schema)}})}});
}

Json Typed(std::string_view type) { return Json::MakeObject({{"type", type}}); }

Json ListOf(Json items) {
  return Json::MakeObject({{"type", "array"}, {"items", std::move(items)}});
}

Json ObjectOf(Json properties, Json required) {
  return Json::MakeObject({{"type", "object"},
                           {"properties", std::move(properties)},
                           {"required", std::move(required)}});
}

Json Schemas() {
  Json datatypes = Json::MakeObject(
      {{"type", "string"},
       {"enum", Json::MakeArray({"BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
                                 "UINT32", "UINT64", "FP16", "FP32", "FP64", "BYTES"})}});
  Json parameters = Json::MakeObject(
      {{"type", "object"},
       {"additionalProperties",
        Json::MakeObject({{"type", Json::MakeArray({"number", "boolean", "string"})}})}});
  Json tensor = ObjectOf(Json::MakeObject({{"name", Typed("string")},
                                           {"shape", ListOf(Typed("integer"))},
                                           {"datatype", datatypes},
                                           {"parameters", parameters},
                                           {"data", ListOf(Json::MakeObject())}}),
                         Json::MakeArray({"name", "shape", "datatype", "data"}));
  Json requested =
      ObjectOf(Json::MakeObject({{"name", Typed("string")}, {"parameters", parameters}}),
               Json::MakeArray({"name"}));
  return Json::MakeObject(
      {{"Tensor", tensor},
       {"RequestedOutput", requested},
       {"InferenceRequest",
        ObjectOf(Json::MakeObject({{"id", Typed("string")},
                                   {"parameters", parameters},
                                   {"inputs", ListOf(Ref("Tensor"))},
                                   {"outputs", ListOf(Ref("RequestedOutput"))}}),
                 Json::MakeArray({"inputs"}))},
       {"InferenceResponse", ObjectOf(Json::MakeObject({{"model_name", Typed("string")},
                                                        {"model_version", Typed("string")},
                                                        {"id", Typed("string")},
                                                        {"parameters", parameters},
                                                        {"outputs", ListOf(Ref("Tensor"))}}),
                                      Json::MakeArray({"model_name", "id", "outputs"}))},
       {"V1Request", ObjectOf(Json::MakeObject({{"instances", ListOf(Json::MakeObject())}}),
                              Json::MakeArray({"instances"}))},
       {"V1Response", ObjectOf(Json::MakeObject({{"predictions", ListOf(Json::MakeObject())}}),
                               Json::MakeArray({"predictions"}))},
       {"Error",
        ObjectOf(Json::MakeObject({{"error", Typed("string")}}), Json::MakeArray({"error"}))}});
}

std::string_view RequestSchema(std::string_view path) {
  if (path.ends_with(":predict") || path.ends_with(":explain")) return "V1Request";
  return path.ends_with("/infer") ? "InferenceRequest" : "";
}

std::string_view ResponseSchema(std::string_view path) {
  if (path.ends_with(":predict")) return "V1Response";
  return path.ends_with("/infer") ? "InferenceResponse" : "";
}

}  // namespace

std::string OpenApiDocument() {
  Json paths = Json::MakeObject();
  for (const RouteDescription& route : RouteDescriptions()) {
    Json success = Json::MakeObject({{"description", "Successful Response"}});
    if (auto schema = ResponseSchema(route.path); !schema.empty()) {
      success.Set("content", Content(Ref(schema)));
    }
    Json failure = Json::MakeObject({{"description", "Error"}, {"content", Content(Ref("Error"))}});
    Json operation = Json::MakeObject(
        {{"summary", route.summary},
         {"responses", Json::MakeObject({{"200", success}, {"default", failure}})}});
    if (!route.tag.empty()) operation.Set("tags", Json::MakeArray({route.tag}));
    if (route.path.find("{model_name}") != std::string_view::npos) {
      operation.Set("parameters",
                    Json::MakeArray({Json::MakeObject({{"name", "model_name"},
                                                       {"in", "path"},
                                                       {"required", true},
                                                       {"schema", Typed("string")}})}));
    }
    if (auto schema = RequestSchema(route.path); !schema.empty()) {
      operation.Set("requestBody",
                    Json::MakeObject({{"required", true}, {"content", Content(Ref(schema))}}));
    }
    paths.Ref(route.path).Set(route.method, operation);
  }
  return Json::MakeObject({{"openapi", "3.1.0"},
                           {"info", Json::MakeObject({{"title", "KServe ModelServer"},
                                                      {"version", kKServeVersion}})},
                           {"paths", paths},
                           {"components", Json::MakeObject({{"schemas", Schemas()}})}})
      .Dump();
}

std::string DocsPage() {
  std::string rows;
  for (const RouteDescription& route : RouteDescriptions()) {
    rows += fmt::format("<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>\n", route.method,
                        route.path, route.summary);
  }
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<title>KServe ModelServer</title></head><body><h1>KServe ModelServer</h1>\n"
         "<p>Schemas: <a href=\"/openapi.json\">openapi.json</a></p>\n<table>\n" +
         rows + "</table></body></html>\n";
}

}  // namespace kinglet::server
