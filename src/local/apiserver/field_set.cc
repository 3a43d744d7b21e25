#include "local/apiserver/field_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace kinglet::local {
namespace {

using ListType = Schema::ListType;

const Schema* Child(const Schema* schema, std::string_view key) {
  return schema ? schema->Property(key) : nullptr;
}
const Schema* Items(const Schema* schema) { return schema ? schema->items.get() : nullptr; }

ListType ListTypeOf(const Schema* schema) {
  return schema && schema->type == Schema::Type::kArray ? schema->list_type : ListType::kAtomic;
}

bool Granular(const Schema* schema, const Json& value) {
  if (value.IsObject()) return !schema || !schema->atomic;
  if (value.IsArray()) return ListTypeOf(schema) != ListType::kAtomic;
  return false;
}

// A map's own path is a field (it can be there empty); a struct's is not.
bool IsMap(const Schema* schema) { return !schema || schema->properties.empty(); }

std::string ItemKey(const Schema* schema, const Json& item) {
  if (ListTypeOf(schema) == ListType::kSet) return "v:" + item.Dump();
  Json key = Json::MakeObject();
  for (const std::string& name : schema->map_keys) {
    if (const Json* value = item.Find(name)) {
      key.Set(name, *value);
    } else if (name == "protocol") {
      key.Set(name, "TCP");  // the one key of built-in lists that has a default
    }
  }
  return "k:" + key.Dump();
}

std::string PathText(const std::string& element) {
  if (element.starts_with("f:")) return "." + element.substr(2);
  if (element.starts_with("v:")) return "[=" + element.substr(2) + "]";
  auto key = Json::Parse(std::string_view(element).substr(2));
  std::string text;
  if (key) {
    for (const auto& [name, value] : key->AsObject()) {
      if (!text.empty()) text += ",";
      text += name + "=" + value.Dump();
    }
  }
  return "[" + text + "]";
}

void CollectPaths(const FieldSet& set, const std::string& path, std::vector<std::string>& out) {
  if (set.member) out.push_back(path);
  for (const auto& [key, child] : set.children) CollectPaths(child, path + PathText(key), out);
}

}  // namespace

bool FieldSet::Empty() const {
  if (member) return false;
  for (const auto& [key, child] : children) {
    if (!child.Empty()) return false;
  }
  return true;
}

void FieldSet::Add(const FieldSet& other) {
  member = member || other.member;
  for (const auto& [key, child] : other.children) children[key].Add(child);
}

void FieldSet::Subtract(const FieldSet& other) {
  if (other.member) member = false;
  for (const auto& [key, child] : other.children) {
    auto it = children.find(key);
    if (it == children.end()) continue;
    it->second.Subtract(child);
    if (it->second.Empty()) children.erase(it);
  }
}

FieldSet FieldSet::Intersect(const FieldSet& other) const {
  FieldSet out;
  out.member = member && other.member;
  for (const auto& [key, child] : children) {
    auto it = other.children.find(key);
    if (it == other.children.end()) continue;
    FieldSet both = child.Intersect(it->second);
    if (!both.Empty()) out.children.emplace(key, std::move(both));
  }
  return out;
}

std::vector<std::string> FieldSet::Paths() const {
  std::vector<std::string> out;
  CollectPaths(*this, "", out);
  return out;
}

Json FieldSet::ToJson() const {
  Json out = Json::MakeObject();
  if (member && !children.empty()) out.Set(".", Json::MakeObject());
  for (const auto& [key, child] : children) out.Set(key, child.ToJson());
  return out;
}

FieldSet FieldSet::FromJson(const Json& fields_v1) {
  FieldSet set;
  for (const auto& [key, value] : fields_v1.AsObject()) {
    if (key == ".") {
      set.member = true;
      continue;
    }
    FieldSet child = FromJson(value);
    if (value.empty()) child.member = true;
    set.children.emplace(key, std::move(child));
  }
  return set;
}

FieldSet FieldsOf(const Schema* schema, const Json& value) {
  FieldSet set;
  if (!Granular(schema, value)) {
    set.member = true;
    return set;
  }
  if (value.IsObject()) {
    set.member = IsMap(schema) || value.empty();
    for (const auto& [key, child] : value.AsObject()) {
      set.children.emplace("f:" + key, FieldsOf(Child(schema, key), child));
    }
    return set;
  }
  set.member = true;
  for (const Json& item : value.AsArray()) {
    FieldSet child;
    if (ListTypeOf(schema) == ListType::kMap) child = FieldsOf(Items(schema), item);
    child.member = true;
    set.children[ItemKey(schema, item)].Add(child);
  }
  return set;
}

