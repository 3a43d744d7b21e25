// Server-sent events (WHATWG HTML, section 9.2), as OpenAI's API and MCP stream them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kinglet::http {

inline constexpr std::string_view kEventStream = "text/event-stream";

struct SseEvent {
  std::string event;  // "" is "message"
  std::string data;   // lines joined with \n
  std::string id;
};

// "event: e\ndata: line\n\n"; a data of several lines becomes several data fields.
void AppendSseEvent(std::string& out, std::string_view data, std::string_view event = {},
                    std::string_view id = {});

// Feed with bytes as they come; gives each finished event. Lines end in LF, CR LF or CR.
class SseParser {
 public:
  explicit SseParser(size_t max_event_bytes = size_t{16} << 20) : limit_(max_event_bytes) {}
  // Stops with the first error of the callback; kResourceExhausted over the limit.
  Status Feed(std::string_view bytes, const std::function<Status(const SseEvent&)>& on_event);

 private:
  Status Line(const std::function<Status(const SseEvent&)>& on_event);
  size_t limit_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false, after_cr_ = false;
};

}  // namespace kinglet::http
