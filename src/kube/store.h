// The informer's objects and their indexes.
//
// Objects rest as JSON text, a sixth of what they take as values: a manager of thousands of
// services is judged by its memory, and reading one back costs some ten microseconds.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/json.h"
#include "kube/object.h"

namespace kinglet::kube {

// Thread-safe; Put and Remove from one thread at a time.
class Store {
 public:
  using ObjectPtr = std::shared_ptr<const Json>;
  using IndexFunction = std::function<std::vector<std::string>(const Json& object)>;

  // Both return what was there before, or null.
  ObjectPtr Put(const ObjectKey& key, const Json& object);
  ObjectPtr Remove(const ObjectKey& key);

  ObjectPtr Get(const ObjectKey& key) const;
  std::vector<ObjectPtr> List(std::string_view ns) const;  // "" all
  std::vector<ObjectPtr> ByIndex(std::string_view index, std::string_view value) const;
  std::vector<ObjectKey> KeysByIndex(std::string_view index, std::string_view value) const;
  std::vector<ObjectKey> Keys() const;
  size_t size() const;
  // Objects present are indexed at once. Replaces an index of that name.
  void AddIndex(std::string name, IndexFunction function);

 private:
  using Text = std::shared_ptr<const std::string>;
  struct Index {
    IndexFunction function;
    std::map<std::string, std::set<ObjectKey>, std::less<>> keys;
  };
  struct Data {
    std::map<ObjectKey, Text> objects;
    std::map<std::string, Index, std::less<>> indexes;
  };
  static void Enter(Index& index, const ObjectKey& key, const Json& object);
  static void Leave(Index& index, const ObjectKey& key, const Json& object);

  Guarded<Data> data_;
};

}  // namespace kinglet::kube
