#include "net/http/sse.h"

namespace kinglet::http {

void AppendSseEvent(std::string& out, std::string_view data, std::string_view event,
                    std::string_view id) {
  if (!event.empty()) out.append("event: ").append(event).append("\n");
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  while (true) {
    size_t end = data.find('\n');
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  out.append("\n");
}

Status SseParser::Feed(std::string_view bytes,
                       const std::function<Status(const SseEvent&)>& on_event) {
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + event_.data.size() > limit_) {
      return Fail(Code::kResourceExhausted, "a server-sent event is over {} bytes", limit_);
    }
    if (end == std::string_view::npos) return {};
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    KINGLET_RETURN_IF_ERROR(Line(on_event));
  }
  return {};
}

Status SseParser::Line(const std::function<Status(const SseEvent&)>& on_event) {
  std::string line = std::move(line_);
  line_.clear();
  if (line.empty()) {
    SseEvent event = std::move(event_);
    event_ = {};
    event_.id = event.id;
    bool dispatch = std::exchange(has_data_, false);
    return dispatch ? on_event(event) : Status{};
  }
  std::string_view name = line, value;
  if (size_t colon = line.find(':'); colon != std::string::npos) {
    value = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (value.starts_with(' ')) value.remove_prefix(1);
  }
  if (name == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (name == "event") {
    event_.event = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = value;
  }
  return {};
}

}  // namespace kinglet::http
