#include <fmt/format.h>

#include "base/encoding.h"
#include "local/apiserver/api.h"
#include "local/apiserver/managed_fields.h"
#include "local/apiserver/validation.h"

namespace kinglet::local {
namespace {

constexpr size_t kMaxGeneratedBase = 58;  // 63 less the suffix
constexpr int kNameAttempts = 8;

ApiStatus CheckNamespace(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  if (!resource.namespaced) return {};
  RecordPtr space = api.store().Get("namespaces", {"", call.name_space});
  if (!space) return ApiUnexpected(NotFound({"namespaces", "", "Namespace"}, call.name_space));
  if (space->object["metadata"].Has("deletionTimestamp")) {
    ApiError error =
        Forbidden(resource.Target(), call.name,
                  fmt::format("unable to create new content in namespace {} because it is being "
                              "terminated",
                              call.name_space));
    error.status.Path({"details", "causes"}) = Json::MakeArray({Json::MakeObject(
        {{"reason", "NamespaceTerminating"},
         {"message", fmt::format("namespace {} is being terminated", call.name_space)},
         {"field", "metadata.namespace"}})});
    return ApiUnexpected(std::move(error));
  }
  return {};
}

// The namespace of the URL and of the object agree.
ApiStatus SettleNamespace(Call& call, Json& object) {
  const Resource& resource = *call.resource;
  Json& meta = object.Ref("metadata");
  if (!resource.namespaced) {
    meta.Erase("namespace");
    return {};
  }
  const std::string& given = meta["namespace"].AsString();
  if (call.name_space.empty()) {
    // A POST to the collection over all namespaces.
    if (given.empty()) {
      return ApiUnexpected(BadRequest("an empty namespace may not be set during creation"));
    }
    call.name_space = given;
  }
  if (!given.empty() && given != call.name_space) {
    return ApiUnexpected(BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request"));
  }
  meta.Set("namespace", call.name_space);
  return {};
}

void StatusOfNew(const Resource& resource, Json& object) {
  if (resource.custom) {
    if (resource.has_status) object.Erase("status");
    return;
  }
  if (resource.plural == "pods") {
    object.Set("status", Json::MakeObject({{"phase", "Pending"}}));
  } else if (resource.plural == "namespaces") {
    object.Set("status", Json::MakeObject({{"phase", "Active"}}));
  } else if (resource.plural == "nodes" || resource.plural == "persistentvolumes") {
    if (!object.Has("status")) object.Set("status", Json::MakeObject());
  } else if (resource.plural == "persistentvolumeclaims") {
    object.Set("status", Json::MakeObject({{"phase", "Pending"}}));
  } else if (resource.plural == "services" || resource.plural == "ingresses") {
    object.Set("status", Json::MakeObject({{"loadBalancer", Json::MakeObject()}}));
  } else if (resource.plural == "customresourcedefinitions") {
    SetCrdStatus(object);
  } else if (resource.has_status) {
    object.Set("status", Json::MakeObject());
  }
}

}  // namespace

void MakeDefaultAccount(Api& api, const std::string& name_space) {
  Call call;
  call.method = "POST";
  call.registry = api.registry().Get();
  call.resource = call.registry->Find("", "v1", "serviceaccounts");
  call.name_space = name_space;
  call.field_manager = "kinglet-apiserver";
  // It may be there already.
  (void)CreateObject(api, call,
                     Json::MakeObject({{"apiVersion", "v1"},
                                       {"kind", "ServiceAccount"},
                                       {"metadata", Json::MakeObject({{"name", "default"}})}}));
}

ApiResult<Reply> CreateObject(Api& api, Call& call, Json object, const std::string& apply_manager) {
  const Resource& resource = *call.resource;
  KINGLET_API_CHECK(SettleNamespace(call, object));
  Json& meta = object.Ref("metadata");
  std::string base = meta["generateName"].AsString();
  bool generate = meta["name"].AsString().empty() && !base.empty();
  if (!meta["resourceVersion"].AsString().empty()) {
    return ApiUnexpected(BadRequest("resourceVersion should not be set on objects to be created"));
  }
  for (const char* key : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}) {
    meta.Erase(key);
  }
  meta.Set("uid", RandomUuid());
  meta.Set("creationTimestamp", NowRfc3339());
  if (resource.has_generation) {
    meta.Set("generation", 1);
  } else {
    meta.Erase("generation");
  }
  if (generate) meta.Set("name", base.substr(0, kMaxGeneratedBase) + RandomSuffix(5));
  StatusOfNew(resource, object);
  if (resource.custom) ApplySchemaDefaults(*resource.schema, object);
  if (!resource.custom) DefaultBuiltin(resource, object);
  KINGLET_API_CHECK(Admit(api, call, "CREATE", &object, nullptr));
  if (resource.custom) {
    // A mutating hook may have written more than the schema knows.
    Prune(*resource.schema, object, nullptr);
    ApplySchemaDefaults(*resource.schema, object);
  } else {
    DefaultBuiltin(resource, object);
  }
  call.name = object["metadata"]["name"].AsString();
  std::vector<FieldError> errors;
  ValidateMetadata(resource, object, errors);
  if (resource.custom) {
    ValidateSchema(*resource.schema, object, nullptr, "", errors);
  } else {
    ValidateBuiltin(resource, object, nullptr, errors);
  }
  if (!errors.empty()) return ApiUnexpected(Invalid(resource.Target(), call.name, errors));
  KINGLET_API_CHECK(CheckNamespace(api, call));
  bool crd = resource.StorageKey() == "customresourcedefinitions.apiextensions.k8s.io";
  if (crd) KINGLET_API_CHECK(CheckCrd(api, object));
  const bool service = resource.StorageKey() == "services";
  const Json given_spec = service ? object["spec"] : Json();
  if (service) KINGLET_API_CHECK(AllocateClusterIp(api, object, nullptr));
  if (apply_manager.empty()) {
    object.Ref("metadata").Erase("managedFields");
    TrackUpdate(*resource.schema, nullptr, object,
                {call.field_manager, "Update", resource.StorageApiVersion(), "", NowRfc3339(), {}});
  }
  if (call.dry_run) {
    if (api.store().Get(resource.StorageKey(), call.Ref())) {
      return ApiUnexpected(AlreadyExists(resource.Target(), call.name));
    }
    return Reply::Of(std::move(object), 201);
  }
  for (int attempt = 0;; ++attempt) {
    auto record = api.store().Put(resource.StorageKey(), call.Ref(), 0, object, [&]() -> Status {
      return service ? CheckClusterIp(api.store(), call.Ref(), object) : Status{};
    });
    if (record) {
      if (crd) CrdStored(api, (*record)->object);
      if (resource.StorageKey() == "namespaces") MakeDefaultAccount(api, call.name);
      return Reply::Of(std::move(*record), 201);
    }
    if (service && record.error().code() == Code::kAborted && attempt < kNameAttempts) {
      object.Set("spec", given_spec);
      KINGLET_API_CHECK(AllocateClusterIp(api, object, nullptr));
      continue;
    }
    bool taken = record.error().code() == Code::kAlreadyExists;
    if (!taken || !generate || attempt >= kNameAttempts) {
      return ApiUnexpected(FromError(record.error(), resource.Target(), call.name));
    }
    call.name = base.substr(0, kMaxGeneratedBase) + RandomSuffix(5);
    object.Ref("metadata").Set("name", call.name);
  }
}

ApiResult<Reply> Create(Api& api, Call& call) {
  KINGLET_API_TRY(Json object, DecodeObject(call));
  return CreateObject(api, call, std::move(object));
}

}  // namespace kinglet::local
