// Any bytes as a structured CloudEvent, and what it makes the response.
#include "inference/cloudevents/cloudevent.h"

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kinglet;
  namespace ce = inference::cloudevents;
  auto event = ce::ParseStructured({reinterpret_cast<const char*>(data), size});
  if (!event) return 0;
  const std::string response =
      ce::StructuredResponse({.merge = true}, "m", event->attributes, event->data);
  KINGLET_CHECK(ce::ParseStructured(response).has_value());
  return 0;
}
