#include "kube/watch_decoder.h"

#include "base/json_filter.h"

namespace kinglet::kube {
namespace {

Result<WatchEvent::Type> ParseType(std::string_view text) {
  if (text == "ADDED") return WatchEvent::Type::kAdded;
  if (text == "MODIFIED") return WatchEvent::Type::kModified;
  if (text == "DELETED") return WatchEvent::Type::kDeleted;
  if (text == "BOOKMARK") return WatchEvent::Type::kBookmark;
  return Fail(Code::kInternal, "the API server sent a watch event of unknown type \"{}\"",
              text.substr(0, 40));
}

}  // namespace

Result<Json> ParseObject(std::string_view text, bool drop_managed_fields) {
  return drop_managed_fields ? ParseJsonWithout(text, "metadata", "managedFields")
                             : Json::Parse(text);
}

Status WatchDecoder::Decode(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
  auto parsed = ParseObject(line, drop_managed_fields_);
  if (!parsed) return Unexpected(parsed.error().WithContext("the API server's watch event"));
  const std::string& type = (*parsed)["type"].AsString();
  if (type == "ERROR") {
    const Json& status = (*parsed)["object"];
    return Unexpected(ErrorFromStatus(static_cast<int>(status["code"].AsInt(500)), status.Dump()));
  }
  WatchEvent event;
  KINGLET_TRY(event.type, ParseType(type));
  Json* object = parsed->Find("object");
  if (!object || !object->IsObject()) {
    return Fail(Code::kInternal, "the API server sent a watch event without an object");
  }
  event.object = std::move(*object);
  return on_event_(std::move(event));
}

Status WatchDecoder::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (partial_.size() + bytes.size() > kMaxEvent) {
        return Fail(Code::kResourceExhausted, "a watch event is larger than {} bytes", kMaxEvent);
      }
      partial_ += bytes;
      return {};
    }
    if (partial_.empty()) {
      KINGLET_RETURN_IF_ERROR(Decode(bytes.substr(0, end)));
    } else {
      partial_ += bytes.substr(0, end);
      std::string line = std::move(partial_);
      partial_.clear();
      KINGLET_RETURN_IF_ERROR(Decode(line));
    }
    bytes.remove_prefix(end + 1);
  }
  return {};
}

Status WatchDecoder::Finish() const {
  if (partial_.empty()) return {};
  return Fail(Code::kUnavailable, "the watch ended inside an event");
}

}  // namespace kinglet::kube
