#include "kube/store.h"

namespace kinglet::kube {
namespace {

Store::ObjectPtr Read(const std::shared_ptr<const std::string>& text) {
  if (!text) return nullptr;
  auto object = Json::Parse(*text);
  // What Dump wrote, Parse reads; but for numbers that JSON lacks, which no API server sends.
  return std::make_shared<const Json>(object ? *std::move(object) : Json());
}

std::vector<Store::ObjectPtr> ReadAll(
    const std::vector<std::shared_ptr<const std::string>>& texts) {
  std::vector<Store::ObjectPtr> out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.push_back(Read(text));
  return out;
}

}  // namespace

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

Store::ObjectPtr Store::Put(const ObjectKey& key, const Json& object) {
  ObjectPtr before = Get(key);
  auto text = std::make_shared<const std::string>(object.Dump());
  auto data = data_.Acquire();
  data->objects[key] = std::move(text);
  for (auto& [name, index] : data->indexes) {
    if (before) Leave(index, key, *before);
    Enter(index, key, object);
  }
  return before;
}

Store::ObjectPtr Store::Remove(const ObjectKey& key) {
  ObjectPtr before = Get(key);
  if (!before) return nullptr;
  auto data = data_.Acquire();
  data->objects.erase(key);
  for (auto& [name, index] : data->indexes) Leave(index, key, *before);
  return before;
}

Store::ObjectPtr Store::Get(const ObjectKey& key) const {
  return Read(data_.With([&](const Data& data) -> Text {
    auto it = data.objects.find(key);
    return it == data.objects.end() ? nullptr : it->second;
  }));
}

std::vector<Store::ObjectPtr> Store::List(std::string_view ns) const {
  return ReadAll(data_.With([&](const Data& data) {
    std::vector<Text> out;
    auto it = ns.empty() ? data.objects.begin()
                         : data.objects.lower_bound(ObjectKey{std::string(ns), ""});
    for (; it != data.objects.end() && (ns.empty() || it->first.ns == ns); ++it) {
      out.push_back(it->second);
    }
    return out;
  }));
}

std::vector<Store::ObjectPtr> Store::ByIndex(std::string_view name, std::string_view value) const {
  return ReadAll(data_.With([&](const Data& data) {
    std::vector<Text> out;
    auto index = data.indexes.find(name);
    if (index == data.indexes.end()) return out;
    auto keys = index->second.keys.find(value);
    if (keys == index->second.keys.end()) return out;
    for (const ObjectKey& key : keys->second) out.push_back(data.objects.at(key));
    return out;
  }));
}

std::vector<ObjectKey> Store::KeysByIndex(std::string_view name, std::string_view value) const {
  return data_.With([&](const Data& data) -> std::vector<ObjectKey> {
    auto index = data.indexes.find(name);
    if (index == data.indexes.end()) return {};
    auto keys = index->second.keys.find(value);
    if (keys == index->second.keys.end()) return {};
    return {keys->second.begin(), keys->second.end()};
  });
}

std::vector<ObjectKey> Store::Keys() const {
  return data_.With([](const Data& data) {
    std::vector<ObjectKey> out;
    for (const auto& [key, text] : data.objects) out.push_back(key);
    return out;
  });
}

size_t Store::size() const {
  return data_.With([](const Data& data) { return data.objects.size(); });
}

void Store::AddIndex(std::string name, IndexFunction function) {
  auto data = data_.Acquire();
  Index index{std::move(function), {}};
  for (const auto& [key, text] : data->objects) Enter(index, key, *Read(text));
  data->indexes.insert_or_assign(std::move(name), std::move(index));
}

}  // namespace kinglet::kube
