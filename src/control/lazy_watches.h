// Watches that begin when they are first needed: a cluster without graphs pays for none of their
// neighbours.
#pragma once

#include <set>
#include <stop_token>

#include "base/guarded.h"
#include "kube/informer.h"

namespace kinglet::control {

// Thread-safe.
class LazyWatches {
 public:
  // Before the first Need: when all watches end.
  void SetStop(std::stop_token stop) { stop_ = std::move(stop); }

  // The informer runs and has its first list. Waits for that; kUnavailable when it takes too long
  // or all ends.
  Status Need(kube::Informer& informer);
  // The same; false where the server does not have the kind. That it is installed, or removed,
  // later is noticed within seconds.
  Result<bool> NeedIfServed(kube::Informer& informer);

 private:
  std::stop_token stop_;
  Guarded<std::set<kube::Informer*>> started_;
};

}  // namespace kinglet::control
