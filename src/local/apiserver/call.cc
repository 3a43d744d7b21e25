#include "local/apiserver/call.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "local/apiserver/events_v1.h"
#include "local/apiserver/review.h"
#include "local/apiserver/table.h"

namespace kinglet::local {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t end = text.find(separator);
    parts.push_back(Trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

ApiStatus ReadParameters(Call& call) {
  for (const auto& [key, value] : call.query) {
    if (key == "dryRun") {
      if (value != "All") {
        return ApiUnexpected(BadRequest(fmt::format(
            "invalid dry run: dryRun: Unsupported value: \"{}\": supported values: \"All\"",
            value)));
      }
      call.dry_run = true;
    }
  }
  std::string validation = call.Query("fieldValidation");
  if (validation == "Strict") {
    call.field_validation = FieldValidation::kStrict;
  } else if (validation == "Warn" || validation.empty()) {
    call.field_validation = FieldValidation::kWarn;
  } else if (validation != "Ignore") {
    return ApiUnexpected(BadRequest(fmt::format(
        "fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", \"Strict\", "
        "\"Warn\"",
        validation)));
  }
  call.field_manager = call.Query("fieldManager");
  if (call.field_manager.size() > 128) {
    return ApiUnexpected(BadRequest("fieldManager: Too long: may not be more than 128 bytes"));
  }
  if (call.field_manager.empty()) {
    // As Kubernetes does: the program's name.
    std::string_view agent = call.headers.Get("User-Agent");
    call.field_manager = std::string(agent.substr(0, agent.find('/')).substr(0, 128));
    if (call.field_manager.empty()) call.field_manager = "unknown";
  }
  return {};
}

}  // namespace

Accept Accept::Parse(std::string_view header) {
  Accept accept;
  if (header.empty()) return accept;
  accept.json = false;
  // Clients list what they want most first; the first that can be given is taken.
  for (std::string_view item : Split(header, ',')) {
    auto parts = Split(item, ';');
    std::string_view type = parts[0];
    std::string_view as, group, version;
    for (size_t i = 1; i < parts.size(); ++i) {
      if (parts[i].starts_with("as=")) as = parts[i].substr(3);
      if (parts[i].starts_with("g=")) group = parts[i].substr(2);
      if (parts[i].starts_with("v=")) version = parts[i].substr(2);
    }
    if (type.starts_with("application/com.github.proto-openapi.spec.v2")) {
      if (!accept.json) accept.openapi_protobuf = true;
      continue;
    }
    if (type != "application/json" && type != "*/*" && type != "application/*") continue;
    if (as == "Table" && (version == "v1" || version == "v1beta1")) {
      accept.table = true;
      accept.table_version = version;
    } else if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
      accept.partial_metadata = true;
    } else if (as == "APIGroupDiscoveryList") {
      if (version != "v2" && version != "v2beta1") continue;
      accept.discovery = true;
      accept.discovery_version = version;
    } else if (!as.empty()) {
      continue;
    }
    accept.json = true;
    break;
  }
  return accept;
}

std::string Call::Query(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return "";
}

bool Call::HasQuery(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return true;
  }
  return false;
}

bool Call::QueryBool(std::string_view key) const {
  std::string value = Query(key);
  return HasQuery(key) && value != "false" && value != "0";
}

std::string_view Call::MediaType() const {
  std::string_view type = headers.Get("Content-Type");
  return Trim(type.substr(0, type.find(';')));
}

