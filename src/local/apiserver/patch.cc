#include <fmt/format.h>

#include "base/yaml.h"
#include "kube/json_patch.h"
#include "kube/merge_patch.h"
#include "kube/strategic_merge.h"
#include "local/apiserver/api.h"
#include "local/apiserver/managed_fields.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

ApiError Unprocessable(const std::string& name, const Error& error) {
  return MakeApiError(
      422, "Invalid",
      "the server rejected our request due to an error in our request: " + error.message(),
      Json::MakeObject({{"name", name}}));
}

// A patch's result must be the same kind of object.
ApiResult<Json> Checked(Call& call, Json patched) {
  if (!patched.IsObject()) return ApiUnexpected(BadRequest("the patch does not give an object"));
  // Nulls and unknown members of the patch arrive here as members of the object.
  size_t warnings = call.warnings.size();
  ApiStatus status = CheckDecoded(call, patched);
  if (!status) return ApiUnexpected(status.error());
  if (call.warnings.size() > warnings + 64) call.warnings.resize(warnings + 64);
  if (patched["metadata"]["name"].AsString() != call.name) {
    return ApiUnexpected(BadRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                    patched["metadata"]["name"].AsString(), call.name)));
  }
  return ToStorageVersion(*call.resource, std::move(patched));
}

ApiResult<Reply> ApplyPatch(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  if (!call.HasQuery("fieldManager") || call.Query("fieldManager").empty()) {
    return ApiUnexpected(MakeApiError(
        422, "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
        "apply patch"));
  }
  auto parsed = ParseYaml(call.body);
  if (!parsed) return ApiUnexpected(BadRequest("error decoding YAML: " + parsed.error().message()));
  if (!parsed->IsObject()) return ApiUnexpected(BadRequest("the configuration must be an object"));
  Json config = std::move(*parsed);
  if (config["metadata"].Has("managedFields")) {
    return ApiUnexpected(BadRequest("metadata.managedFields must be nil"));
  }
  KINGLET_API_CHECK(CheckDecoded(call, config));
  config = ToStorageVersion(resource, std::move(config));
  Json& meta = config.Ref("metadata");
  if (meta["name"].AsString().empty()) meta.Set("name", call.name);
  if (meta["name"].AsString() != call.name) {
    return ApiUnexpected(BadRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                    meta["name"].AsString(), call.name)));
  }
  bool force = call.QueryBool("force");
  bool status = call.subresource == "status";
  if (status) {
    config.Erase("spec");
  } else if (resource.has_status) {
    config.Erase("status");
  }
  Manager manager{call.field_manager, "Apply",      resource.StorageApiVersion(),
                  call.subresource,   NowRfc3339(), {}};
  if (!status && !api.store().Get(resource.StorageKey(), call.Ref())) {
    auto made = ApplyConfiguration(*resource.schema, nullptr, config, manager, force);
    if (!made) return ApiUnexpected(made.error());
    made->Ref("metadata").Erase("resourceVersion");
    auto reply = CreateObject(api, call, std::move(*made), call.field_manager);
    if (reply || reply.error().code != 409) return reply;
  }
  return UpdateObject(api, call,
                      [&](const Json& current) -> ApiResult<Json> {
                        Json wanted = config;
                        // A version in the configuration is a precondition.
                        std::string version = wanted["metadata"]["resourceVersion"].AsString();
                        wanted.Ref("metadata").Erase("resourceVersion");
                        auto merged =
                            ApplyConfiguration(*resource.schema, &current, wanted, manager, force);
                        if (!merged) return merged;
                        Json& merged_meta = merged->Ref("metadata");
                        if (version.empty()) {
                          merged_meta.Erase("resourceVersion");
                        } else {
                          merged_meta.Set("resourceVersion", version);
                        }
                        return merged;
                      },
                      {.operation = "Apply", .managed_fields_done = true});
}

}  // namespace

ApiResult<Reply> Patch(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  std::string_view type = call.MediaType();
  if (type == "application/apply-patch+yaml") return ApplyPatch(api, call);
  bool json_patch = type == "application/json-patch+json";
  bool merge = type == "application/merge-patch+json";
  bool strategic = type == "application/strategic-merge-patch+json";
  if (!json_patch && !merge && !(strategic && !resource.custom)) {
    return ApiUnexpected(UnsupportedMediaType(fmt::format(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, {}application/apply-patch+yaml",
        resource.custom ? "" : "application/strategic-merge-patch+json, ")));
  }
  auto patch = Json::Parse(call.body);
  if (!patch)
    return ApiUnexpected(BadRequest("the patch cannot be read: " + patch.error().message()));
  if (!json_patch && !patch->IsObject()) {
    return ApiUnexpected(BadRequest("the patch must be an object"));
  }
  std::vector<std::string> warnings = call.warnings;
  bool named_version = false;
  auto change = [&](const Json& current) -> ApiResult<Json> {
    call.warnings = warnings;  // of an earlier attempt
    Json served = ToServedVersion(resource, current);
    Result<Json> patched = json_patch ? kube::ApplyJsonPatch(std::move(served), *patch)
                           : merge ? Result<Json>(kube::ApplyMergePatch(std::move(served), *patch))
                                   : kube::ApplyStrategicMergePatch(std::move(served), *patch);
    if (!patched) {
      if (json_patch && patched.error().code() == Code::kFailedPrecondition) {
        return ApiUnexpected(Unprocessable(call.name, patched.error()));
      }
      return ApiUnexpected(BadRequest(patched.error().message()));
    }
    // Unless the patch names a version, it is right for whatever is there.
    Json& meta = patched->Ref("metadata");
    named_version = !(meta["resourceVersion"] == current["metadata"]["resourceVersion"]) ||
                    (!json_patch && patch->At({"metadata", "resourceVersion"}).IsString());
    if (!named_version) meta.Erase("resourceVersion");
    return Checked(call, std::move(*patched));
  };
  return UpdateObject(api, call, change);
}

}  // namespace kinglet::local
