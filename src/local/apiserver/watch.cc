#include "local/apiserver/watch.h"

#include <fmt/format.h>

#include <charconv>

#include "base/encoding.h"
#include "local/apiserver/table.h"
#include "net/loop.h"

namespace kinglet::local {
namespace {

// What one watch needs to turn store events into lines.
class Encoder {
 public:
  Encoder(const Call& call, Selection selection) : call_(call), selection_(std::move(selection)) {}

  // Appends the event's line, or nothing when it is not selected.
  void Append(const StoreEvent& event, std::string& out) {
    bool now = Selected(event.now->object);
    if (!selection_.matches) {
      Line(TypeName(event.type), *event.now, out);
      return;
    }
    // An object that begins or ceases to match is added to or deleted from what the client sees.
    bool before =
        event.type != EventType::kAdded && (event.before ? Selected(event.before->object) : true);
    if (event.type == EventType::kDeleted) {
      if (before || now) Line("DELETED", *event.now, out);
    } else if (now) {
      Line(before ? "MODIFIED" : "ADDED", *event.now, out);
    } else if (before) {
      Line("DELETED", *event.now, out);
    }
  }

  void AppendInitial(const Record& record, std::string& out) {
    if (Selected(record.object)) Line("ADDED", record, out);
  }

  void AppendBookmark(int64_t version, bool initial_end, std::string& out) {
    const Resource& resource = *call_.resource;
    Json meta = Json::MakeObject({{"resourceVersion", std::to_string(version)}});
    if (initial_end) {
      meta.Set("annotations", Json::MakeObject({{"k8s.io/initial-events-end", "true"}}));
    }
    Json object = Json::MakeObject({{"kind", resource.kind},
                                    {"apiVersion", resource.ApiVersion()},
                                    {"metadata", std::move(meta)}});
    if (call_.accept.table) {
      TableOptions options{.version = call_.accept.table_version,
                           .include_object = call_.Query("includeObject"),
                           .headers = headers_};
      headers_ = false;
      object = MakeTable(resource, object, options);
    }
    Raw("BOOKMARK", object.Dump(), out);
  }

  static void AppendError(const ApiError& error, std::string& out) {
    Raw("ERROR", error.status.Dump(), out);
  }

 private:
  bool Selected(const Json& object) const {
    return !selection_.matches || selection_.matches(object);
  }
  static std::string_view TypeName(EventType type) {
    return type == EventType::kAdded      ? "ADDED"
           : type == EventType::kModified ? "MODIFIED"
                                          : "DELETED";
  }
  static void Raw(std::string_view type, std::string_view json, std::string& out) {
    out += "{\"type\":\"";
    out += type;
    out += "\",\"object\":";
    out += json;
    out += "}\n";
  }
  void Line(std::string_view type, const Record& record, std::string& out) {
    const Resource& resource = *call_.resource;
    if (!call_.accept.table && !call_.accept.partial_metadata && SameVersion(resource)) {
      Raw(type, record.json, out);
      return;
    }
    Json object = ToServedVersion(resource, record.object);
    if (call_.accept.table) {
      TableOptions options{.version = call_.accept.table_version,
                           .include_object = call_.Query("includeObject"),
                           .headers = headers_};
      headers_ = false;
      object = MakeTable(resource, object, options);
    } else if (call_.accept.partial_metadata) {
      object = Json::MakeObject({{"kind", "PartialObjectMetadata"},
                                 {"apiVersion", "meta.k8s.io/v1"},
                                 {"metadata", object["metadata"]}});
    }
    Raw(type, object.Dump(), out);
  }

