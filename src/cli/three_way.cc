#include "cli/three_way.h"

#include "kube/strategic_merge.h"

namespace kinglet::cli {
namespace {

const Json& FindItem(const Json& list, std::string_view key, const Json& value) {
  static const Json none;
  for (const Json& item : list.AsArray()) {
    if (item[key] == value) return item;
  }
  return none;
}

Json ObjectPatch(const Json& last, const Json& wanted, const Json& live, bool strategic,
                 std::string_view parent);

// Items by merge key: changed ones as patches, new ones whole, former ones deleted.
Json KeyedListPatch(const Json& last, const Json& wanted, const Json& live, std::string_view key,
                    std::string_view field) {
  Json patch = Json::MakeArray();
  for (const Json& item : wanted.AsArray()) {
    const Json& present = FindItem(live, key, item[key]);
    if (present.IsNull()) {
      patch.Push(item);
      continue;
    }
    Json change = ObjectPatch(FindItem(last, key, item[key]), item, present, true, field);
    if (change.empty()) continue;
    change.Set(key, item[key]);
    patch.Push(std::move(change));
  }
  for (const Json& item : last.AsArray()) {
    bool dropped = FindItem(wanted, key, item[key]).IsNull();
    if (dropped && !FindItem(live, key, item[key]).IsNull()) {
      patch.Push(Json::MakeObject({{"$patch", "delete"}, {key, item[key]}}));
    }
  }
  return patch;
}

// Null: nothing to do.
Json ValuePatch(const Json& last, const Json& wanted, const Json& live, bool strategic,
                std::string_view parent, std::string_view field) {
  if (wanted.IsObject() && live.IsObject()) {
    Json change = ObjectPatch(last, wanted, live, strategic, field);
    return change.empty() ? Json() : change;
  }
  if (wanted == live) return Json();
  if (strategic && wanted.IsArray() && live.IsArray()) {
    kube::ListMergeRule rule = kube::MergeRule(parent, field);
    if (rule.merge && !rule.merge_key.empty()) {
      Json change = KeyedListPatch(last, wanted, live, rule.merge_key, field);
      return change.empty() ? Json() : change;
    }
  }
  return wanted;
}

Json ObjectPatch(const Json& last, const Json& wanted, const Json& live, bool strategic,
                 std::string_view parent) {
  Json patch = Json::MakeObject();
  for (const auto& [key, value] : last.AsObject()) {
    if (!wanted.Has(key) && live.Has(key)) patch.Set(key, nullptr);
  }
  for (const auto& [key, value] : wanted.AsObject()) {
    if (value.IsNull()) {
      if (live.Has(key)) patch.Set(key, nullptr);
      continue;
    }
    Json change = ValuePatch(last[key], value, live[key], strategic, parent, key);
    if (!change.IsNull()) patch.Set(key, std::move(change));
  }
  return patch;
}

}  // namespace

Json ThreeWayPatch(const Json& last, const Json& wanted, const Json& live, bool strategic) {
  return ObjectPatch(last, wanted, live, strategic, "");
}

}  // namespace kinglet::cli
