#include "control/lazy_watches.h"

namespace kinglet::control {

Status LazyWatches::Need(kube::Informer& informer) {
  if (started_.With([&](auto& started) { return started.insert(&informer).second; })) {
    informer.Start(stop_);
  }
  constexpr Duration kFirstList = std::chrono::seconds(30);
  if (informer.HasSynced() || informer.WaitForSync(Deadline::After(kFirstList), stop_)) return {};
  return Fail(Code::kUnavailable, "{} are not listed yet", informer.type().GroupResource());
}

Result<bool> LazyWatches::NeedIfServed(kube::Informer& informer) {
  KINGLET_RETURN_IF_ERROR(Need(informer));
  return informer.KindExists();
}

}  // namespace kinglet::control
