// The body of a watch: one JSON object after another, each {"type", "object"}.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

// An answer's or event's text; metadata.managedFields, also of items and of an event's object, left
// out where asked.
Result<Json> ParseObject(std::string_view text, bool drop_managed_fields);

class WatchDecoder {
 public:
  static constexpr size_t kMaxEvent = size_t{64} << 20;

  explicit WatchDecoder(std::function<Status(WatchEvent)> on_event,
                        bool drop_managed_fields = false)
      : on_event_(std::move(on_event)), drop_managed_fields_(drop_managed_fields) {}

  // Pieces may be cut anywhere. Errors: a malformed or too large event, an ERROR event (its Status
  // as the error), or on_event's.
  Status Feed(std::string_view bytes);
  // At the end of the stream: kUnavailable when it broke off inside an event.
  Status Finish() const;

 private:
  Status Decode(std::string_view line);

  std::function<Status(WatchEvent)> on_event_;
  const bool drop_managed_fields_;
  std::string partial_;
};

}  // namespace kinglet::kube
