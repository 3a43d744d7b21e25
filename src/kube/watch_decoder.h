// The body of a watch: one JSON object after another, each {"type", "object"}.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client.h"

namespace kinglet::kube {

class WatchDecoder {
 public:
  static constexpr size_t kMaxEvent = size_t{64} << 20;

  explicit WatchDecoder(std::function<Status(WatchEvent)> on_event)
      : on_event_(std::move(on_event)) {}

  // Pieces may be cut anywhere. Errors: a malformed or too large event, an ERROR event (its Status
  // as the error), or on_event's.
  Status Feed(std::string_view bytes);
  // At the end of the stream: kUnavailable when it broke off inside an event.
  Status Finish() const;

 private:
  Status Decode(std::string_view line);

  std::function<Status(WatchEvent)> on_event_;
  std::string partial_;
};

}  // namespace kinglet::kube
