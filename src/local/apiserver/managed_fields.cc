#include "local/apiserver/managed_fields.h"

#include <fmt/format.h>

#include <algorithm>

namespace kinglet::local {

std::vector<Manager> ReadManagers(const Json& object) {
  std::vector<Manager> managers;
  for (const Json& entry : object.At({"metadata", "managedFields"}).AsArray()) {
    if (entry["operation"].AsString().empty()) continue;  // [{}] resets
    managers.push_back({entry["manager"].AsString(), entry["operation"].AsString(),
                        entry["apiVersion"].AsString(), entry["subresource"].AsString(),
                        entry["time"].AsString(), FieldSet::FromJson(entry["fieldsV1"])});
  }
  return managers;
}

void WriteManagers(Json& object, const std::vector<Manager>& managers) {
  Json list = Json::MakeArray();
  for (const Manager& manager : managers) {
    Json entry = Json::MakeObject({{"manager", manager.name},
                                   {"operation", manager.operation},
                                   {"apiVersion", manager.api_version},
                                   {"fieldsType", "FieldsV1"},
                                   {"fieldsV1", manager.fields.ToJson()}});
    if (!manager.subresource.empty()) entry.Set("subresource", manager.subresource);
    if (!manager.time.empty()) entry.Set("time", manager.time);
    list.Push(std::move(entry));
  }
  Json& meta = object.Ref("metadata");
  if (list.empty()) {
    meta.Erase("managedFields");
  } else {
    meta.Set("managedFields", std::move(list));
  }
}

namespace {

void DropEmpty(std::vector<Manager>& managers) {
  std::erase_if(managers, [](const Manager& manager) { return manager.fields.Empty(); });
}

}  // namespace

void TrackUpdate(const Schema& schema, const Json* old, Json& object, Manager manager) {
  std::vector<Manager> managers = ReadManagers(object);
  FieldChanges changes =
      CompareFields(&schema, old ? OwnedPart(*old) : Json::MakeObject(), OwnedPart(object));
  if (changes.changed.Empty() && changes.removed.Empty()) {
    WriteManagers(object, managers);
    return;
  }
  Manager* own = nullptr;
  for (Manager& other : managers) {
    if (other.Same(manager)) {
      own = &other;
      continue;
    }
    other.fields.Subtract(changes.changed);
    other.fields.Subtract(changes.removed);
  }
  if (!own) {
    managers.push_back(manager);
    own = &managers.back();
    own->fields = {};
  }
  own->fields.Add(changes.changed);
  own->fields.Subtract(changes.removed);
  own->time = manager.time;
  DropEmpty(managers);
  WriteManagers(object, managers);
}

ApiResult<Json> ApplyConfiguration(const Schema& schema, const Json* live, const Json& config,
                                   Manager manager, bool force) {
  std::vector<Manager> managers = live ? ReadManagers(*live) : std::vector<Manager>();
  Json owned = OwnedPart(config);
  FieldSet wanted = FieldsOf(&schema, owned);
  wanted.member = false;
  Json base = live ? *live : Json::MakeObject();
  Json merged = MergeFields(&schema, base, config);
  FieldSet changed = CompareFields(&schema, OwnedPart(base), OwnedPart(merged)).changed;

  Json causes = Json::MakeArray();
  std::string text;
  FieldSet previous, others;
  for (Manager& other : managers) {
    if (other.Same(manager)) {
      previous = other.fields;
      continue;
    }
    // An earlier version of the same manager's configuration is its own, too.
    if (other.name == manager.name && other.operation == "Apply" &&
        other.subresource == manager.subresource) {
      previous.Add(other.fields);
      other.fields = {};
      continue;
    }
    FieldSet conflict = other.fields.Intersect(changed);
    if (!conflict.Empty()) {
      std::string who = fmt::format("\"{}\"", other.name);
      if (!other.subresource.empty())
        who += fmt::format(" with subresource \"{}\"", other.subresource);
      who += fmt::format(" using {}", other.api_version);
      for (const std::string& path : conflict.Paths()) {
        causes.Push(Json::MakeObject({{"reason", "FieldManagerConflict"},
                                      {"message", "conflict with " + who},
                                      {"field", path}}));
        text += fmt::format("\n- {} (conflict with {})", path, who);
      }
      other.fields.Subtract(conflict);
    }
    others.Add(other.fields);
  }
  if (!causes.empty() && !force) {
    size_t count = causes.size();
    std::string message =
        count == 1 ? fmt::format("Apply failed with 1 conflict: {}: {}",
                                 causes[0]["message"].AsString(), causes[0]["field"].AsString())
                   : fmt::format("Apply failed with {} conflicts:{}", count, text);
    return ApiUnexpected(
        MakeApiError(409, "Conflict", message, Json::MakeObject({{"causes", std::move(causes)}})));
  }
  // What the last configuration had and this one leaves out goes away, unless others own it.
  FieldSet given_up = previous;
  given_up.Subtract(wanted);
  given_up.Subtract(others);
  RemoveFields(&schema, merged, given_up);

  Manager* own = nullptr;
  for (Manager& other : managers) {
    if (other.Same(manager)) own = &other;
  }
  if (own) {
    own->fields = wanted;
    own->time = manager.time;
  } else {
    manager.fields = wanted;
    managers.push_back(manager);
  }
  DropEmpty(managers);
  WriteManagers(merged, managers);
  return merged;
}

}  // namespace kinglet::local
