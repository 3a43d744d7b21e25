#include <fmt/format.h>

#include <algorithm>

#include "local/apiserver/api.h"
#include "local/apiserver/managed_fields.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

constexpr int kAttempts = 16;

// Members of metadata that only the server writes.
constexpr const char* kServerFields[] = {
    "uid",        "creationTimestamp",          "namespace", "deletionTimestamp",
    "generation", "deletionGracePeriodSeconds", "selfLink",  "generateName"};

void KeepServerFields(const Json& current, Json& object) {
  Json& meta = object.Ref("metadata");
  for (const char* key : kServerFields) {
    if (const Json* value = current["metadata"].Find(key)) {
      meta.Set(key, *value);
    } else {
      meta.Erase(key);
    }
  }
}

// A status write changes status alone; any other write everything but status.
Json Compose(const Resource& resource, const Call& call, const Json& current, Json updated) {
  if (call.subresource == "status") {
    Json out = current;
    if (const Json* status = updated.Find("status")) {
      out.Set("status", *status);
    } else {
      out.Erase("status");
    }
    if (const Json* managers = updated["metadata"].Find("managedFields")) {
      out.Path({"metadata", "managedFields"}) = *managers;
    }
    return out;
  }
  if (resource.has_status) {
    if (const Json* status = current.Find("status")) {
      updated.Set("status", *status);
    } else {
      updated.Erase("status");
    }
  }
  return updated;
}

Json SpecOf(const Resource& resource, const Json& object) {
  Json out = object;
  out.Erase("metadata");
  if (resource.has_status || !resource.custom) out.Erase("status");
  return out;
}

ApiStatus CheckFinalizers(const Resource& resource, const std::string& name, const Json& current,
                          const Json& object) {
  if (!current["metadata"].Has("deletionTimestamp")) return {};
  const Json& old = current.At({"metadata", "finalizers"});
  for (const Json& finalizer : object.At({"metadata", "finalizers"}).AsArray()) {
    const auto& known = old.AsArray();
    if (std::find(known.begin(), known.end(), finalizer) != known.end()) continue;
    return ApiUnexpected(
        Invalid(resource.Target(), name,
                {ForbiddenValue(
                    "metadata.finalizers",
                    fmt::format("no new finalizers can be added if the object is being deleted, "
                                "found new finalizers []string{{{}}}",
                                finalizer.Dump()))}));
  }
  return {};
}

// Equal but for managedFields' times: nothing to store.
bool SameButTimes(const Json& a, Json b) {
  Json& list = b.Path({"metadata", "managedFields"});
  const Json& old = a.At({"metadata", "managedFields"});
  if (list.IsArray() && old.size() == list.size()) {
    for (size_t i = 0; i < list.size(); ++i) {
      list.MutableArray()[i].Set("time", old[i]["time"]);
    }
  } else if (list.IsNull()) {
    b.Ref("metadata").Erase("managedFields");
  }
  b.Ref("metadata").Set("resourceVersion", a.At({"metadata", "resourceVersion"}));
  return a == b;
}

ApiStatus CheckPreconditions(const Resource& resource, const std::string& name, const Json& current,
                             const Json& updated, bool check_version) {
  const Json& meta = updated["metadata"];
  const std::string& uid = meta["uid"].AsString();
  const std::string& current_uid = current["metadata"]["uid"].AsString();
  if (!uid.empty() && uid != current_uid) {
    return ApiUnexpected(
        Conflict(resource.Target(), name,
                 fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                             uid, current_uid)));
  }
  const std::string& version = meta["resourceVersion"].AsString();
  if (check_version && !version.empty() && version != "0" &&
      version != current["metadata"]["resourceVersion"].AsString()) {
    return ApiUnexpected(ModifiedConflict(resource.Target(), name));
  }
  return {};
}

