#include "local/workloads/expectations.h"

#include <algorithm>

namespace kinglet::workloads {

bool Expectations::Met(const kube::ObjectKey& owner, const kube::Informer& pods) {
  return entries_.With([&](auto& map) {
    auto it = map.find(owner);
    if (it == map.end()) return true;
    std::erase_if(it->second, [&](const Entry& entry) {
      if (std::chrono::steady_clock::now() > entry.until) return true;
      auto pod = pods.Get(entry.pod);
      bool there = pod && kube::Uid(*pod) == entry.uid;
      return entry.created ? there : !there || kube::IsDeleting(*pod);
    });
    if (!it->second.empty()) return false;
    map.erase(it);
    return true;
  });
}

void Expectations::Add(const kube::ObjectKey& owner, const Json& pod, bool created) {
  entries_.With([&](auto& map) {
    map[owner].push_back({kube::KeyOf(pod), kube::Uid(pod), created,
                          std::chrono::steady_clock::now() + std::chrono::seconds(5)});
  });
}

}  // namespace kinglet::workloads
