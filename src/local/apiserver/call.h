// One request, taken apart by Kubernetes' URL conventions, and its answer before it is rendered.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "local/apiserver/registry.h"
#include "local/apiserver/status.h"
#include "local/apiserver/store.h"
#include "net/http/message.h"

namespace kinglet::local {

// What the Accept header asks for.
struct Accept {
  bool table = false;  // as=Table;g=meta.k8s.io;v=v1 or v1beta1
  std::string table_version = "v1";
  bool partial_metadata = false;  // as=PartialObjectMetadata[List]
  bool discovery = false;         // as=APIGroupDiscoveryList
  std::string discovery_version = "v2";
  bool openapi_protobuf = false;
  bool json = true;  // JSON (or anything) is acceptable

  static Accept Parse(std::string_view header);
};

enum class FieldValidation { kIgnore, kWarn, kStrict };

struct Call {
  std::string method;  // GET, POST, ...
  std::string path;    // decoded segments joined; for messages
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;
  http::Headers headers;
  std::string body;
  Accept accept;

  RegistryPtr registry;
  ResourcePtr resource;  // null: not a resource's path
  std::string name_space, name, subresource;
  bool watch = false;

  bool dry_run = false;
  FieldValidation field_validation = FieldValidation::kIgnore;
  std::string field_manager;
  std::vector<std::string> warnings;

  std::string Query(std::string_view key) const;
  bool HasQuery(std::string_view key) const;
  bool QueryBool(std::string_view key) const;
  ObjectRef Ref() const { return {resource->namespaced ? name_space : "", name}; }
  std::string_view MediaType() const;  // of the body, without parameters
};

// Takes the request apart. 404 for unknown groups and resources; 400 for wrong parameters.
ApiResult<Call> ParseCall(const http::Request& request, RegistryPtr registry);

struct Reply {
  int code = 200;
  Json body;                 // one object (in storage version), a list, a Status, ...
  RecordPtr record;          // instead of body: a stored object
  bool raw = false;          // body is final: no version conversion, no table
  std::string content_type;  // with `text`
  std::string text;          // instead of both
  std::string etag;          // with its quotes; "": none

  static Reply Of(Json body, int code = 200) { return {.code = code, .body = std::move(body)}; }
  static Reply Raw(Json body, int code = 200) {
    return {.code = code, .body = std::move(body), .raw = true};
  }
  static Reply Of(RecordPtr record, int code = 200) {
    return {.code = code, .record = std::move(record)};
  }
};

// The object in the version that the resource is served in.
Json ToServedVersion(const Resource& resource, Json object);
// A request's object in the version it is stored in.
Json ToStorageVersion(const Resource& resource, Json object);
bool SameVersion(const Resource& resource);

// The response in the form that the call accepts.
http::Response Render(const Call& call, Reply reply);
http::Response RenderError(const ApiError& error);

}  // namespace kinglet::local
