#include "local/apiserver/events_v1.h"

#include <utility>

namespace kinglet::local {
namespace {

constexpr std::pair<const char*, const char*> kNames[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
};

void Rename(Json& object, std::string_view from, std::string_view to) {
  if (Json* value = object.Find(from)) {
    Json moved = std::move(*value);
    object.Erase(from);
    object.Set(to, std::move(moved));
  }
}

}  // namespace

Json EventToEventsV1(Json core) {
  for (auto [core_name, new_name] : kNames) Rename(core, core_name, new_name);
  core.Set("apiVersion", "events.k8s.io/v1");
  return core;
}

Json EventFromEventsV1(Json event) {
  for (auto [core_name, new_name] : kNames) Rename(event, new_name, core_name);
  event.Set("apiVersion", "v1");
  return event;
}

}  // namespace kinglet::local
