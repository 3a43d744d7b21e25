// The scale subresource: autoscaling/v1 Scale over replicas of any scalable kind.
#include <fmt/format.h>

#include "kube/json_patch.h"
#include "kube/merge_patch.h"
#include "kube/selector.h"
#include "local/apiserver/api.h"
#include "local/apiserver/table.h"

namespace kinglet::local {
namespace {

Json MakeScale(const Resource& resource, const Json& object) {
  Json meta = Json::MakeObject();
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const Json* value = object["metadata"].Find(key)) meta.Set(key, *value);
  }
  Json scale = Json::MakeObject(
      {{"kind", "Scale"},
       {"apiVersion", "autoscaling/v1"},
       {"metadata", std::move(meta)},
       {"spec", Json::MakeObject()},
       {"status",
        Json::MakeObject(
            {{"replicas", EvaluateJsonPath(object, resource.scale_status_path).AsInt()}})}});
  const Json& replicas = EvaluateJsonPath(object, resource.scale_spec_path);
  if (replicas.IsNumber()) scale.Path({"spec", "replicas"}) = replicas.AsInt();
  if (!resource.scale_selector_path.empty()) {
    const Json& selector = EvaluateJsonPath(object, resource.scale_selector_path);
    if (resource.scale_selector_is_object) {
      auto parsed = kube::LabelSelector::FromJson(selector);
      if (parsed) scale.Path({"status", "selector"}) = parsed->ToString();
    } else if (selector.IsString()) {
      scale.Path({"status", "selector"}) = selector;
    }
  }
  return scale;
}

// ".spec.replicas" set to a number.
void SetPath(Json& object, std::string_view path, int64_t value) {
  Json* at = &object;
  while (!path.empty()) {
    path.remove_prefix(1);
    size_t dot = path.find('.');
    at = &at->Ref(path.substr(0, dot));
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot);
  }
  *at = value;
}

}  // namespace

ApiResult<Reply> Scale(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  auto scale_of = [&](const Reply& reply) {
    return Reply::Raw(MakeScale(resource, reply.record ? reply.record->object : reply.body));
  };
  if (call.method == "GET") {
    KINGLET_API_TRY(Reply reply, Get(api, call));
    return scale_of(reply);
  }
  if (call.method != "PUT" && call.method != "PATCH") {
    return ApiUnexpected(
        MethodNotAllowed("the server does not allow this method on the requested resource"));
  }
  KINGLET_API_TRY(Json body, ParseBody(call));
  std::string subresource = std::exchange(call.subresource, "");
  auto change = [&](const Json& current) -> ApiResult<Json> {
    Json scale = body;
    if (call.method == "PATCH") {
      if (call.MediaType() == "application/json-patch+json") {
        auto patched = kube::ApplyJsonPatch(MakeScale(resource, current), body);
        if (!patched) return ApiUnexpected(BadRequest(patched.error().message()));
        scale = std::move(*patched);
      } else {
        scale = kube::ApplyMergePatch(MakeScale(resource, current), body);
      }
    }
    const Json& replicas = scale.At({"spec", "replicas"});
    if (!replicas.IsNull() && !replicas.IsInt()) {
      return ApiUnexpected(
          BadRequest("Scale in version \"v1\" cannot be handled as a Scale: "
                     "spec.replicas must be an integer"));
    }
    if (replicas.AsInt() < 0) {
      return ApiUnexpected(
          Invalid({"scale", "autoscaling", "Scale"}, call.name,
                  {InvalidValue("spec.replicas", replicas, "must be greater than or equal to 0")}));
    }
    Json updated = current;
    const std::string& version = scale["metadata"]["resourceVersion"].AsString();
    if (call.method == "PUT" && !version.empty()) {
      updated.Path({"metadata", "resourceVersion"}) = version;
    } else {
      updated.Ref("metadata").Erase("resourceVersion");
    }
    SetPath(updated, resource.scale_spec_path, replicas.AsInt());
    return updated;
  };
  auto reply = UpdateObject(api, call, change);
  call.subresource = subresource;
  if (!reply) return ApiUnexpected(reply.error());
  return scale_of(*reply);
}

}  // namespace kinglet::local
