#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "local/apiserver/api.h"

namespace kinglet::local {
namespace {

constexpr int kAttempts = 16;

// Kinds whose DELETE answers with the object.
bool ReturnsObject(const Resource& resource) {
  static constexpr std::string_view kKinds[] = {"Pod", "Service", "ServiceAccount",
                                                "PersistentVolumeClaim", "PersistentVolume"};
  return !resource.custom &&
         std::find(std::begin(kKinds), std::end(kKinds), resource.kind) != std::end(kKinds);
}

Json Success(const Resource& resource, const Record& record) {
  Json details =
      Json::MakeObject({{"name", record.ref.name}, {"kind", resource.plural}, {"uid", record.uid}});
  if (!resource.group.empty()) details.Set("group", resource.group);
  return Json::MakeObject({{"kind", "Status"},
                           {"apiVersion", "v1"},
                           {"metadata", Json::MakeObject()},
                           {"status", "Success"},
                           {"details", std::move(details)}});
}

// How long the kubelet gets.
int64_t GracePeriod(const Resource& resource, const Json& object, const DeleteOptions& options) {
  if (resource.StorageKey() != "pods") return 0;
  const std::string& phase = object.At({"status", "phase"}).AsString();
  bool nobody_runs_it = object.At({"spec", "nodeName"}).AsString().empty() ||
                        phase == "Succeeded" || phase == "Failed";
  if (nobody_runs_it) return 0;
  int64_t grace =
      options.grace_period.value_or(object.At({"spec", "terminationGracePeriodSeconds"}).AsInt(30));
  return std::max<int64_t>(grace, 0);
}

void AddFinalizer(Json& object, std::string_view finalizer) {
  Json& list = object.Path({"metadata", "finalizers"});
  for (const Json& there : list.AsArray()) {
    if (there.AsString() == finalizer) return;
  }
  list.Push(finalizer);
}

ApiStatus CheckPreconditions(const Resource& resource, const Record& record,
                             const DeleteOptions& options) {
  auto failed = [&](std::string_view what, std::string_view wanted, std::string_view is) {
    return ApiUnexpected(
        Conflict(resource.Target(), record.ref.name,
                 fmt::format("Precondition failed: {} in precondition: {}, {} in object meta: {}",
                             what, wanted, what, is)));
  };
  if (!options.uid.empty() && options.uid != record.uid) {
    return failed("UID", options.uid, record.uid);
  }
  std::string version = std::to_string(record.resource_version);
  if (!options.resource_version.empty() && options.resource_version != version) {
    return failed("ResourceVersion", options.resource_version, version);
  }
  return {};
}

// The object marked as being deleted. `*marked` is false when nothing holds it back.
Json Mark(const Resource& resource, const Record& record, const DeleteOptions& options,
          bool* marked) {
  Json object = record.object;
  bool deleting = object["metadata"].Has("deletionTimestamp");
  if (!deleting && options.propagation == "Foreground") AddFinalizer(object, "foregroundDeletion");
  if (!deleting && options.propagation == "Orphan") AddFinalizer(object, "orphan");
  Json& meta = object.Ref("metadata");
  int64_t grace = GracePeriod(resource, object, options);
  if (deleting) {
    // A second delete may only hurry.
    int64_t before = meta["deletionGracePeriodSeconds"].AsInt();
    bool asked = options.grace_period.has_value() || resource.StorageKey() != "pods";
    grace = asked ? std::min(before, grace) : before;
  }
  bool is_namespace = resource.StorageKey() == "namespaces";
  *marked = !meta["finalizers"].empty() || grace > 0 || is_namespace;
  if (!deleting || grace < meta["deletionGracePeriodSeconds"].AsInt()) {
    meta.Set("deletionTimestamp",
             FormatRfc3339(Clock::System().Wall() + std::chrono::seconds(grace)));
    meta.Set("deletionGracePeriodSeconds", grace);
  }
  if (!deleting && meta["generation"].AsInt() > 0) {
    meta.Set("generation", meta["generation"].AsInt() + 1);
  }
  if (is_namespace) object.Path({"status", "phase"}) = "Terminating";
  return object;
}

}  // namespace

ApiResult<DeleteOptions> ReadDeleteOptions(const Call& call) {
  DeleteOptions options;
  options.dry_run = call.dry_run;
  Json body;
  if (!call.body.empty()) {
    KINGLET_API_TRY(body, ParseBody(call));
  }
  if (body["gracePeriodSeconds"].IsNumber()) {
    options.grace_period = body["gracePeriodSeconds"].AsInt();
  } else if (call.HasQuery("gracePeriodSeconds")) {
    std::string text = call.Query("gracePeriodSeconds");
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc())
      return ApiUnexpected(BadRequest("gracePeriodSeconds must be a number"));
    options.grace_period = value;
  }
  options.propagation = body["propagationPolicy"].AsString();
  if (options.propagation.empty()) options.propagation = call.Query("propagationPolicy");
  if (body["orphanDependents"].IsBool()) {
    options.propagation = body["orphanDependents"].AsBool() ? "Orphan" : "Background";
  } else if (call.HasQuery("orphanDependents")) {
    options.propagation = call.QueryBool("orphanDependents") ? "Orphan" : "Background";
  }
  const std::string& policy = options.propagation;
  if (!policy.empty() && policy != "Background" && policy != "Foreground" && policy != "Orphan") {
    return ApiUnexpected(Invalid(
        {"", "meta.k8s.io", "DeleteOptions"}, "",
        {UnsupportedValue("propagationPolicy", policy, {"Background", "Foreground", "Orphan"})}));
  }
  options.uid = body.At({"preconditions", "uid"}).AsString();
  options.resource_version = body.At({"preconditions", "resourceVersion"}).AsString();
  if (!body["dryRun"].empty()) options.dry_run = true;
  return options;
}

