// For this module's tests: a server in memory and requests in one line.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/yaml.h"
#include "local/apiserver/apiserver.h"

namespace kinglet::local::testing {

inline const char* kWidgetCrd = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [model]
            properties:
              model: {type: string, minLength: 2, pattern: '^[a-z]+$'}
              replicas: {type: integer, format: int32, minimum: 0, default: 1}
              mode: {type: string, enum: [Standard, Serverless]}
              frozen:
                type: string
                x-kubernetes-validations: [{rule: self == oldSelf, message: frozen is immutable}]
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, port: {type: integer}}
              pod: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
)";

class Fixture : public ::testing::Test {
 protected:
  void SetUp() override {
    ApiServerOptions options;
    options.crds = {Yaml(kWidgetCrd)};
    Configure(options);
    auto server = ApiServer::Open(std::move(options));
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
  }
  virtual void Configure(ApiServerOptions&) {}

  static Json Yaml(std::string_view text) {
    auto json = ParseYaml(text);
    EXPECT_TRUE(json) << json.error().message();
    return json ? *json : Json();
  }

  struct Answer {
    int status;
    Json body;
    http::Headers headers;
    const Json& operator[](std::string_view key) const { return body[key]; }
    std::string Message() const { return body["message"].AsString(); }
  };
  Answer Call(std::string_view method, std::string_view target, const Json& body = Json(),
              std::string_view type = "application/json", std::string_view accept = "") {
    http::Request request;
    request.method = method;
    request.target = target;
    request.headers.Set("Content-Type", type);
    request.headers.Set("User-Agent", "test/1");
    if (!accept.empty()) request.headers.Set("Accept", accept);
    if (!body.IsNull()) request.body = body.Dump();
    http::Response response = server_->Do(request);
    auto json = Json::Parse(response.body);
    return {response.status, json ? *json : Json(response.body), response.headers};
  }
  Answer Get(std::string_view target) { return Call("GET", target); }
  Answer Post(std::string_view target, std::string_view yaml) {
    return Call("POST", target, Yaml(yaml));
  }

  std::unique_ptr<ApiServer> server_;
};

}  // namespace kinglet::local::testing