ApiResult<Call> ParseCall(const http::Request& request, RegistryPtr registry) {
  Call call;
  call.method = request.method;
  call.headers = request.headers;
  call.body = request.body;
  call.registry = std::move(registry);
  std::string_view target = request.target;
  size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  if (question != std::string_view::npos) {
    call.query = http::ParseQuery(target.substr(question + 1));
  }
  for (std::string_view segment : Split(path, '/')) {
    if (segment.empty()) continue;
    auto decoded = UrlDecode(segment);
    if (!decoded) return ApiUnexpected(BadRequest(decoded.error().message()));
    call.segments.push_back(std::move(*decoded));
  }
  for (const std::string& segment : call.segments) call.path += "/" + segment;
  call.accept = Accept::Parse(request.headers.Get("Accept"));

  auto& s = call.segments;
  std::string group, version;
  size_t at;
  if (s.size() >= 3 && s[0] == "api") {
    version = s[1];
    at = 2;
  } else if (s.size() >= 4 && s[0] == "apis") {
    group = s[1];
    version = s[2];
    at = 3;
  } else {
    return call;
  }
  // namespaces/NS/RESOURCE/..., but namespaces/NS[/status|finalize] is the namespace itself.
  std::string plural = s[at];
  bool in_namespace = false;
  if (plural == "namespaces" && s.size() > at + 2 && s[at + 2] != "status" &&
      s[at + 2] != "finalize") {
    in_namespace = true;
    call.name_space = s[at + 1];
    plural = s[at + 2];
    at += 2;
  }
  call.resource = call.registry->Find(group, version, plural);
  // Reviews are answered and not stored.
  if (!call.resource && IsReviewGroup(group)) return call;
  if (!call.resource || s.size() > at + 3) return ApiUnexpected(PathNotFound());
  if (in_namespace && !call.resource->namespaced) return ApiUnexpected(PathNotFound());
  if (s.size() > at + 1) call.name = s[at + 1];
  if (s.size() > at + 2) call.subresource = s[at + 2];
  if (!in_namespace && call.resource->namespaced && !call.name.empty()) {
    return ApiUnexpected(PathNotFound());
  }
  call.watch = call.method == "GET" && call.QueryBool("watch") && call.subresource.empty();
  KINGLET_API_CHECK(ReadParameters(call));
  return call;
}

bool SameVersion(const Resource& resource) {
  return resource.version == resource.storage_version && resource.group != "events.k8s.io";
}

Json ToServedVersion(const Resource& resource, Json object) {
  if (resource.group == "events.k8s.io") return EventToEventsV1(std::move(object));
  // Versions of one CRD differ by name only (conversion strategy None).
  if (!SameVersion(resource)) object.Set("apiVersion", resource.ApiVersion());
  return object;
}

Json ToStorageVersion(const Resource& resource, Json object) {
  if (resource.group == "events.k8s.io") return EventFromEventsV1(std::move(object));
  if (!SameVersion(resource)) object.Set("apiVersion", resource.StorageApiVersion());
  return object;
}

namespace {

Json PartialMetadata(const Json& object, std::string_view kind) {
  return Json::MakeObject(
      {{"kind", kind}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", object["metadata"]}});
}

}  // namespace

http::Response Render(const Call& call, Reply reply) {
  http::Response response;
  response.status = reply.code;
  for (const std::string& warning : call.warnings) {
    std::string quoted = Json(warning).Dump();
    response.headers.Add("Warning", "299 - " + quoted);
  }
  if (!reply.content_type.empty()) {
    response.headers.Set("Content-Type", reply.content_type);
    if (!reply.etag.empty()) {
      response.headers.Set("ETag", reply.etag);
      response.headers.Set("Vary", "Accept");
    }
    response.body = std::move(reply.text);
    return response;
  }
  response.headers.Set("Content-Type", "application/json");
  bool plain = reply.raw || !call.resource || (!call.accept.table && !call.accept.partial_metadata);
  if (reply.record && plain && SameVersion(*call.resource)) {
    response.body = reply.record->json;
    return response;
  }
  Json body = reply.record ? reply.record->object : std::move(reply.body);
  if (reply.raw || !call.resource || body["kind"].AsString() == "Status") {
    response.body = body.Dump();
    return response;
  }
  if (Json* items = body.Find("items"); items && items->IsArray()) {
    for (Json& item : items->MutableArray())
      item = ToServedVersion(*call.resource, std::move(item));
  } else {
    body = ToServedVersion(*call.resource, std::move(body));
  }
  if (call.accept.table && (call.subresource.empty() || call.subresource == "status")) {
    TableOptions options{.version = call.accept.table_version,
                         .include_object = call.Query("includeObject")};
    body = MakeTable(*call.resource, body, options);
  } else if (call.accept.partial_metadata) {
    if (const Json* items = body.Find("items")) {
      Json list = PartialMetadata(body, "PartialObjectMetadataList");
      Json& out = list.Set("items", Json::MakeArray());
      for (const Json& item : items->AsArray()) {
        out.Push(PartialMetadata(item, "PartialObjectMetadata"));
      }
      body = std::move(list);
    } else {
      body = PartialMetadata(body, "PartialObjectMetadata");
    }
  }
  response.body = body.Dump();
  return response;
}

http::Response RenderError(const ApiError& error) {
  http::Response response;
  response.status = error.code;
  response.headers.Set("Content-Type", "application/json");
  if (error.code == 401) response.headers.Set("WWW-Authenticate", "Bearer realm=\"kinglet\"");
  if (error.code == 429 || error.code == 503) response.headers.Set("Retry-After", "1");
  response.body = error.status.Dump();
  return response;
}

}  // namespace kinglet::local