ApiResult<Reply> DeleteObject(Api& api, const Resource& resource, const ObjectRef& ref,
                              const DeleteOptions& options) {
  std::string key = resource.StorageKey();
  for (int attempt = 0;; ++attempt) {
    RecordPtr record = api.store().Get(key, ref);
    if (!record) return ApiUnexpected(NotFound(resource.Target(), ref.name));
    KINGLET_API_CHECK(CheckPreconditions(resource, *record, options));
    bool marked = false;
    Json object = Mark(resource, *record, options, &marked);
    if (options.dry_run) {
      return ReturnsObject(resource) || marked ? Reply::Of(std::move(object))
                                               : Reply::Raw(Success(resource, *record));
    }
    if (marked && object == record->object) return Reply::Of(std::move(record));
    auto written = marked ? api.store().Put(key, ref, record->resource_version, std::move(object))
                          : api.store().Delete(key, ref, record->resource_version, &object);
    if (written) {
      if (!marked && key == "customresourcedefinitions.apiextensions.k8s.io") {
        CrdRemoved(api, ref.name);
      }
      if (marked || ReturnsObject(resource)) return Reply::Of(std::move(*written));
      return Reply::Raw(Success(resource, *record));
    }
    if (written.error().code() != Code::kAborted || attempt >= kAttempts) {
      return ApiUnexpected(FromError(written.error(), resource.Target(), ref.name));
    }
  }
}

ApiResult<Reply> Delete(Api& api, Call& call) {
  KINGLET_API_TRY(DeleteOptions options, ReadDeleteOptions(call));
  RecordPtr record = api.store().Get(call.resource->StorageKey(), call.Ref());
  if (!record) return ApiUnexpected(NotFound(call.resource->Target(), call.name));
  KINGLET_API_CHECK(Admit(api, call, "DELETE", nullptr, &record->object));
  return DeleteObject(api, *call.resource, call.Ref(), options);
}

ApiResult<Reply> DeleteCollection(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  KINGLET_API_TRY(DeleteOptions options, ReadDeleteOptions(call));
  KINGLET_API_TRY(Selection selection, ReadSelection(call, api.options().limits.selector_bytes));
  ListResult list = api.store().List(resource.StorageKey(), call.name_space);
  Json items = Json::MakeArray();
  for (const RecordPtr& record : list.records) {
    if (selection.matches && !selection.matches(record->object)) continue;
    call.name = record->ref.name;
    KINGLET_API_CHECK(Admit(api, call, "DELETE", nullptr, &record->object));
    auto reply = DeleteObject(api, resource, record->ref, options);
    // Somebody else's delete is as good.
    if (!reply && reply.error().code != 404) return ApiUnexpected(reply.error());
    items.Push(record->object);
  }
  call.name.clear();
  return Reply::Of(Json::MakeObject(
      {{"kind", resource.list_kind},
       {"apiVersion", resource.ApiVersion()},
       {"metadata", Json::MakeObject({{"resourceVersion", std::to_string(api.store().version())}})},
       {"items", std::move(items)}}));
}

}  // namespace kinglet::local