FieldChanges CompareFields(const Schema* schema, const Json& old, const Json& now) {
  FieldChanges out;
  if (!Granular(schema, old) || !Granular(schema, now) || old.IsObject() != now.IsObject()) {
    if (!(old == now)) out.changed = FieldsOf(schema, now);
    return out;
  }
  auto child = [&](const std::string& key, const Schema* child_schema, const Json* a,
                   const Json* b) {
    if (a && b) {
      FieldChanges inner = CompareFields(child_schema, *a, *b);
      if (!inner.changed.Empty()) out.changed.children.emplace(key, std::move(inner.changed));
      if (!inner.removed.Empty()) out.removed.children.emplace(key, std::move(inner.removed));
    } else if (b) {
      out.changed.children.emplace(key, FieldsOf(child_schema, *b));
    } else {
      FieldSet gone = FieldsOf(child_schema, *a);
      gone.member = true;
      out.removed.children.emplace(key, std::move(gone));
    }
  };
  if (now.IsObject()) {
    for (const auto& [key, value] : now.AsObject()) {
      child("f:" + key, Child(schema, key), old.Find(key), &value);
    }
    for (const auto& [key, value] : old.AsObject()) {
      if (!now.Has(key)) child("f:" + key, Child(schema, key), &value, nullptr);
    }
    return out;
  }
  // Items of a set are compared as leaves: an item is there or not.
  const Schema* items = ListTypeOf(schema) == ListType::kMap ? Items(schema) : nullptr;
  std::map<std::string, std::pair<const Json*, const Json*>> pairs;
  for (const Json& item : old.AsArray()) pairs[ItemKey(schema, item)].first = &item;
  for (const Json& item : now.AsArray()) pairs[ItemKey(schema, item)].second = &item;
  for (const auto& [key, pair] : pairs) {
    child(key, items, pair.first, pair.second);
    if (!pair.first) out.changed.children[key].member = true;
  }
  return out;
}

Json MergeFields(const Schema* schema, const Json& live, const Json& config) {
  if (!Granular(schema, live) || !Granular(schema, config) ||
      live.IsObject() != config.IsObject()) {
    return config;
  }
  Json out = live;
  if (config.IsObject()) {
    for (const auto& [key, value] : config.AsObject()) {
      const Json* there = live.Find(key);
      out.Set(key, there ? MergeFields(Child(schema, key), *there, value) : value);
    }
    return out;
  }
  for (const Json& item : config.AsArray()) {
    std::string key = ItemKey(schema, item);
    auto& items = out.MutableArray();
    auto it = std::find_if(items.begin(), items.end(),
                           [&](const Json& other) { return ItemKey(schema, other) == key; });
    if (it == items.end()) {
      items.push_back(item);
    } else if (ListTypeOf(schema) == ListType::kMap) {
      *it = MergeFields(Items(schema), *it, item);
    }
  }
  return out;
}

void RemoveFields(const Schema* schema, Json& value, const FieldSet& set) {
  // True when nothing is left of a child that was to be removed.
  auto gone = [](const FieldSet& child_set, const Json& child) {
    if (child_set.children.empty()) return child_set.member;
    return (child.IsObject() || child.IsArray()) && child.empty();
  };
  if (value.IsObject()) {
    for (const auto& [key, child_set] : set.children) {
      if (!key.starts_with("f:")) continue;
      std::string name = key.substr(2);
      Json* child = value.Find(name);
      if (!child) continue;
      const Schema* child_schema = Child(schema, name);
      RemoveFields(child_schema, *child, child_set);
      if (gone(child_set, *child)) value.Erase(name);
    }
    return;
  }
  if (!value.IsArray() || ListTypeOf(schema) == ListType::kAtomic) return;
  auto& items = value.MutableArray();
  for (const auto& [key, child_set] : set.children) {
    auto it = std::find_if(items.begin(), items.end(),
                           [&](const Json& item) { return ItemKey(schema, item) == key; });
    if (it == items.end()) continue;
    if (ListTypeOf(schema) == ListType::kSet) {
      if (child_set.member) items.erase(it);
      continue;
    }
    // The keys go last: an item with nothing but its keys, which its owner gave up, is removed.
    FieldSet without_keys = child_set;
    for (const std::string& name : schema->map_keys) without_keys.children.erase("f:" + name);
    RemoveFields(Items(schema), *it, without_keys);
    bool only_keys =
        std::all_of(it->AsObject().begin(), it->AsObject().end(), [&](const auto& member) {
          return std::find(schema->map_keys.begin(), schema->map_keys.end(), member.first) !=
                 schema->map_keys.end();
        });
    if (child_set.member && only_keys) items.erase(it);
  }
}

Json OwnedPart(const Json& object) {
  Json out = object;
  out.Erase("apiVersion");
  out.Erase("kind");
  if (Json* meta = out.Find("metadata")) {
    for (const char* key : {"name", "namespace", "uid", "resourceVersion", "generation",
                            "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "generateName"}) {
      // generateName is owned in Kubernetes; nobody can change it, so nobody can conflict.
      meta->Erase(key);
    }
    if (meta->empty()) out.Erase("metadata");
  }
  return out;
}

}  // namespace kinglet::local
