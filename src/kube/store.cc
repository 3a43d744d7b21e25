#include "kube/store.h"

namespace kinglet::kube {

void Store::Enter(Index& index, const ObjectKey& key, const Json& object) {
  for (const std::string& value : index.function(object)) index.keys[value].insert(key);
}

void Store::Leave(Index& index, const ObjectKey& key, const Json& object) {
  for (const std::string& value : index.function(object)) {
    auto it = index.keys.find(value);
    if (it == index.keys.end()) continue;
    it->second.erase(key);
    if (it->second.empty()) index.keys.erase(it);
  }
}

Store::ObjectPtr Store::Put(const ObjectKey& key, ObjectPtr object) {
  auto data = data_.Acquire();
  ObjectPtr& slot = data->objects[key];
  for (auto& [name, index] : data->indexes) {
    if (slot) Leave(index, key, *slot);
    Enter(index, key, *object);
  }
  std::swap(slot, object);
  return object;
}

Store::ObjectPtr Store::Remove(const ObjectKey& key) {
  auto data = data_.Acquire();
  auto it = data->objects.find(key);
  if (it == data->objects.end()) return nullptr;
  ObjectPtr before = std::move(it->second);
  data->objects.erase(it);
  for (auto& [name, index] : data->indexes) Leave(index, key, *before);
  return before;
}

Store::ObjectPtr Store::Get(const ObjectKey& key) const {
  return data_.With([&](const Data& data) -> ObjectPtr {
    auto it = data.objects.find(key);
    return it == data.objects.end() ? nullptr : it->second;
  });
}

std::vector<Store::ObjectPtr> Store::List(std::string_view ns) const {
  return data_.With([&](const Data& data) {
    std::vector<ObjectPtr> out;
    auto it = ns.empty() ? data.objects.begin()
                         : data.objects.lower_bound(ObjectKey{std::string(ns), ""});
    for (; it != data.objects.end() && (ns.empty() || it->first.ns == ns); ++it) {
      out.push_back(it->second);
    }
    return out;
  });
}

std::vector<Store::ObjectPtr> Store::ByIndex(std::string_view name, std::string_view value) const {
  return data_.With([&](const Data& data) {
    std::vector<ObjectPtr> out;
    auto index = data.indexes.find(name);
    if (index == data.indexes.end()) return out;
    auto keys = index->second.keys.find(value);
    if (keys == index->second.keys.end()) return out;
    for (const ObjectKey& key : keys->second) out.push_back(data.objects.at(key));
    return out;
  });
}

size_t Store::size() const {
  return data_.With([](const Data& data) { return data.objects.size(); });
}

void Store::AddIndex(std::string name, IndexFunction function) {
  auto data = data_.Acquire();
  Index index{std::move(function), {}};
  for (const auto& [key, object] : data->objects) Enter(index, key, *object);
  data->indexes.insert_or_assign(std::move(name), std::move(index));
}

}  // namespace kinglet::kube