// The new state of `current`, ready to be stored.
ApiResult<Json> Prepare(Api& api, Call& call, const Json& current, Json updated,
                        const UpdateOptions& options) {
  const Resource& resource = *call.resource;
  Json object = Compose(resource, call, current, std::move(updated));
  KeepServerFields(current, object);
  object.Ref("metadata").Set("name", current["metadata"]["name"]);
  if (resource.custom) {
    Prune(*resource.schema, object, nullptr);
    ApplySchemaDefaults(*resource.schema, object);
  } else {
    DefaultBuiltin(resource, object);
  }
  bool status = call.subresource == "status";
  if (!status) KINGLET_API_CHECK(CheckFinalizers(resource, call.name, current, object));
  KINGLET_API_CHECK(Admit(api, call, "UPDATE", &object, &current));
  KeepServerFields(current, object);
  if (resource.custom) {
    Prune(*resource.schema, object, nullptr);
    ApplySchemaDefaults(*resource.schema, object);
  }
  std::vector<FieldError> errors;
  ValidateMetadata(resource, object, errors);
  if (resource.custom) {
    // The schema of the served version names apiVersion the same way.
    ValidateSchema(*resource.schema, object, &current, "", errors);
  } else if (!status) {
    ValidateBuiltin(resource, object, &current, errors);
  }
  if (!errors.empty()) return ApiUnexpected(Invalid(resource.Target(), call.name, errors));
  if (resource.StorageKey() == "services") {
    KINGLET_API_CHECK(AllocateClusterIp(api, object, &current));
  }
  if (resource.StorageKey() == "customresourcedefinitions.apiextensions.k8s.io") {
    KINGLET_API_CHECK(CheckCrd(api, object));
    SetCrdStatus(object);
  }
  if (resource.has_generation && !status &&
      !(SpecOf(resource, current) == SpecOf(resource, object))) {
    object.Ref("metadata").Set("generation", current["metadata"]["generation"].AsInt() + 1);
  }
  if (!options.managed_fields_done) {
    if (!object["metadata"].Has("managedFields")) {
      if (const Json* managers = current["metadata"].Find("managedFields")) {
        object.Ref("metadata").Set("managedFields", *managers);
      }
    }
    TrackUpdate(*resource.schema, &current, object,
                {call.field_manager,
                 options.operation,
                 resource.StorageApiVersion(),
                 call.subresource,
                 NowRfc3339(),
                 {}});
  }
  return object;
}

// Nothing holds a deleted object any more: it goes.
bool ReadyToGo(const Json& object) {
  const Json& meta = object["metadata"];
  return meta.Has("deletionTimestamp") && meta["finalizers"].empty() &&
         meta["deletionGracePeriodSeconds"].AsInt() == 0;
}

}  // namespace

ApiResult<Reply> UpdateObject(Api& api, Call& call, const Change& change,
                              const UpdateOptions& options) {
  const Resource& resource = *call.resource;
  std::string key = resource.StorageKey();
  bool crd = key == "customresourcedefinitions.apiextensions.k8s.io";
  for (int attempt = 0;; ++attempt) {
    RecordPtr current = api.store().Get(key, call.Ref());
    if (!current) return ApiUnexpected(NotFound(resource.Target(), call.name));
    KINGLET_API_TRY(Json updated, change(current->object));
    KINGLET_API_CHECK(
        CheckPreconditions(resource, call.name, current->object, updated, options.check_version));
    bool bound =
        options.check_version && !updated["metadata"]["resourceVersion"].AsString().empty();
    size_t warnings = call.warnings.size();
    KINGLET_API_TRY(Json object, Prepare(api, call, current->object, std::move(updated), options));
    if (call.dry_run) return Reply::Of(std::move(object));
    if (SameButTimes(current->object, object)) return Reply::Of(std::move(current));
    bool gone =
        ReadyToGo(object) && !(key == "namespaces" && !object.At({"spec", "finalizers"}).empty());
    auto record =
        gone ? api.store().Delete(key, call.Ref(), current->resource_version, &object)
             : api.store().Put(key, call.Ref(), current->resource_version, object, [&]() -> Status {
                 if (key != "services") return {};
                 return CheckClusterIp(api.store(), call.Ref(), object);
               });
    if (record) {
      if (crd) gone ? CrdRemoved(api, call.name) : CrdStored(api, (*record)->object);
      return Reply::Of(std::move(*record));
    }
    // Somebody else was faster. A client that named a version hears of it, the others go again.
    bool again = record.error().code() == Code::kAborted && !bound && attempt < kAttempts;
    if (!again) return ApiUnexpected(FromError(record.error(), resource.Target(), call.name));
    call.warnings.resize(warnings);
  }
}

ApiResult<Reply> Update(Api& api, Call& call) {
  KINGLET_API_TRY(Json object, DecodeObject(call));
  const Json& meta = object["metadata"];
  if (meta["name"].AsString() != call.name) {
    return ApiUnexpected(BadRequest(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                    meta["name"].AsString(), call.name)));
  }
  const std::string& space = meta["namespace"].AsString();
  if (call.resource->namespaced && !space.empty() && space != call.name_space) {
    return ApiUnexpected(BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (call.resource->custom && meta["resourceVersion"].AsString().empty()) {
    FieldError error =
        InvalidValue("metadata.resourceVersion", 0, "must be specified for an update");
    error.message = "Invalid value: 0x0: must be specified for an update";
    return ApiUnexpected(Invalid(call.resource->Target(), call.name, {error}));
  }
  return UpdateObject(api, call, [&](const Json&) -> ApiResult<Json> { return object; });
}

}  // namespace kinglet::local