  const Call& call_;
  Selection selection_;
  bool headers_ = true;
};

Duration Timeout(const Call& call) {
  std::string text = call.Query("timeoutSeconds");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (seconds > 0) return std::chrono::seconds(std::min<int64_t>(seconds, 24 * 3600));
  // As the API server: between 30 and 60 minutes, so that watches do not all end together.
  auto random = static_cast<unsigned char>(RandomBytes(1)[0]);
  return std::chrono::seconds(1800 + random * 7);
}

void SendError(http::Exchange& exchange, const ApiError& error) {
  http::Response response = RenderError(error);
  exchange.Send(response.status, "application/json", response.body);
}

}  // namespace

net::Task<void> ServeWatch(Api& api, Call call, http::Exchange& exchange, std::stop_token stop) {
  auto selection = ReadSelection(call, api.options().limits.selector_bytes);
  if (!selection) {
    SendError(exchange, selection.error());
    co_return;
  }
  const Resource& resource = *call.resource;
  std::string key = resource.StorageKey(), from = call.Query("resourceVersion");
  if (!call.name.empty()) {
    // GET .../NAME?watch=1 watches one object.
    call.query.emplace_back("fieldSelector", "metadata.name=" + call.name);
    selection = ReadSelection(call, api.options().limits.selector_bytes);
    if (!selection) {
      SendError(exchange, selection.error());
      co_return;
    }
  }
  bool bookmarks = call.QueryBool("allowWatchBookmarks");
  bool initial = from.empty() || from == "0" || call.QueryBool("sendInitialEvents");
  // Shared with the store, which may be waking this watch while it ends.
  auto ready = std::make_shared<net::Event>(exchange.loop());
  auto wake = [ready] { ready->Raise(); };
  std::stop_callback on_stop(stop, wake);
  std::shared_ptr<Watcher> watcher;
  ListResult state;
  if (initial) {
    watcher = api.store().ListAndWatch(key, call.name_space, &state, wake);
  } else {
    int64_t version = 0;
    auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), version);
    if (error != std::errc() || end != from.data() + from.size()) {
      SendError(exchange, BadRequest(fmt::format("resourceVersion: Invalid value: \"{}\"", from)));
      co_return;
    }
    if (version > api.store().version()) {
      SendError(exchange, TooLargeResourceVersion(version, api.store().version()));
      co_return;
    }
    auto started = api.store().Watch(key, call.name_space, version, wake);
    if (!started) {
      SendError(exchange, Expired(started.error().message()));
      co_return;
    }
    watcher = std::move(*started);
    ready->Raise();  // the past may be waiting
  }

  Encoder encoder(call, std::move(*selection));
  http::Headers headers;
  headers.Set("Content-Type", "application/json");
  headers.Set("Cache-Control", "no-cache, private");
  for (const std::string& warning : call.warnings) {
    headers.Add("Warning", "299 - " + Json(warning).Dump());
  }
  exchange.SendHead(200, headers);
  std::string out;
  for (const RecordPtr& record : state.records) encoder.AppendInitial(*record, out);
  state.records.clear();
  if (call.QueryBool("sendInitialEvents")) {
    encoder.AppendBookmark(state.resource_version, true, out);
  }
  // The head goes out at once even when nothing is there yet.
  if (!co_await exchange.Write(out)) co_return;

  Deadline end = Deadline::After(Timeout(call));
  while (!end.Expired() && !stop.stop_requested() && !exchange.stop().stop_requested()) {
    Deadline next = end.Min(Deadline::After(api.options().bookmark_interval));
    bool raised = co_await ready->Wait(next, exchange.stop());
    ready->Reset();
    out.clear();
    int64_t version = api.store().version();
    for (const StoreEventPtr& event : watcher->Take()) encoder.Append(*event, out);
    if (watcher->overflowed()) {
      Encoder::AppendError(Expired("the watch fell behind: list again"), out);
      (void)co_await exchange.Write(out);
      break;
    }
    // Nothing can be in flight below the version that was read before an empty queue was seen.
    if (!raised && bookmarks && out.empty() && watcher->empty()) {
      encoder.AppendBookmark(version, false, out);
    }
    if (!out.empty() && !co_await exchange.Write(out)) co_return;
  }
  (void)co_await exchange.End();
}

}  // namespace kinglet::local
