// get and list.
#include <fmt/format.h>

#include <charconv>

#include "base/encoding.h"
#include "kube/selector.h"
#include "local/apiserver/api.h"

namespace kinglet::local {
namespace {

// Where a chunked list goes on: the version it is a snapshot of, and the last object given.
struct Continue {
  int64_t version = 0;
  ObjectRef last;
};

std::string EncodeContinue(const Continue& token) {
  Json json = Json::MakeObject({{"v", "kinglet/v1"},
                                {"rv", token.version},
                                {"ns", token.last.name_space},
                                {"name", token.last.name}});
  return Base64Encode(json.Dump());
}

ApiResult<Continue> DecodeContinue(const std::string& text) {
  auto bytes = Base64Decode(text);
  auto json =
      bytes ? Json::Parse(*bytes) : Result<Json>(Fail(Code::kInvalidArgument, "not base64"));
  if (!json || (*json)["v"].AsString() != "kinglet/v1") {
    return ApiUnexpected(BadRequest("continue key is not valid"));
  }
  return Continue{(*json)["rv"].AsInt(), {(*json)["ns"].AsString(), (*json)["name"].AsString()}};
}

ApiResult<int64_t> ParseVersion(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return ApiUnexpected(BadRequest(fmt::format(
        "resourceVersion: Invalid value: \"{}\": strconv.ParseUint: parsing \"{}\": invalid syntax",
        text, text)));
  }
  return value;
}

// The fields that lists of built-in kinds can be selected by, besides name and namespace.
bool HasFieldLabel(const Resource& resource, std::string_view path) {
  struct Kind {
    std::string_view resource, fields;  // each between spaces
  };
  static constexpr Kind kKinds[] = {
      {"pods",
       " spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName "
       "spec.hostNetwork status.phase status.podIP status.podIPs status.nominatedNodeName "},
      {"events",
       " involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
       "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath "
       "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion "
       "regarding.resourceVersion regarding.fieldPath reason reportingComponent "
       "reportingController source type "},
      {"nodes", " spec.unschedulable "},
      {"namespaces", " status.phase "},
      {"secrets", " type "},
      {"services", " spec.clusterIP spec.type "},
      {"replicasets.apps", " status.replicas "},
      {"jobs.batch", " status.successful "},
  };
  if (path == "metadata.name" || path == "metadata.namespace") return true;
  const std::string key = resource.StorageKey(), word = fmt::format(" {} ", path);
  for (const Kind& kind : kKinds) {
    if (kind.resource == key) return kind.fields.find(word) != std::string_view::npos;
  }
  return false;
}

// What may be said together about resourceVersion, as kube-apiserver has it.
ApiStatus CheckListOptions(const Call& call) {
  const std::string match = call.Query("resourceVersionMatch");
  const std::string version = call.Query("resourceVersion");
  auto forbid = [](std::string_view field, std::string message) {
    FieldError error{"FieldValueForbidden", "Forbidden: " + message, std::string(field)};
    return ApiUnexpected(Invalid({"", "meta.k8s.io", "ListOptions"}, "", {error}));
  };
  constexpr std::string_view kMatch = "resourceVersionMatch";
  const bool initial = call.HasQuery("sendInitialEvents");
  if (initial && !call.watch) {
    return forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (initial && match != "NotOlderThan") {
    return forbid(kMatch,
                  "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (match.empty() || initial) return {};
  if (call.watch) {
    return forbid(
        kMatch, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  if (version.empty()) {
    return forbid(kMatch, "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (call.HasQuery("continue") && !call.Query("continue").empty()) {
    return forbid(kMatch, "resourceVersionMatch is forbidden when continue is provided");
  }
  if (match == "Exact" && version == "0") {
    return forbid(kMatch, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  return {};
}

}  // namespace

ApiResult<Selection> ReadSelection(const Call& call, size_t max_bytes) {
  KINGLET_API_CHECK(CheckListOptions(call));
  std::string labels = call.Query("labelSelector"), fields = call.Query("fieldSelector");
  // Each object of a list is compared with each part of it, on the event loop.
  if (std::max(labels.size(), fields.size()) > max_bytes) {
    return ApiUnexpected(
        MakeApiError(413, "RequestEntityTooLarge",
                     fmt::format("a selector may have at most {} bytes", max_bytes)));
  }
  Selection selection;
  auto label = kube::LabelSelector::Parse(labels);
  if (!label) {
    return ApiUnexpected(BadRequest("unable to parse requirement: " + label.error().message()));
  }
  auto field = kube::FieldSelector::Parse(fields);
  if (!field) {
    return ApiUnexpected(BadRequest("invalid field selector: " + field.error().message()));
  }
  for (const auto& requirement : field->requirements()) {
    if (!HasFieldLabel(*call.resource, requirement.path)) {
      return ApiUnexpected(
          BadRequest(fmt::format("field label not supported: {}", requirement.path)));
    }
  }
  if (labels.empty() && fields.empty()) return selection;
  const Resource& resource = *call.resource;
  bool convert = resource.group == "events.k8s.io" && !fields.empty();
  auto served = call.resource;
  selection.matches = [label = std::move(*label), field = std::move(*field), convert,
                       served](const Json& object) {
    if (!label.Matches(object.At({"metadata", "labels"}))) return false;
    if (field.requirements().empty()) return true;
    return convert ? field.Matches(ToServedVersion(*served, object)) : field.Matches(object);
  };
  return selection;
}

ApiResult<Reply> Get(Api& api, Call& call) {
  RecordPtr record = api.store().Get(call.resource->StorageKey(), call.Ref());
  if (!record) return ApiUnexpected(NotFound(call.resource->Target(), call.name));
  return Reply::Of(std::move(record));
}

ApiResult<Reply> List(Api& api, Call& call) {
  const Resource& resource = *call.resource;
  KINGLET_API_TRY(Selection selection, ReadSelection(call, api.options().limits.selector_bytes));
  int64_t limit = 0;
  if (call.HasQuery("limit")) {
    std::string text = call.Query("limit");
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || limit < 0) {
      return ApiUnexpected(BadRequest(fmt::format("limit: Invalid value: \"{}\"", text)));
    }
  }
  std::string key = resource.StorageKey(), token = call.Query("continue");
  std::string asked = call.Query("resourceVersion");
  ListResult list;
  Continue from;
  if (!token.empty()) {
    KINGLET_API_TRY(from, DecodeContinue(token));
    auto then = api.store().ListAt(key, call.name_space, from.version);
    if (!then) {
      return ApiUnexpected(Expired(
          "The provided continue parameter is too old to display a consistent list result. You can "
          "start a new list without the continue parameter."));
    }
    list = std::move(*then);
  } else if (call.Query("resourceVersionMatch") == "Exact" && !asked.empty()) {
    KINGLET_API_TRY(int64_t version, ParseVersion(asked));
    if (version > api.store().version()) {
      return ApiUnexpected(TooLargeResourceVersion(version, api.store().version()));
    }
    auto then = api.store().ListAt(key, call.name_space, version);
    if (!then)
      return ApiUnexpected(Expired("The resourceVersion for the provided list is too old."));
    list = std::move(*then);
  } else {
    if (!asked.empty()) {
      KINGLET_API_TRY(int64_t version, ParseVersion(asked));
      if (version > api.store().version()) {
        return ApiUnexpected(TooLargeResourceVersion(version, api.store().version()));
      }
    }
    list = api.store().List(key, call.name_space);
  }

  std::vector<RecordPtr> page;
  size_t i = 0;
  if (!token.empty()) {
    while (i < list.records.size() && list.records[i]->ref <= from.last) ++i;
  }
  for (; i < list.records.size(); ++i) {
    if (limit > 0 && static_cast<int64_t>(page.size()) == limit) break;
    if (!selection.matches || selection.matches(list.records[i]->object)) {
      page.push_back(list.records[i]);
    }
  }
  Json meta = Json::MakeObject({{"resourceVersion", std::to_string(list.resource_version)}});
  if (i < list.records.size()) {
    // With a selector the rest may match nothing; then the next page is empty, as in Kubernetes.
    meta.Set("continue", EncodeContinue({list.resource_version, list.records[i - 1]->ref}));
    if (!selection.matches) {
      meta.Set("remainingItemCount", static_cast<int64_t>(list.records.size() - i));
    }
  }
  Json head = Json::MakeObject({{"kind", resource.list_kind},
                                {"apiVersion", resource.ApiVersion()},
                                {"metadata", std::move(meta)}});
  if (!call.accept.table && !call.accept.partial_metadata && SameVersion(resource)) {
    // The texts are there already: put them together.
    Reply reply;
    reply.content_type = "application/json";
    reply.text = head.Dump();
    reply.text.back() = ',';
    reply.text += "\"items\":[";
    for (size_t n = 0; n < page.size(); ++n) {
      if (n > 0) reply.text += ',';
      reply.text += page[n]->json;
    }
    reply.text += "]}";
    return reply;
  }
  Json& items = head.Set("items", Json::MakeArray());
  for (const RecordPtr& record : page) items.Push(record->object);
  return Reply::Of(std::move(head));
}

}  // namespace kinglet::local
