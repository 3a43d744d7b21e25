// The informer's objects and their indexes.
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

// Thread-safe.
class Store {
 public:
  using ObjectPtr = std::shared_ptr<const Json>;
  using IndexFunction = std::function<std::vector<std::string>(const Json& object)>;

  // Both return what was there before, or null.
  ObjectPtr Put(const ObjectKey& key, ObjectPtr object);
  ObjectPtr Remove(const ObjectKey& key);

  ObjectPtr Get(const ObjectKey& key) const;
  std::vector<ObjectPtr> List(std::string_view ns) const;  // "" all
  std::vector<ObjectPtr> ByIndex(std::string_view index, std::string_view value) const;
  size_t size() const;
  // Objects present are indexed at once. Replaces an index of that name.
  void AddIndex(std::string name, IndexFunction function);

 private:
  struct Index {
    IndexFunction function;
    std::map<std::string, std::set<ObjectKey>, std::less<>> keys;
  };
  struct Data {
    std::map<ObjectKey, ObjectPtr> objects;
    std::map<std::string, Index, std::less<>> indexes;
  };
  static void Enter(Index& index, const ObjectKey& key, const Json& object);
  static void Leave(Index& index, const ObjectKey& key, const Json& object);

  Guarded<Data> data_;
};

}  // namespace kinglet::kube
