// core/v1 Events about objects, written in the background. Equal events are one Event with a
// growing count; a flood about one object is cut (25 at once, then one every 5 minutes, as
// client-go does).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "kube/client.h"

namespace kinglet::kube {

class EventRecorder {
 public:
  virtual ~EventRecorder() = default;
  // type: "Normal" or "Warning". Never blocks; events over the queue's bound are dropped (logged).
  virtual void Event(const Json& object, std::string_view type, std::string_view reason,
                     std::string message) = 0;
  void Normal(const Json& object, std::string_view reason, std::string message) {
    Event(object, "Normal", reason, std::move(message));
  }
  void Warning(const Json& object, std::string_view reason, std::string message) {
    Event(object, "Warning", reason, std::move(message));
  }
  // Waits until all given events were sent or failed. False at the deadline.
  virtual bool Flush(Deadline deadline) = 0;
};

// `component`: source.component and reportingComponent, e.g. "v1beta1Controllers".
std::unique_ptr<EventRecorder> MakeEventRecorder(Client& client, std::string component,
                                                 const Clock& clock = Clock::System());

}  // namespace kinglet::kube
