// What a controller of pods has created and deleted and its informer has not shown yet: until it
// has, counts of pods would be wrong. Thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/json.h"
#include "kube/informer.h"
#include "kube/object.h"

namespace kinglet::workloads {

class Expectations {
 public:
  void Created(const kube::ObjectKey& owner, const Json& pod) { Add(owner, pod, true); }
  void Deleted(const kube::ObjectKey& owner, const Json& pod) { Add(owner, pod, false); }

  // Forgets what has been seen (or was expected too long ago) and says whether nothing is left.
  bool Met(const kube::ObjectKey& owner, const kube::Informer& pods);
  void Forget(const kube::ObjectKey& owner) {
    entries_.With([&](auto& map) { map.erase(owner); });
  }

 private:
  struct Entry {
    kube::ObjectKey pod;
    std::string uid;
    bool created;
    SteadyTime until;
  };
  void Add(const kube::ObjectKey& owner, const Json& pod, bool created);

  Guarded<std::map<kube::ObjectKey, std::vector<Entry>>> entries_;
};

}  // namespace kinglet::workloads
