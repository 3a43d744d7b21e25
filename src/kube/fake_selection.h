// For FakeClient alone: a change of an object and what watchers with a selection see of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kube/client.h"
#include "kube/selector.h"

namespace kinglet::kube {

struct Change {
  uint64_t version;
  std::string resource;
  WatchEvent::Type type;
  Json object;
  Json before;  // null for additions
};

struct Selection {
  std::string ns;
  LabelSelector labels;
  FieldSelector fields;

  bool Has(const Json& object) const {
    return !object.IsNull() && (ns.empty() || Namespace(object) == ns) &&
           labels.Matches(Labels(object)) && fields.Matches(object);
  }
};

inline Result<Selection> MakeSelection(const ResourceType& type, std::string_view ns,
                                       std::string_view labels, std::string_view fields) {
  Selection out;
  if (type.namespaced) out.ns = ns;
  KINGLET_TRY(out.labels, LabelSelector::Parse(labels));
  KINGLET_TRY(out.fields, FieldSelector::Parse(fields));
  return out;
}

// What a watcher with a selection sees of a change; nothing when it never had the object.
inline std::optional<WatchEvent> Seen(const Change& change, const Selection& selection) {
  bool had = selection.Has(change.before);
  bool has = change.type != WatchEvent::Type::kDeleted && selection.Has(change.object);
  if (!had && !has) return std::nullopt;
  auto type = !had  ? WatchEvent::Type::kAdded
              : has ? WatchEvent::Type::kModified
                    : WatchEvent::Type::kDeleted;
  return WatchEvent{type, change.object};
}

}  // namespace kinglet::kube
